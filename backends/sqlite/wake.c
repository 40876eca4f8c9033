/*
 * backends/sqlite/wake.c - the doorbell: the kernel tells when somebody has written to the write-ahead log
 *
 * A commit of any process appends to DATABASE-wal, which inotify reports. It is armed with every claim before that
 * claim looks, and rings once; what else happens until the next claim costs nothing. The relay's own commits ring,
 * too: one empty claim is cheaper than telling them apart with certainty. A checkpoint writes to the
 * database alone, which is watched only for being removed or replaced.
 * Where the kernel has no watches left to give, a timer rings instead.
 */
#include "store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define SUBSTITUTE_US 25000

/* Take all that is there: only that something is there matters. */
static void drain(const struct lite_store *store)
{
    char events[4096];
    while (read(store->notify_fd, events, sizeof events) > 0) {
    }
}

static void ready(void *arg, uint32_t events)
{
    const struct lite_store *store = arg;
    (void)events;
    store->host->wake(store->host);
}

static void fire(void *arg)
{
    const struct lite_store *store = arg;
    store->host->wake(store->host);
}

static bool add_watch(const struct lite_store *store, const char *suffix, uint32_t mask)
{
    size_t size = strlen(store->path) + strlen(suffix) + 1;
    char *path = store->host->alloc(store->host, size);
    if (!path)
        return false;
    snprintf(path, size, "%s%s", store->path, suffix);
    bool added = inotify_add_watch(store->notify_fd, path, mask) >= 0;
    store->host->release(store->host, path);
    return added;
}

static bool open_watches(struct lite_store *store)
{
    const struct outbox_host *host = store->host;
    store->notify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    return store->notify_fd >= 0 && add_watch(store, "-wal", IN_MODIFY | IN_DELETE_SELF | IN_MOVE_SELF) &&
           add_watch(store, "", IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF) &&
           host->watch_open(host, store->notify_fd, ready, store, &store->watch) == OUTBOX_OK;
}

/* The log exists: start() has read the database through it. */
void lite_wake_start(struct lite_store *store)
{
    const struct outbox_host *host = store->host;
    if (open_watches(store))
        return;
    host->log(host, OUTBOX_LOG_WARN,
              "watch outbox database %s: %s; looking every %d ms instead, or raise fs.inotify.max_user_watches",
              store->path, strerror(errno), SUBSTITUTE_US / 1000);
    lite_wake_stop(store);
    if (host->timer_open(host, fire, store, &store->timer))
        store->timer = NULL;
}

void lite_wake_arm(struct lite_store *store)
{
    const struct outbox_host *host = store->host;
    if (store->watch) {
        drain(store);
        host->watch_arm(store->watch, OUTBOX_READABLE);
    } else if (store->timer) {
        host->timer_set(store->timer, SUBSTITUTE_US);
    }
}

void lite_wake_stop(struct lite_store *store)
{
    const struct outbox_host *host = store->host;
    host->watch_close(store->watch);
    host->timer_close(store->timer);
    if (store->notify_fd >= 0)
        close(store->notify_fd);
    store->watch = NULL;
    store->timer = NULL;
    store->notify_fd = -1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/wakeup.c - the wakeup: the kernel tells when somebody has written to the write-ahead log
 *
 * A commit of any process appends to DATABASE-wal, which inotify reports. It is armed with every claim and rings once
 * for whatever has happened since it rang last; between that and the next claim events cost nothing. The relay's own
 * commits ring, too: one empty claim is cheaper than telling them apart with certainty. A checkpoint writes to the
 * database alone, which is watched only for being removed or replaced.
 * A commit is written before it is visible, and with synchronous=FULL a flush of the disk lies in between. The host
 * looks a few times after a ring; for a slow disk it is rung for once more.
 * Where the kernel has no watches left to give, a timer rings instead.
 */
#include "store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define SUBSTITUTE_US 25000
#define SECOND_RING_US 100000

/* Take all events: only that there are some matters. */
static void ready(void *arg, uint32_t events)
{
    const struct lite_store *store = arg;
    char bytes[4096];
    (void)events;
    while (read(store->notify_fd, bytes, sizeof bytes) > 0) {
    }
    store->host->timer_set(store->timer, SECOND_RING_US);
    store->host->wake(store->host);
}

static void fire(void *arg)
{
    const struct lite_store *store = arg;
    store->host->wake(store->host);
}

static bool add_watch(const struct lite_store *store, const char *suffix, uint32_t mask)
{
    size_t size = strlen(store->real) + strlen(suffix) + 1;
    char *path = store->host->alloc(store->host, size);
    if (!path)
        return false;
    snprintf(path, size, "%s%s", store->real, suffix);
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

static void close_watches(struct lite_store *store)
{
    store->host->watch_close(store->watch);
    store->watch = NULL;
    if (store->notify_fd >= 0)
        close(store->notify_fd);
    store->notify_fd = -1;
}

/* The log exists: start() has read the database through it. */
int lite_wake_start(struct lite_store *store, struct outbox_error *error)
{
    const struct outbox_host *host = store->host;
    lite_wake_stop(store);
    if (host->timer_open(host, fire, store, &store->timer)) {
        store->timer = NULL;
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "watch outbox database %s: out of memory", store->path);
    }
    if (open_watches(store))
        return OUTBOX_OK;
    host->log(host, OUTBOX_LOG_WARN,
              "watch outbox database %s: %s; looking every %d ms instead, or raise fs.inotify.max_user_watches",
              store->path, strerror(errno), SUBSTITUTE_US / 1000);
    close_watches(store);
    return OUTBOX_OK;
}

void lite_wake_arm(struct lite_store *store)
{
    if (store->watch)
        store->host->watch_arm(store->watch, OUTBOX_READABLE);
    else if (store->timer)
        store->host->timer_set(store->timer, SUBSTITUTE_US);
}

void lite_wake_stop(struct lite_store *store)
{
    close_watches(store);
    store->host->timer_close(store->timer);
    store->timer = NULL;
}

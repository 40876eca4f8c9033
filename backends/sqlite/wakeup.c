/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/wakeup.c - wake-up notifications: the kernel reports writes to the log
 *
 * A commit of any process appends to DATABASE-wal, which inotify reports. Each claim arms the watch, and one
 * notification covers everything until the next claim, so events that come meanwhile cost nothing. The relay's own
 * commits notify as well: one empty claim is cheaper than distinguishing them with certainty. A checkpoint writes to
 * the database file alone, which is watched only for its removal and replacement.
 *
 * A commit is written before it is visible, and with synchronous=FULL a flush of the disk lies between. The host polls
 * a few times after a notification; for a slow disk a timer notifies once more.
 *
 * Failure mode: where inotify has no watches left, a timer notifies every 25 ms, and a warning names the limit to
 * raise.
 */
#include "store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define POLL_US 25000    /* without inotify */
#define REPEAT_US 100000 /* the second notification of a commit */

/* Reads all events: only their presence matters. */
static void on_readable(void *arg, uint32_t events)
{
    const struct lite_store *store = arg;
    char bytes[4096];
    (void)events;
    while (read(store->wakeup.fd, bytes, sizeof bytes) > 0) {
    }
    store->host->timer_set(store->wakeup.timer, REPEAT_US);
    store->host->wake(store->host);
}

static void on_timer(void *arg)
{
    const struct lite_store *store = arg;
    store->host->wake(store->host);
}

static bool add_watch(const struct lite_store *store, const char *suffix, uint32_t mask)
{
    const char *real = store->file.real;
    size_t size = strlen(real) + strlen(suffix) + 1;
    char *path = store->host->alloc(store->host, size);
    if (!path)
        return false;
    snprintf(path, size, "%s%s", real, suffix);
    bool added = inotify_add_watch(store->wakeup.fd, path, mask) >= 0;
    store->host->release(store->host, path);
    return added;
}

static bool open_watches(struct lite_store *store)
{
    const struct outbox_host *host = store->host;
    struct lite_wakeup *wakeup = &store->wakeup;
    wakeup->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    return wakeup->fd >= 0 && add_watch(store, "-wal", IN_MODIFY | IN_DELETE_SELF | IN_MOVE_SELF) &&
           add_watch(store, "", IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF) &&
           host->watch_open(host, wakeup->fd, on_readable, store, &wakeup->watch) == OUTBOX_OK;
}

static void close_watches(struct lite_store *store)
{
    struct lite_wakeup *wakeup = &store->wakeup;
    store->host->watch_close(wakeup->watch);
    wakeup->watch = NULL;
    if (wakeup->fd >= 0)
        close(wakeup->fd);
    wakeup->fd = -1;
}

/* start() has read the database, so its log exists. */
int lite_wakeup_start(struct lite_store *store, struct outbox_error *error)
{
    const struct outbox_host *host = store->host;
    lite_wakeup_stop(store);
    if (host->timer_open(host, on_timer, store, &store->wakeup.timer)) {
        store->wakeup.timer = NULL;
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "watch outbox database %s: out of memory", store->file.path);
    }
    if (open_watches(store))
        return OUTBOX_OK;
    host->log(host, OUTBOX_LOG_WARN,
              "watch outbox database %s: %s; polling every %d ms instead; raise fs.inotify.max_user_watches",
              store->file.path, strerror(errno), POLL_US / 1000);
    close_watches(store);
    return OUTBOX_OK;
}

void lite_wakeup_arm(struct lite_store *store)
{
    if (store->wakeup.watch)
        store->host->watch_arm(store->wakeup.watch, OUTBOX_READABLE);
    else if (store->wakeup.timer)
        store->host->timer_set(store->wakeup.timer, POLL_US);
}

void lite_wakeup_stop(struct lite_store *store)
{
    close_watches(store);
    store->host->timer_close(store->wakeup.timer);
    store->wakeup.timer = NULL;
}

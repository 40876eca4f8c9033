/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/snapshot.c - a task on the loop fills the snapshot under a lock, readers wait for it with a deadline
 */
#include "daemon/snapshot.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/utf8.h"

struct obx_snapshots {
    struct obx_loop *loop;
    struct obx_task task;
    void (*fill)(void *arg, struct obx_snapshot *snapshot);
    void *arg;
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t filled;
    uint64_t requested, completed; /* requests are numbered */
    bool closed;
    struct obx_snapshot latest;
};

void obx_view_text(char *to, size_t size, const char *from)
{
    size_t left = from ? strlen(from) : 0, used = 0;
    while (left) {
        size_t length = obx_utf8_length(from, left), step = length ? length : 1;
        if (used + step >= size)
            break;
        if (length)
            memmove(to + used, from, length);
        else
            to[used] = '?';
        used += step, from += step, left -= step;
    }
    to[used] = '\0';
}

struct obx_relay_view *obx_snapshot_more(struct obx_snapshot *snapshot)
{
    if (snapshot->count == snapshot->room) {
        uint32_t room = snapshot->room ? snapshot->room * 2 : 4;
        void *moved = obx_resize(snapshot->relays, room * sizeof *snapshot->relays);
        if (!moved)
            return NULL;
        snapshot->relays = moved;
        snapshot->room = room;
    }
    struct obx_relay_view *view = &snapshot->relays[snapshot->count++];
    memset(view, 0, sizeof *view);
    return view;
}

const struct obx_relay_view *obx_snapshot_find(const struct obx_snapshot *snapshot, const char *relay)
{
    for (uint32_t i = 0; i < snapshot->count; i++)
        if (!strcmp(snapshot->relays[i].name, relay))
            return &snapshot->relays[i];
    return NULL;
}

void obx_snapshot_free(struct obx_snapshot *snapshot)
{
    obx_free(snapshot->relays);
    memset(snapshot, 0, sizeof *snapshot);
}

static void fill_requested(struct obx_task *task)
{
    struct obx_snapshots *snapshots = OBX_CONTAINER(task, struct obx_snapshots, task);
    pthread_mutex_lock(&snapshots->lock);
    snapshots->latest.count = 0;
    snapshots->fill(snapshots->arg, &snapshots->latest);
    snapshots->completed = snapshots->requested;
    pthread_cond_broadcast(&snapshots->filled);
    pthread_mutex_unlock(&snapshots->lock);
}

int obx_snapshots_new(struct obx_loop *loop, void (*fill)(void *arg, struct obx_snapshot *snapshot), void *arg,
                      struct obx_snapshots **snapshots, struct outbox_error *error)
{
    struct obx_snapshots *made = obx_alloc(sizeof *made);
    *snapshots = made;
    if (!made)
        return obx_error_no_memory(error);
    pthread_condattr_t attributes;
    made->loop = loop;
    made->task.run = fill_requested;
    made->fill = fill;
    made->arg = arg;
    pthread_mutex_init(&made->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&made->filled, &attributes);
    pthread_condattr_destroy(&attributes);
    return OUTBOX_OK;
}

void obx_snapshots_close(struct obx_snapshots *snapshots)
{
    pthread_mutex_lock(&snapshots->lock);
    snapshots->closed = true;
    pthread_cond_broadcast(&snapshots->filled);
    pthread_mutex_unlock(&snapshots->lock);
}

void obx_snapshots_free(struct obx_snapshots *snapshots)
{
    if (!snapshots)
        return;
    snapshots->loop->ops->cancel(snapshots->loop, &snapshots->task);
    pthread_cond_destroy(&snapshots->filled);
    pthread_mutex_destroy(&snapshots->lock);
    obx_snapshot_free(&snapshots->latest);
    obx_free(snapshots);
}

static int copy_to(const struct obx_snapshot *from, struct obx_snapshot *copy)
{
    *copy = *from;
    copy->room = copy->count;
    copy->relays = obx_alloc(from->count * sizeof *from->relays);
    if (!copy->relays)
        return OUTBOX_E_NO_MEMORY;
    if (from->count)
        memcpy(copy->relays, from->relays, from->count * sizeof *from->relays);
    return OUTBOX_OK;
}

int obx_snapshots_get(struct obx_snapshots *snapshots, uint32_t timeout_ms, struct obx_snapshot *copy)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    memset(copy, 0, sizeof *copy);
    pthread_mutex_lock(&snapshots->lock);
    uint64_t number = ++snapshots->requested;
    int waited = 0;
    if (!snapshots->closed)
        snapshots->loop->ops->post(snapshots->loop, &snapshots->task);
    while (!snapshots->closed && snapshots->completed < number && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&snapshots->filled, &snapshots->lock, &until);
    int status = snapshots->closed               ? OUTBOX_E_CANCELED
                 : snapshots->completed < number ? OUTBOX_E_TIMEOUT
                                                 : copy_to(&snapshots->latest, copy);
    pthread_mutex_unlock(&snapshots->lock);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/embed/drain.c - waits until the events of now are out
 *
 * The second empty claim after the call began after it, and saw every event that was committed before. What earlier
 * claims had read is removed as soon as nothing is in flight. Both together are the proof; only statistics are read.
 */
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "embed/handle.h"

#define PAUSE_NS 2000000L

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int refuse(const struct outbox *handle, int code, const struct outbox_stats *stats, const char *why,
                  struct outbox_error *error)
{
    return obx_error_set(error, code, "drain relay %s: %s%s%s", handle->name, why, stats->last_error[0] ? ": " : "",
                         stats->last_error);
}

static bool is_through(const struct outbox_stats *stats, uint64_t empty_claims)
{
    return stats->state == OUTBOX_STATE_RELAYING && !stats->in_flight && stats->empty_claims >= empty_claims + 2;
}

static int wait_for(struct outbox *handle, uint64_t until, struct outbox_error *error)
{
    struct outbox_stats stats = {.struct_size = sizeof stats};
    outbox_stats(handle, &stats);
    uint64_t empty_claims = stats.empty_claims;
    for (; !is_through(&stats, empty_claims); outbox_stats(handle, &stats)) {
        if (stats.state == OUTBOX_STATE_STANDBY)
            return refuse(handle, OUTBOX_E_STANDBY, &stats, "another relay owns the outbox", error);
        if (stats.state == OUTBOX_STATE_HALTED)
            return refuse(handle, OUTBOX_E_REJECTED, &stats, "it has halted", error);
        if (now_ms() >= until)
            return refuse(handle, OUTBOX_E_TIMEOUT, &stats, "not within the time", error);
        outbox_wake(handle);
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
    return stats.blocked_events
               ? refuse(handle, OUTBOX_E_AGAIN, &stats, "events of blocked keys remain in the outbox", error)
               : OUTBOX_OK;
}

int outbox_drain(struct outbox *handle, uint32_t timeout_ms, struct outbox_error *error)
{
    int status = obx_handle_check(handle, "drain relay", error);
    if (status)
        return status;
    if (handle->mode != OBX_ON_THREAD || pthread_equal(handle->thread, pthread_self()))
        return obx_error_set(error, OUTBOX_E_INVALID, "drain relay %s: it is not running on another thread",
                             handle->name);
    return wait_for(handle, now_ms() + timeout_ms, error);
}

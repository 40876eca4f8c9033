/* SPDX-License-Identifier: Apache-2.0 */
/* program/verbs/drain_left.c - prints what a drain leaves in the outbox, and why */
#include "verbs/drain_left.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/escape.h"
#include "cli/oneshot.h"

#define KEYS_MAX 100u /* printed for each relay */

struct printed {
    const char *relay;
    uint64_t keys;
};

static void print_key(void *arg, const struct obx_blocked_key *key)
{
    struct printed *printed = arg;
    if (printed->keys++ >= KEYS_MAX)
        return;
    fprintf(stderr, "outbox drain: %s: ", printed->relay);
    obx_escape_text(stderr, key->topic ? key->topic : "");
    putc('/', stderr);
    obx_escape_text(stderr, key->key ? key->key : "");
    fputs(" is blocked by event ", stderr);
    obx_escape_text(stderr, key->event_id ? key->event_id : "");
    fprintf(stderr, " (row %" PRIu64 ", attempts %u), %" PRIu64 " waiting: ", key->position.major, key->attempts,
            key->events);
    obx_escape_text(stderr, key->reason ? key->reason : "unknown");
    putc('\n', stderr);
}

static void print_rows(void *arg, const char *why)
{
    const struct printed *printed = arg;
    obx_escape_line(stderr, "outbox drain: %s: %s", printed->relay, why);
}

static void print_relay(void *arg, const struct obx_relay_info *info)
{
    struct printed printed = {info->name, 0};
    struct outbox_stats stats = {.struct_size = sizeof stats};
    uint64_t limit = (uint64_t)obx_relay_settings(info->relay)->max_blocked_events;
    (void)arg;
    obx_relay_stats(info->relay, &stats);
    obx_relay_each_blocked(info->relay, print_key, &printed);
    if (printed.keys > KEYS_MAX)
        fprintf(stderr, "outbox drain: %s: %" PRIu64 " more keys are blocked\n", info->name, printed.keys - KEYS_MAX);
    if (stats.blocked_events >= limit)
        fprintf(stderr,
                "outbox drain: %s: %" PRIu64 " events are blocked, which is max_blocked_events: the outbox may have "
                "more events that were not read\n",
                info->name, stats.blocked_events);
    obx_relay_each_left(info->relay, print_rows, &printed);
}

void obx_drain_print_left(struct obx_relay_set *relays)
{
    obx_relay_set_each(relays, print_relay, NULL);
}

/* ---- --timeout --------------------------------------------------------------------------------------------------- */

struct late {
    const char *timeout;
    enum obx_exit code;
};

static enum obx_exit code_of(const struct obx_relay_info *info, const struct outbox_stats *stats)
{
    if (info->failure->code && info->state != OUTBOX_STATE_RELAYING)
        return obx_exit_code(info->failure->code);
    bool only_blocked = info->drained || (stats->blocked_events && stats->in_flight == 0);
    return only_blocked ? OBX_EXIT_DATA : OBX_EXIT_AGAIN;
}

/* What keeps the relay from working, if anything does; else the last trouble that lasts. "": none. */
static const char *reason_of(const struct obx_relay_info *info, const struct outbox_stats *stats)
{
    bool failed = info->failure->code && info->state != OUTBOX_STATE_RELAYING;
    return failed ? info->failure->text : stats->last_error;
}

static void print_late(void *arg, const struct obx_relay_info *info)
{
    struct late *late = arg;
    struct outbox_stats stats = {.struct_size = sizeof stats};
    obx_relay_stats(info->relay, &stats);
    if (info->drained && !info->blocked)
        return;
    late->code = obx_exit_worse(late->code, code_of(info, &stats));
    const char *why = reason_of(info, &stats);
    obx_escape_line(stderr,
                    "outbox drain: %s: not drained within %s: %s, %" PRIu64 " events removed, %" PRIu64 " blocked%s%s",
                    info->name, late->timeout, outbox_state_name(info->state), stats.settled, stats.blocked_events,
                    why[0] ? ": " : "", why);
}

enum obx_exit obx_drain_print_late(struct obx_relay_set *relays, const char *timeout)
{
    struct late late = {timeout, OBX_EXIT_OK};
    obx_relay_set_each(relays, print_late, &late);
    obx_drain_print_left(relays);
    return late.code;
}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

int64_t obx_drain_count_rows(struct obx_context *context)
{
    struct outbox_store_status status;
    struct outbox_error ignored;
    const char *relay;
    int64_t sum = 0;
    for (uint32_t i = 0; (relay = obx_context_relay(context, i)); i++) {
        if (obx_oneshot_store_status(context, relay, &status, NULL, &ignored) || status.pending < 0)
            return -1;
        sum += status.pending;
    }
    return sum;
}

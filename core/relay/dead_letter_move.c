/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/dead_letter_move.c - choosing rows, the operation, and its answer */
#include "relay/dead_letter_move.h"

#include <stdio.h>

#include "base/failpoint.h"
#include "relay/link.h"
#include "relay/low_mark.h"

#define AGAIN_MIN_MS 100
#define AGAIN_MAX_MS 30000
#define KEPT_MIN_MS 1000
#define LOG_AFTER_NS (250 * OBX_MS)
#define GIVE_UP_FAILURES 3

bool obx_dead_letter_move_fails(const struct obx_dead_letters *letters)
{
    return letters->failures.count >= GIVE_UP_FAILURES ||
           (letters->kept_failures.count && obx_list_empty(&letters->waiting));
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

static void log_failure(struct obx_dead_letters *letters, struct obx_failures *failures, const char *why)
{
    struct obx_relay_context *context = &letters->stages->context;
    snprintf(letters->why, sizeof letters->why, "%s", why);
    if (!obx_failures_log_due(failures, context, LOG_AFTER_NS, why))
        return;
    obx_trouble_show(context, "store", why);
    OBX_RELAY_LOG(context, OUTBOX_LOG_WARN, "store: %s; %u rejected events wait to become dead letters", why,
                  letters->count);
}

static void log_end(const struct obx_dead_letters *letters, struct obx_failures *failures)
{
    struct obx_relay_context *context = &letters->stages->context;
    if (!obx_failures_end(failures))
        return;
    OBX_RELAY_LOG(context, OUTBOX_LOG_INFO, "store: rejected events become dead letters again after %s",
                  obx_duration(context->now - failures->since).text);
    obx_trouble_end(context, 0);
}

/* Until the next move the operator may replay what they follow: they stand before the followers that came later. */
static void take_followers_back(struct obx_dead_letters *letters)
{
    struct obx_list *before = letters->followers.next;
    for (struct obx_dead_letter_row *row = OBX_LIST_FIRST(&letters->waiting, struct obx_dead_letter_row, link), *next;
         row; row = next) {
        next = OBX_LIST_NEXT(&letters->waiting, row, struct obx_dead_letter_row, link);
        if (!row->is_follower)
            continue;
        obx_list_remove(&row->link);
        obx_list_append(before, &row->link);
        row->reading = letters->readings + 1;
        letters->count--;
        letters->follower_count++;
    }
}

/* Events of other keys go on meanwhile. A lock that passes is not logged. */
static void on_again(struct obx_dead_letters *letters, const struct outbox_error *error)
{
    struct obx_relay_context *context = &letters->stages->context;
    take_followers_back(letters);
    letters->move_at = obx_failures_add(&letters->failures, context, AGAIN_MIN_MS, AGAIN_MAX_MS);
    log_failure(letters, &letters->failures, error->text);
}

/* The rows of the move leave their list. Those that the store kept go to the end of the other. */
static uint32_t take_rows(struct obx_dead_letters *letters)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < letters->move.count; i++) {
        struct obx_list *link = obx_list_pop(letters->source);
        if (!link)
            return kept; /* not covered: the rows of a move stay in their list until it has ended */
        if (letters->move_kept[i]) {
            obx_list_append(&letters->kept, link);
            kept++;
        } else {
            letters->count--;
            obx_free(OBX_CONTAINER(link, struct obx_dead_letter_row, link));
        }
    }
    letters->stages->context.stats.dead_lettered += letters->move.count - kept;
    return kept;
}

static void on_success(struct obx_dead_letters *letters)
{
    struct obx_relay_context *context = &letters->stages->context;
    bool retried = letters->source == &letters->kept;
    uint32_t kept = take_rows(letters);
    obx_link_works(letters->stages->store, OBX_WORK_DEAD_LETTER);
    log_end(letters, &letters->failures);
    if (kept && (retried || !letters->kept_failures.count)) {
        letters->kept_at = obx_failures_add(&letters->kept_failures, context, KEPT_MIN_MS, AGAIN_MAX_MS);
        log_failure(letters, &letters->kept_failures, letters->refused.reason);
    } else if (obx_list_empty(&letters->kept)) {
        log_end(letters, &letters->kept_failures);
    }
}

static void on_moved(void *stage, const struct outbox_error *error)
{
    struct obx_dead_letters *letters = stage;
    OBX_FAILPOINT(relay, after_dead_letter);
    if (!error->code)
        on_success(letters);
    else if (obx_failure_keeps_connection(error))
        on_again(letters, error);
    else
        obx_link_lost(letters->stages->store, OBX_WORK_DEAD_LETTER, error);
}

/* ---- the move ---------------------------------------------------------------------------------------------------- */

static struct outbox_bytes key_of(const struct obx_dead_letter_row *row)
{
    return (struct outbox_bytes){row->key_is_null ? NULL : row->bytes + row->topic_size, row->key_size};
}

/* Of a log: rows that are not in the spool yet wait. */
static bool fill_move(struct obx_dead_letters *letters)
{
    uint32_t count = 0;
    OBX_LIST_EACH(letters->source, row, struct obx_dead_letter_row, link)
    {
        if (count == OBX_DEAD_LETTER_MOVE_ROWS || !obx_low_mark_in_spool(letters->stages->low_mark, row->position))
            break;
        letters->move_kept[count] = 0;
        letters->move_rows[count++] = (struct outbox_dead_row){.position = row->position,
                                                               .attempts = row->attempts,
                                                               .topic = {row->bytes, row->topic_size},
                                                               .key = key_of(row),
                                                               .reason = row->reason};
    }
    letters->refused = (struct outbox_refused){.struct_size = sizeof letters->refused};
    letters->move = (struct outbox_dead_letter_rows){.struct_size = sizeof letters->move,
                                                     .count = count,
                                                     .rows = letters->move_rows,
                                                     .kept = letters->move_kept,
                                                     .refused = &letters->refused};
    return count > 0;
}

/* New rows first. */
static bool choose_rows(struct obx_dead_letters *letters)
{
    struct obx_relay_context *context = &letters->stages->context;
    letters->source = obx_list_empty(&letters->waiting) ? &letters->kept : &letters->waiting;
    return obx_due(context, letters->move_at) &&
           (letters->source == &letters->waiting || obx_due(context, letters->kept_at));
}

bool obx_dead_letter_move(struct obx_dead_letters *letters)
{
    struct obx_relay_context *context = &letters->stages->context;
    if (!letters->count || obx_request_busy(&letters->keys_request) || !choose_rows(letters) || !fill_move(letters))
        return false;
    OBX_FAILPOINT(relay, before_dead_letter);
    obx_store_dead_letter(obx_link_instance(letters->stages->store),
                          obx_request_begin(&letters->move_request, context, letters, on_moved),
                          obx_relay_context_store_timeout(context), &letters->move);
    return true;
}

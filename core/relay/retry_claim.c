/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/retry_claim.c - chooses the blocked events to claim again, and compares them with the answer */
#include "relay/retry_claim.h"

#include <inttypes.h>
#include <stdlib.h>

#include "relay/failures.h"
#include "relay/link.h"
#include "relay/low_mark.h"

#define POSITIONS_MAX 1000 /* of one claim */
#define SLOW_CLAIMS 10     /* one of them is in the pipeline at a time */
#define NO_MEMORY_PAUSE_NS (100 * OBX_MS)
#define SPOOL_PAUSE_NS (5 * OBX_MS) /* of a key whose first event is not in the spool yet */

struct obx_retry_claim {
    struct obx_stages *stages;
    struct outbox_position *positions; /* owned; ascending; NULL before the first retry */
    uint32_t room, count;              /* of positions; of which this many are claimed */
    uint32_t limit;                    /* most positions to claim: no more than fit into an answer */
    bool in_pipeline;
    uint64_t vanished, last_vanished; /* events that are gone and not in the log yet: how many, and the last one's id */
    uint64_t log_at;                  /* no line of them earlier than this */
};

struct obx_retry_claim *obx_retry_claim_new(struct obx_stages *stages)
{
    struct obx_retry_claim *retry = obx_alloc(sizeof *retry);
    if (retry)
        retry->stages = stages;
    return retry;
}

void obx_retry_claim_free(struct obx_retry_claim *retry)
{
    if (retry)
        obx_free(retry->positions);
    obx_free(retry);
}

/* ---- the claim --------------------------------------------------------------------------------------------------- */

static int by_position(const void *left, const void *right)
{
    const struct outbox_position *a = left, *b = right;
    return obx_position_compare(*a, *b);
}

static bool has_room(struct obx_retry_claim *retry)
{
    if (retry->positions)
        return true;
    retry->room = (uint32_t)OBX_MIN(retry->stages->context.settings.claim_rows, POSITIONS_MAX);
    retry->positions = obx_alloc(retry->room * sizeof *retry->positions);
    retry->limit = retry->room;
    return retry->positions != NULL;
}

static bool is_claimable(const struct obx_retry_claim *retry, struct outbox_position position)
{
    return obx_low_mark_in_spool(retry->stages->low_mark, position);
}

/* Of a log: events that are not in the spool yet cannot be claimed by position. */
static struct obx_key *next_key(const struct obx_retry_claim *retry)
{
    struct obx_stages *stages = retry->stages;
    struct obx_key *key;
    while ((key = obx_keys_next(stages->keys)) && key->due.due_ns <= stages->context.now &&
           !is_claimable(retry, obx_key_first(key)->position))
        obx_keys_wait(stages->keys, key, stages->context.now + SPOOL_PAUSE_NS);
    return key;
}

bool obx_retry_claim_due(struct obx_retry_claim *retry)
{
    struct obx_relay_context *context = &retry->stages->context;
    struct obx_key *key = next_key(retry);
    if (!key || retry->in_pipeline || !obx_link_up(retry->stages->broker))
        return false;
    if (!obx_due(context, key->due.due_ns))
        return false;
    if (has_room(retry))
        return true;
    obx_due(context, context->now + NO_MEMORY_PAUSE_NS);
    return false;
}

/* A log has these events in its spool, which is read by position. */
bool obx_retry_claim_is_slow(const struct obx_retry_claim *retry)
{
    const struct obx_keys *keys = retry->stages->keys;
    uint64_t waiting = keys->events - keys->exhausted_events;
    return !retry->stages->context.reads_log && waiting >= (uint64_t)SLOW_CLAIMS * retry->room && !keys->failing;
}

/* Of a key that failed in its last retry only the first event is tried; after a success, all of them. */
static uint32_t events_to_claim(const struct obx_retry_claim *retry, const struct obx_key *key)
{
    return key->draining ? OBX_MIN(key->count, retry->limit - retry->count) : 1;
}

static void claim_events(struct obx_retry_claim *retry, struct obx_key *key)
{
    uint32_t most = events_to_claim(retry, key);
    for (key->claimed = 0; key->claimed < most; key->claimed++) {
        struct outbox_position position = key->events[key->first + key->claimed].position;
        if (!is_claimable(retry, position))
            return;
        retry->positions[retry->count++] = position;
    }
}

static struct obx_key *next_due_key(const struct obx_retry_claim *retry)
{
    struct obx_key *key = next_key(retry);
    return key && key->due.due_ns <= retry->stages->context.now ? key : NULL;
}

/* RETRYING keys without a claimed event wait again, and keep their due time. */
static void put_back_unclaimed(struct obx_keys *keys)
{
    struct obx_list *retrying = &keys->retrying;
    for (struct obx_key *key = OBX_LIST_FIRST(retrying, struct obx_key, link), *next; key; key = next) {
        next = OBX_LIST_NEXT(retrying, key, struct obx_key, link);
        if (!key->claimed)
            obx_keys_wait(keys, key, key->due.due_ns);
    }
}

/* Exhausted keys are retried apart from all others: a broker may fail whatever was sent after an event that fails, and
 * a key that always follows such an event would never go. */
uint32_t obx_retry_claim_collect(struct obx_retry_claim *retry)
{
    struct obx_keys *keys = retry->stages->keys;
    struct obx_key *key = obx_keys_next(keys);
    bool exhausted = key->exhausted;
    retry->count = 0;
    for (uint32_t visited = 0; visited < retry->room && retry->count < retry->limit && key; visited++) {
        obx_keys_start_retry(keys, key);
        if (key->exhausted == exhausted)
            claim_events(retry, key);
        else
            key->claimed = 0;
        key = next_due_key(retry);
    }
    put_back_unclaimed(keys);
    qsort(retry->positions, retry->count, sizeof *retry->positions, by_position);
    return retry->count;
}

const struct outbox_position *obx_retry_claim_positions(const struct obx_retry_claim *retry)
{
    return retry->positions;
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

static bool is_among(struct outbox_position position, const struct outbox_position *sorted, uint32_t count)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (obx_position_before(sorted[middle], position))
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && !obx_position_before(position, sorted[low]);
}

/* Keys without an event in the answer keep their due time. */
static void put_back_unanswered(struct obx_keys *keys, struct outbox_position last)
{
    struct obx_list *retrying = &keys->retrying;
    for (struct obx_key *key = OBX_LIST_FIRST(retrying, struct obx_key, link), *next; key; key = next) {
        next = OBX_LIST_NEXT(retrying, key, struct obx_key, link);
        if (key->count && obx_position_before(last, obx_key_first(key)->position))
            obx_keys_wait(keys, key, key->due.due_ns);
    }
}

/* An answer has rows by position, but keys are due by time. With more positions than fit into an answer, the same
 * position could be left out every time, while keys with lower positions fail and are due again. So the relay claims no
 * more positions than fit: then the key that has waited longest is included. */
static void adapt_limit(struct obx_retry_claim *retry, const struct outbox_batch *rows)
{
    if (rows && rows->flags & OUTBOX_BATCH_MORE) {
        retry->limit = rows->rows;
        put_back_unanswered(retry->stages->keys, rows->positions[rows->rows - 1]);
    } else {
        retry->limit = OBX_MIN(retry->limit * 2, retry->room);
    }
}

/* The relay itself removes a row only after its event was published, skipped or dead-lettered. */
static void remove_event(struct obx_retry_claim *retry, struct obx_key *key, struct outbox_position position)
{
    obx_keys_remove_event(retry->stages->keys, key, position);
    retry->vanished++;
    retry->last_vanished = position.major;
}

/* Remove the claimed events of a key that are no longer in the outbox. An event that the key blocked meanwhile was not
 * claimed, and may come before the claimed ones. */
static void remove_vanished(struct obx_retry_claim *retry, struct obx_key *key, const struct outbox_batch *rows)
{
    uint32_t found = rows ? rows->rows : 0;
    bool incomplete = rows && rows->flags & OUTBOX_BATCH_MORE;
    for (uint32_t i = 0, left = key->claimed; i < key->count && left;) {
        struct outbox_position position = key->events[key->first + i].position;
        bool claimed = is_among(position, retry->positions, retry->count);
        bool unknown = incomplete && obx_position_before(rows->positions[found - 1], position);
        left -= claimed;
        if (!claimed || unknown || (found && is_among(position, rows->positions, found)))
            i++;
        else
            remove_event(retry, key, position);
    }
}

void obx_retry_claim_note(struct obx_retry_claim *retry, const struct outbox_batch *rows)
{
    OBX_LIST_EACH(&retry->stages->keys->retrying, key, struct obx_key, link)
    {
        remove_vanished(retry, key, rows);
    }
    adapt_limit(retry, rows);
}

void obx_retry_claim_set_in_pipeline(struct obx_retry_claim *retry, bool in_pipeline)
{
    retry->in_pipeline = in_pipeline;
}

bool obx_retry_claim_in_pipeline(const struct obx_retry_claim *retry)
{
    return retry->in_pipeline;
}

void obx_retry_claim_wait_again(struct obx_retry_claim *retry, uint64_t pause_ns)
{
    struct obx_keys *keys = retry->stages->keys;
    for (struct obx_key *key; (key = OBX_LIST_FIRST(&keys->retrying, struct obx_key, link));)
        obx_keys_wait(keys, key, retry->stages->context.now + pause_ns);
}

/* ---- the log ----------------------------------------------------------------------------------------------------- */

void obx_retry_claim_log_vanished(struct obx_retry_claim *retry)
{
    const struct obx_relay_context *context = &retry->stages->context;
    if (!retry->vanished)
        return;
    OBX_RELAY_LOG(context, OUTBOX_LOG_WARN,
                  "%" PRIu64 " blocked events have left the outbox without being published, the last with id %" PRIu64
                  ": something else than the relay has deleted them",
                  retry->vanished, retry->last_vanished);
    retry->vanished = 0;
    retry->log_at = context->now + OBX_LOG_EVERY_NS;
}

void obx_retry_claim_log_step(struct obx_retry_claim *retry)
{
    if (retry->vanished && obx_due(&retry->stages->context, retry->log_at))
        obx_retry_claim_log_vanished(retry);
}

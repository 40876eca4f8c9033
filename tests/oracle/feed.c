/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/oracle/feed.c - committed, published and remaining events one by one, checked as they arrive
 *
 * The file readers and the simulation both use it, so that each guarantee is checked in one place. verdict.c checks
 * what needs all events. Fails only without memory, and for events that are reported twice.
 */
#include "base/error.h"
#include "events.h"

/* The open transaction is always the last one. */
static struct oracle_transaction *current(struct oracle *oracle)
{
    return oracle->transaction_count ? &oracle->transactions[oracle->transaction_count - 1] : NULL;
}

int oracle_begin(struct oracle *oracle, struct outbox_error *error)
{
    return oracle_transaction_add(oracle) == ORACLE_NONE ? obx_error_no_memory(error) : OUTBOX_OK;
}

bool oracle_ended(struct oracle *oracle, enum oracle_outcome outcome)
{
    if (!current(oracle) || current(oracle)->outcome != ORACLE_DOUBT)
        return false;
    current(oracle)->outcome = outcome;
    return true;
}

int oracle_wrote(struct oracle *oracle, const struct oracle_sighting *event, uint32_t sequence,
                 struct outbox_error *error)
{
    if (!current(oracle))
        return obx_error_set(error, OUTBOX_E_CORRUPT, "event %s belongs to no transaction", event->id);
    if (oracle_event_find(oracle, event->id, event->id_size) != ORACLE_NONE)
        return obx_error_set(error, OUTBOX_E_CORRUPT, "event id %s was used before", event->id);
    uint32_t at = oracle_event_add(oracle, event->id, event->id_size);
    uint32_t key = event->key && at != ORACLE_NONE ? oracle_key_add(oracle, event->key, event->key_size) : ORACLE_NONE;
    if (at == ORACLE_NONE || (event->key && key == ORACLE_NONE))
        return obx_error_no_memory(error);
    struct oracle_event *to = &oracle->events[at];
    to->payload = event->payload;
    to->key = key;
    to->sequence = sequence;
    to->transaction = (uint32_t)oracle->transaction_count - 1;
    current(oracle)->events++;
    return OUTBOX_OK;
}

void oracle_excuse(struct oracle *oracle, const char *id, size_t size)
{
    uint32_t at = oracle_event_find(oracle, id, size);
    if (at != ORACLE_NONE)
        oracle->events[at].excused = true;
}

/* NULL: never written, or rolled back. */
static struct oracle_event *written(struct oracle *oracle, const char *id, size_t size, bool *rolled_back)
{
    uint32_t at = oracle_event_find(oracle, id, size);
    *rolled_back =
        at != ORACLE_NONE && oracle->transactions[oracle->events[at].transaction].outcome == ORACLE_ROLLED_BACK;
    return at == ORACLE_NONE || *rolled_back ? NULL : &oracle->events[at];
}

void oracle_found(struct oracle *oracle, const char *id, size_t size, bool dead)
{
    bool rolled_back;
    struct oracle_event *event = written(oracle, id, size, &rolled_back);
    if (dead)
        oracle->verdict.dead++;
    else
        oracle->verdict.left++;
    if (!event)
        oracle_fault(oracle, &oracle->verdict.invented, "invented: row with event id %s was never committed", id);
    else if (dead)
        event->dead = true;
    else
        event->left = true;
}

/* ---- what consumers see ------------------------------------------------------------------------------------------ */

static void check_order(struct oracle *oracle, const struct oracle_event *event, const struct oracle_sighting *seen)
{
    if (event->key == ORACLE_NONE || event->excused)
        return;
    uint32_t *reached = &oracle->keys[event->key].reached;
    if (event->sequence <= *reached)
        oracle_fault(oracle, &oracle->verdict.disordered,
                     "disordered: event %s, line %llu: number %u of key %s comes after number %u", seen->id,
                     (unsigned long long)oracle->line, event->sequence, seen->key ? seen->key : "-", *reached);
    else
        *reached = event->sequence;
}

static void check_first(struct oracle *oracle, struct oracle_event *event, const struct oracle_sighting *seen)
{
    event->published = true;
    event->content = seen->content;
    uint32_t key = seen->key ? oracle_key_find(oracle, seen->key, seen->key_size) : ORACLE_NONE;
    if (seen->payload != event->payload || key != event->key)
        oracle_fault(oracle, &oracle->verdict.changed,
                     "changed: event %s, line %llu: %s differs from the committed one", seen->id,
                     (unsigned long long)oracle->line, key != event->key ? "the key" : "the payload");
    check_order(oracle, event, seen);
}

static void check_duplicate(struct oracle *oracle, struct oracle_event *event, const struct oracle_sighting *seen)
{
    oracle->verdict.duplicates++;
    uint64_t distance = oracle->line - event->last;
    if (distance > oracle->verdict.furthest)
        oracle->verdict.furthest = distance;
    if (seen->content != event->content)
        oracle_fault(oracle, &oracle->verdict.unlike,
                     "unlike: event %s, line %llu: the duplicate differs from the first", seen->id,
                     (unsigned long long)oracle->line);
    if (oracle->rules.window && !oracle->rules.scattered && distance > oracle->rules.window)
        oracle_fault(oracle, &oracle->verdict.far,
                     "far: event %s, line %llu: a duplicate %llu lines after the last occurrence, window %llu",
                     seen->id, (unsigned long long)oracle->line, (unsigned long long)distance,
                     (unsigned long long)oracle->rules.window);
}

void oracle_saw(struct oracle *oracle, const struct oracle_sighting *seen)
{
    bool rolled_back;
    struct oracle_event *event = written(oracle, seen->id, seen->id_size, &rolled_back);
    oracle->line++;
    if (!event) {
        oracle_fault(oracle, &oracle->verdict.invented, "invented: event %s, line %llu: %s", seen->id,
                     (unsigned long long)oracle->line,
                     rolled_back ? "its transaction was rolled back" : "it was never written");
        return;
    }
    if (event->published)
        check_duplicate(oracle, event, seen);
    else
        check_first(oracle, event, seen);
    event->last = (uint32_t)oracle->line;
    oracle->verdict.published++;
}

void oracle_garbled(struct oracle *oracle, const char *text)
{
    oracle->line++;
    oracle_fault(oracle, &oracle->verdict.garbled, "garbled: line %llu: %.60s", (unsigned long long)oracle->line, text);
}

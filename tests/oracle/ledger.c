/*
 * tests/oracle/ledger.c - what writers meant to do, and what is left in the database
 *
 * A ledger that breaks its own rules is a fault of the test, not of the relay: reading it fails.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "lines.h"

/* The transaction that the ledger is in the middle of is always the last one. */
static struct oracle_transaction *current(struct oracle *oracle)
{
    return oracle->transaction_count ? &oracle->transactions[oracle->transaction_count - 1] : NULL;
}

static int read_event(struct oracle *oracle, char *line, struct outbox_error *error)
{
    char id[64], key[256];
    uint32_t sequence;
    uint64_t payload;
    if (!current(oracle) || sscanf(line, "E %63s %255s %" SCNu32 " %" SCNx64, id, key, &sequence, &payload) != 4)
        return obx_error_set(error, OUTBOX_E_CORRUPT, "not a ledger's event: %s", line);
    if (oracle_event_find(oracle, id, strlen(id)) != ORACLE_NONE)
        return obx_error_set(error, OUTBOX_E_CORRUPT, "event id %s was used before", id);
    uint32_t at = oracle_event_add(oracle, id, strlen(id));
    bool keyed = strcmp(key, "-") != 0;
    uint32_t key_at = keyed && at != ORACLE_NONE ? oracle_key_add(oracle, key, strlen(key)) : ORACLE_NONE;
    if (at == ORACLE_NONE || (keyed && key_at == ORACLE_NONE))
        return obx_error_no_memory(error);
    struct oracle_event *event = &oracle->events[at];
    event->payload = payload;
    event->key = key_at;
    event->sequence = sequence;
    event->transaction = (uint32_t)oracle->transaction_count - 1;
    current(oracle)->events++;
    return OUTBOX_OK;
}

static int read_line(struct oracle *oracle, char *line, size_t size, uint64_t number, struct outbox_error *error)
{
    (void)size;
    (void)number;
    switch (line[0]) {
    case 'B':
        return oracle_transaction_add(oracle) == ORACLE_NONE ? obx_error_no_memory(error) : OUTBOX_OK;
    case 'E':
        return read_event(oracle, line, error);
    case 'C':
    case 'R':
        if (!current(oracle) || current(oracle)->fate != ORACLE_DOUBT)
            break;
        current(oracle)->fate = line[0] == 'C' ? ORACLE_COMMITTED : ORACLE_ROLLED_BACK;
        return OUTBOX_OK;
    }
    return obx_error_set(error, OUTBOX_E_CORRUPT, "not a line of a ledger: %s", line);
}

int oracle_read_ledger(struct oracle *oracle, const char *path, struct outbox_error *error)
{
    return oracle_each_line(oracle, path, read_line, NULL, error);
}

/* The event of a row that is still in the database; NULL when it was never committed. */
static struct oracle_event *row(struct oracle *oracle, const char *id, size_t size)
{
    uint32_t at = oracle_event_find(oracle, id, size);
    if (at == ORACLE_NONE || oracle->transactions[oracle->events[at].transaction].fate == ORACLE_ROLLED_BACK) {
        oracle_fault(oracle, &oracle->verdict.invented, "invented: row with event id %s was never committed", id);
        return NULL;
    }
    return &oracle->events[at];
}

static int left_line(struct oracle *oracle, char *line, size_t size, uint64_t number, struct outbox_error *error)
{
    (void)number;
    (void)error;
    struct oracle_event *event = row(oracle, line, size);
    if (event)
        event->left = true;
    oracle->verdict.left++;
    return OUTBOX_OK;
}

static int dead_line(struct oracle *oracle, char *line, size_t size, uint64_t number, struct outbox_error *error)
{
    (void)number;
    (void)error;
    struct oracle_event *event = row(oracle, line, size);
    if (event)
        event->dead = true;
    oracle->verdict.dead++;
    return OUTBOX_OK;
}

int oracle_read_left(struct oracle *oracle, const char *path, struct outbox_error *error)
{
    return oracle_each_line(oracle, path, left_line, NULL, error);
}

int oracle_read_dead(struct oracle *oracle, const char *path, struct outbox_error *error)
{
    return oracle_each_line(oracle, path, dead_line, NULL, error);
}

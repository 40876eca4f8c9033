/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/oracle/ledger.c - reads ledgers of writers, and the rows that are left in the database
 *
 * An invalid ledger is a fault of the test, not of the relay: reading it fails.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "lines.h"

static int read_event(struct oracle *oracle, char *line, struct outbox_error *error)
{
    char id[64], key[256];
    uint32_t sequence;
    struct oracle_sighting event = {.id = id};
    if (sscanf(line, "E %63s %255s %" SCNu32 " %" SCNx64, id, key, &sequence, &event.payload) != 4)
        return obx_error_set(error, OUTBOX_E_CORRUPT, "not a ledger's event: %s", line);
    event.id_size = strlen(id);
    event.key = strcmp(key, "-") ? key : NULL;
    event.key_size = event.key ? strlen(key) : 0;
    return oracle_wrote(oracle, &event, sequence, error);
}

static int read_line(struct oracle *oracle, char *line, size_t size, uint64_t number, struct outbox_error *error)
{
    (void)size;
    (void)number;
    switch (line[0]) {
    case 'B':
        return oracle_begin(oracle, error);
    case 'E':
        return read_event(oracle, line, error);
    case 'C':
    case 'R':
        if (!oracle_ended(oracle, line[0] == 'C' ? ORACLE_COMMITTED : ORACLE_ROLLED_BACK))
            break;
        return OUTBOX_OK;
    }
    return obx_error_set(error, OUTBOX_E_CORRUPT, "not a line of a ledger: %s", line);
}

int oracle_read_ledger(struct oracle *oracle, const char *path, struct outbox_error *error)
{
    return oracle_each_line(oracle, path, read_line, NULL, error);
}

static int left_line(struct oracle *oracle, char *line, size_t size, uint64_t number, struct outbox_error *error)
{
    (void)number;
    (void)error;
    oracle_found(oracle, line, size, false);
    return OUTBOX_OK;
}

static int dead_line(struct oracle *oracle, char *line, size_t size, uint64_t number, struct outbox_error *error)
{
    (void)number;
    (void)error;
    oracle_found(oracle, line, size, true);
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

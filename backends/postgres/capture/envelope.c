/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/capture/envelope.c - see envelope.h */
#include "envelope.h"

static const uint8_t null_flags[PG_PART_CREATED_AT] = {[PG_PART_AGGREGATE_TYPE] = PG_ENVELOPE_NO_AGGREGATE_TYPE,
                                                       [PG_PART_AGGREGATE_ID] = PG_ENVELOPE_NO_AGGREGATE_ID,
                                                       [PG_PART_TYPE] = PG_ENVELOPE_NO_TYPE,
                                                       [PG_PART_PAYLOAD] = PG_ENVELOPE_NO_PAYLOAD,
                                                       [PG_PART_HEADERS] = PG_ENVELOPE_NO_HEADERS};

static uint64_t number(const unsigned char *at, unsigned size)
{
    uint64_t value = 0;
    while (size--)
        value = value << 8 | *at++;
    return value;
}

static bool take(const unsigned char **at, size_t *left, struct outbox_bytes *part)
{
    if (*left < 4)
        return false;
    size_t size = (size_t)number(*at, 4);
    if (size > *left - 4)
        return false;
    *part = (struct outbox_bytes){*at + 4, size};
    *at += 4 + size;
    *left -= 4 + size;
    return true;
}

const char *pg_envelope_read(const unsigned char *bytes, size_t size, struct pg_envelope *envelope)
{
    const unsigned char *at = bytes + PG_ENVELOPE_HEAD;
    struct outbox_bytes *parts = envelope->parts;
    if (!size || bytes[0] != PG_ENVELOPE_VERSION)
        return "the message is of an unknown version: it was not written by the function that 'outbox init' makes";
    if (size < PG_ENVELOPE_HEAD)
        return "the message is too short for an event";
    size_t left = size - PG_ENVELOPE_HEAD;
    parts[PG_PART_EVENT_ID] = (struct outbox_bytes){bytes + 2, 16};
    envelope->created_us = (int64_t)(number(bytes + 18, 8) + (uint64_t)PG_ENVELOPE_EPOCH_US);
    if (!take(&at, &left, &parts[PG_PART_AGGREGATE_TYPE]) || !take(&at, &left, &parts[PG_PART_AGGREGATE_ID]) ||
        !take(&at, &left, &parts[PG_PART_TYPE]) || !take(&at, &left, &parts[PG_PART_HEADERS]))
        return "a size in the message is larger than the message";
    parts[PG_PART_PAYLOAD] = (struct outbox_bytes){at, left};
    for (int i = 0; i < PG_PART_CREATED_AT; i++)
        if (bytes[1] & null_flags[i])
            parts[i] = (struct outbox_bytes){0};
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/capture/envelope.h - an event in a message of the log
 *
 * Version 1, numbers in network order:
 *
 *    0  version: 1                              26  size of aggregatetype, int4; its bytes
 *    1  flags: parts that are null                  size of aggregateid; its bytes
 *    2  event id, 16 bytes                          size of type; its bytes
 *   18  created_at, int8: microseconds              size of headers; their bytes, a JSON object
 *       since 2000-01-01 UTC                        the rest: the payload
 *
 * Texts are UTF-8. The function NAME_emit() of the database makes it: emit.c; or rows.c, of an inserted row. Pure.
 */
#ifndef OBX_BACKENDS_POSTGRES_CAPTURE_ENVELOPE_H
#define OBX_BACKENDS_POSTGRES_CAPTURE_ENVELOPE_H

#include <stdbool.h>

#include <outbox/event.h>

enum {
    PG_ENVELOPE_VERSION = 1,
    PG_ENVELOPE_NO_PAYLOAD = 1,
    PG_ENVELOPE_NO_HEADERS = 2,
    PG_ENVELOPE_NO_AGGREGATE_TYPE = 4, /* this and the next two: of a row only */
    PG_ENVELOPE_NO_AGGREGATE_ID = 8,
    PG_ENVELOPE_NO_TYPE = 16,
    PG_ENVELOPE_HEAD = 26
};
#define PG_ENVELOPE_EPOCH_US INT64_C(946684800000000) /* 2000-01-01 */

/* In the order of obx_sql_columns. */
enum pg_envelope_part {
    PG_PART_EVENT_ID = 0,
    PG_PART_AGGREGATE_TYPE,
    PG_PART_AGGREGATE_ID,
    PG_PART_TYPE,
    PG_PART_PAYLOAD,
    PG_PART_HEADERS,
    PG_PART_CREATED_AT,
    PG_PARTS
};
struct pg_envelope {
    struct outbox_bytes parts[PG_PART_CREATED_AT]; /* into the message; null: null */
    int64_t created_us;                            /* since 1970-01-01 UTC */
};

/* NULL, or why it cannot be read: static. */
const char *pg_envelope_read(const unsigned char *bytes, size_t size, struct pg_envelope *envelope);

#endif

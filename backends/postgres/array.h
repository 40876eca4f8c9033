/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/array.h - arrays in Postgres's binary form, as parameters, in buffers that are used again
 *
 * Arrays are one-dimensional. A buffer records that an append failed for lack of memory in `failed`.
 */
#ifndef OBX_BACKENDS_POSTGRES_ARRAY_H
#define OBX_BACKENDS_POSTGRES_ARRAY_H

#include <stdbool.h>

#include <outbox/plugin.h>

#include "params.h"
#include "sql/memory.h"

struct pg_buf {
    const struct outbox_host *host;
    char *data;
    uint32_t size, room;
    bool failed;
};

void pg_buf_free(struct pg_buf *buf);
void pg_buf_set(struct pg_buf *buf, const char *bytes, uint32_t size);

/* An array of `count` elements of this type; then each of them in turn. */
void pg_array_begin(struct pg_buf *buf, uint32_t element_type, uint32_t count);
void pg_array_int8(struct pg_buf *buf, int64_t value);
void pg_array_int4(struct pg_buf *buf, int32_t value);
void pg_array_bytes(struct pg_buf *buf, struct outbox_bytes value); /* null stays null */

void pg_param_buf(struct pg_params *params, const struct pg_buf *buf);

#endif

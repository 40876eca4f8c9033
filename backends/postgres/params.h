/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/params.h - parameters in Postgres's binary form, in buffers that are used again
 *
 * Numbers are in network order. Arrays are one-dimensional. Failures for lack of memory are remembered in `failed`.
 */
#ifndef OBX_BACKENDS_POSTGRES_PARAMS_H
#define OBX_BACKENDS_POSTGRES_PARAMS_H

#include <outbox/plugin.h>

#include "sql/gaps/ranges.h"

struct pg_buf {
    const struct outbox_host *host;
    char *data;
    uint32_t size, room;
    bool failed;
};

enum { PG_OID_BYTEA = 17, PG_OID_INT8 = 20, PG_OID_INT4 = 23, PG_OID_TEXT = 25 };

void pg_buf_free(struct pg_buf *buf);
void pg_buf_set(struct pg_buf *buf, const char *bytes, uint32_t size);
void pg_put_int8(char *to, uint64_t value);
uint16_t pg_get_int2(const char *from);
uint32_t pg_get_int4(const char *from);
uint64_t pg_get_int8(const char *from);

/* An array of `count` elements of this type; then each of them in turn. */
void pg_array_begin(struct pg_buf *buf, uint32_t element_type, uint32_t count);
void pg_array_int8(struct pg_buf *buf, int64_t value);
void pg_array_int4(struct pg_buf *buf, int32_t value);
void pg_array_bytes(struct pg_buf *buf, struct outbox_bytes value); /* null stays null */

/* Parameters of one statement; all in binary form. */
enum { PG_PARAMS = 10 };
struct pg_params {
    int count;
    const char *values[PG_PARAMS];
    int lengths[PG_PARAMS];
    int formats[PG_PARAMS];
    char numbers[PG_PARAMS][8];
};
void pg_param_int8(struct pg_params *params, int64_t value);
void pg_param_int4(struct pg_params *params, int32_t value);
void pg_param_buf(struct pg_params *params, const struct pg_buf *buf);
void pg_param_text(struct pg_params *params, const char *text);
void pg_param_bytes(struct pg_params *params, struct outbox_bytes bytes);

#endif

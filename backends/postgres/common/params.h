/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/common/params.h - the parameters of one statement, in Postgres's binary form
 *
 * Shared by the store and the writer library. Numbers are in network order. Values are borrowed until the statement is
 * sent; the structure holds copies of numbers.
 */
#ifndef OBX_BACKENDS_POSTGRES_COMMON_PARAMS_H
#define OBX_BACKENDS_POSTGRES_COMMON_PARAMS_H

#include <stdint.h>

#include <outbox/event.h>

enum { PG_OID_BYTEA = 17, PG_OID_INT8 = 20, PG_OID_INT2 = 21, PG_OID_INT4 = 23, PG_OID_TEXT = 25 };

void pg_put_int4(char *to, uint32_t value);
void pg_put_int8(char *to, uint64_t value);
uint16_t pg_get_int2(const char *from);
uint32_t pg_get_int4(const char *from);
uint64_t pg_get_int8(const char *from);

enum { PG_PARAMS = 10 };
struct pg_params {
    int count;
    const char *values[PG_PARAMS];
    int lengths[PG_PARAMS];
    int formats[PG_PARAMS];
    char numbers[PG_PARAMS][8];
};
void pg_param_add(struct pg_params *params, const char *value, size_t length);
void pg_param_int8(struct pg_params *params, int64_t value);
void pg_param_int4(struct pg_params *params, int32_t value);
void pg_param_text(struct pg_params *params, const char *text);
void pg_param_bytes(struct pg_params *params, struct outbox_bytes bytes);

#endif

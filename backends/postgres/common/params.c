/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/common/params.c - see params.h */
#include "params.h"

#include <string.h>

void pg_put_int4(char *to, uint32_t value)
{
    for (int i = 3; i >= 0; i--, value >>= 8)
        to[i] = (char)(value & 0xff);
}

void pg_put_int8(char *to, uint64_t value)
{
    pg_put_int4(to, (uint32_t)(value >> 32));
    pg_put_int4(to + 4, (uint32_t)value);
}

uint16_t pg_get_int2(const char *from)
{
    const unsigned char *byte = (const unsigned char *)from;
    return (uint16_t)(byte[0] << 8 | byte[1]);
}

uint32_t pg_get_int4(const char *from)
{
    return (uint32_t)pg_get_int2(from) << 16 | pg_get_int2(from + 2);
}

uint64_t pg_get_int8(const char *from)
{
    return (uint64_t)pg_get_int4(from) << 32 | pg_get_int4(from + 4);
}

void pg_param_add(struct pg_params *params, const char *value, size_t length)
{
    params->values[params->count] = value;
    params->lengths[params->count] = (int)length;
    params->formats[params->count] = 1;
    params->count++;
}

void pg_param_int8(struct pg_params *params, int64_t value)
{
    pg_put_int8(params->numbers[params->count], (uint64_t)value);
    pg_param_add(params, params->numbers[params->count], 8);
}

void pg_param_int4(struct pg_params *params, int32_t value)
{
    pg_put_int4(params->numbers[params->count], (uint32_t)value);
    pg_param_add(params, params->numbers[params->count], 4);
}

void pg_param_text(struct pg_params *params, const char *text)
{
    pg_param_add(params, text, text ? strlen(text) : 0);
}

void pg_param_bytes(struct pg_params *params, struct outbox_bytes bytes)
{
    pg_param_add(params, bytes.data, bytes.size);
}

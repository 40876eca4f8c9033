/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/result.c - see result.h; nothing else in this folder reads values, but for rows.c */
#include "result.h"

#include <string.h>

#include "params.h"

enum { OID_BOOL = 16, OID_OID = 26, OID_OIDS = 1028 };
static const struct type {
    char letter;
    Oid oid;
    int size; /* 0: any */
} types[] = {{'b', OID_BOOL, 1}, {'4', PG_OID_INT4, 4}, {'8', PG_OID_INT8, 8},
             {'o', OID_OID, 4},  {'t', PG_OID_TEXT, 0}, {'O', OID_OIDS, 0}};

static const struct type *type_of(char letter)
{
    for (unsigned i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].letter == letter)
            return &types[i];
    return NULL;
}

static bool has_type(const PGresult *result, int column, const struct type *type)
{
    if (PQftype(result, column) != type->oid || PQfformat(result, column) != 1)
        return false;
    for (int row = 0; type->size && row < PQntuples(result); row++)
        if (!PQgetisnull(result, row, column) && PQgetlength(result, row, column) != type->size)
            return false;
    return true;
}

bool pg_has_shape(const PGresult *result, int rows_min, int rows_max, const char *columns)
{
    int count = (int)strlen(columns);
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) < rows_min || PQntuples(result) > rows_max ||
        PQnfields(result) != count)
        return false;
    for (int i = 0; i < count; i++)
        if (type_of(columns[i]) && !has_type(result, i, type_of(columns[i])))
            return false;
    return true;
}

struct outbox_bytes pg_value(const PGresult *result, int row, int column)
{
    if (!result || row < 0 || row >= PQntuples(result) || column < 0 || column >= PQnfields(result) ||
        PQgetisnull(result, row, column))
        return (struct outbox_bytes){0};
    return (struct outbox_bytes){PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column)};
}

const char *pg_text(const PGresult *result, int row, int column)
{
    const char *text = pg_value(result, row, column).data; /* libpq ends each value with a NUL */
    return text ? text : "";
}

int64_t pg_integer(const PGresult *result, int row, int column, int64_t default_value)
{
    struct outbox_bytes value = pg_value(result, row, column);
    const char *data = value.data;
    switch (value.size) {
    case 8:
        return (int64_t)pg_get_int8(data);
    case 4:
        return (int32_t)pg_get_int4(data);
    case 2:
        return (int16_t)pg_get_int2(data);
    case 1:
        return *data != 0;
    default:
        return default_value;
    }
}

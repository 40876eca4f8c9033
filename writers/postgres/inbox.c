/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/postgres/inbox.c - which of these events are new, in the consumer's own transaction
 *
 * One call of the function outbox_inbox_take() that 'outbox init --inbox' creates: ids as a binary uuid[], the answer
 * as a binary boolean[]. The whole answer is validated before any of it is used.
 */
#include "inbox_error.h"

#include <stdlib.h>
#include <string.h>

#include "inbox.h"
#include "error.h"
#include "params.h"

#define TAKE "function outbox_inbox_take(text, uuid[])"

enum { OID_BOOLS = 1000, OID_BOOL = 16, OID_UUIDS = 2951, OID_UUID = 2950 };
/* A one-dimensional array: dimensions, null flag, element type, count, lower bound; then size and bytes of each. */
enum { ARRAY_HEAD = 20, UUID_ELEMENT = 4 + INBOX_ID_SIZE, BOOL_ELEMENT = 4 + 1 };

static void put_int4(char *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (char)(value >> (24 - 8 * i));
}

static int encode(const char *consumer, const struct outbox_bytes *ids, size_t count, char *to,
                  struct outbox_error *error)
{
    const uint32_t head[] = {1, 0, OID_UUID, (uint32_t)count, 1};
    int code = OUTBOX_OK;
    for (size_t i = 0; i < 5; i++)
        put_int4(to + 4 * i, head[i]);
    to += ARRAY_HEAD;
    for (size_t i = 0; !code && i < count; i++, to += UUID_ELEMENT) {
        put_int4(to, INBOX_ID_SIZE);
        code = inbox_parse_id(consumer, ids, i, (uint8_t *)to + 4, error);
    }
    return code;
}

/* NULL: as it must be. */
static const char *shape_fault(const PGresult *result, size_t count)
{
    if (PQntuples(result) != 1 || PQnfields(result) != 1)
        return "other than one row of one column";
    if (PQftype(result, 0) != OID_BOOLS || PQfformat(result, 0) != 1 || PQgetisnull(result, 0, 0))
        return "another type than boolean[]";
    const char *from = PQgetvalue(result, 0, 0);
    const uint32_t head[] = {1, 0, OID_BOOL, (uint32_t)count, 1};
    bool same = (size_t)PQgetlength(result, 0, 0) == ARRAY_HEAD + count * BOOL_ELEMENT;
    for (size_t i = 0; same && i < 5; i++)
        same = i == 1 || pg_get_int4(from + 4 * i) == head[i];
    if (!same)
        return "another number of values than ids";
    from += ARRAY_HEAD;
    for (size_t i = 0; i < count; i++, from += BOOL_ELEMENT)
        if (pg_get_int4(from) != 1 || (unsigned char)from[4] > 1)
            return "a value that is not a boolean";
    return NULL;
}

int pg_inbox_fail(const PGconn *pg, const char *what, const PGresult *result, const char *missing,
                  struct outbox_error *error)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    struct outbox_error own;
    if (state && (!strcmp(state, "42883") || !strcmp(state, "42P01")))
        pg_fail(&own, OUTBOX_E_NOT_FOUND, "%s: there is no %s in the search path (%s); run 'outbox init --inbox'", what,
                missing, state);
    else if (state)
        pg_error_of_result(&own, what, result);
    else
        pg_error_of_conn(&own, what, pg);
    if (error)
        *error = own;
    return own.code;
}

static int call_function(PGconn *pg, const char *consumer, const char *array, size_t count, bool *is_new,
                         struct outbox_error *error)
{
    static const Oid types[] = {PG_OID_TEXT, OID_UUIDS};
    static const int formats[] = {0, 1};
    const char *const values[] = {consumer, array};
    const int sizes[] = {0, (int)(ARRAY_HEAD + count * UUID_ELEMENT)};
    PGresult *result = PQexecParams(pg, "SELECT outbox_inbox_take($1, $2)", 2, types, values, sizes, formats, 1);
    bool answered = PQresultStatus(result) == PGRES_TUPLES_OK;
    const char *fault = answered ? shape_fault(result, count) : NULL;
    int code = OUTBOX_OK;
    if (!answered)
        code = pg_inbox_fail(pg, inbox_attempt(consumer).text, result, TAKE, error);
    else if (fault)
        code = inbox_bad_answer(consumer, fault, error);
    for (size_t i = 0; !code && i < count; i++)
        is_new[i] = PQgetvalue(result, 0, 0)[ARRAY_HEAD + i * BOOL_ELEMENT + 4] != 0;
    PQclear(result);
    return code;
}

int pg_inbox_check_transaction(const PGconn *pg, const char *what, struct outbox_error *error)
{
    switch (PQtransactionStatus(pg)) {
    case PQTRANS_INTRANS:
        return OUTBOX_OK;
    case PQTRANS_IDLE:
        return inbox_no_transaction(what, error);
    case PQTRANS_UNKNOWN:
        return pg_inbox_fail(pg, what, NULL, TAKE, error);
    default:
        return pg_fail(error, OUTBOX_E_INVALID, "%s: %s", what,
                       PQtransactionStatus(pg) == PQTRANS_INERROR ? "the transaction has failed; roll it back"
                                                                  : "a query is in progress on this connection");
    }
}

int outbox_pg_inbox_take(PGconn *pg, const char *consumer, const struct outbox_bytes *ids, size_t count, bool *is_new,
                         struct outbox_error *error)
{
    int code = inbox_check_arguments(pg, consumer, ids, count, is_new, error);
    if (!code)
        code = pg_inbox_check_transaction(pg, inbox_attempt(consumer).text, error);
    if (code || !count)
        return code;
    char *array = malloc(ARRAY_HEAD + count * UUID_ELEMENT);
    if (!array)
        return pg_fail(error, OUTBOX_E_NO_MEMORY, "%s: out of memory", inbox_attempt(consumer).text);
    code = encode(consumer, ids, count, array, error);
    if (!code)
        code = call_function(pg, consumer, array, count, is_new, error);
    free(array);
    return code;
}

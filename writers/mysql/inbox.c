/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/mysql/inbox.c - which of these events are new, in the consumer's own transaction
 *
 * One INSERT for up to CHUNK ids. Rows that exist already are left as they are; new ones carry a random number of this
 * call. When some rows are new and some are not, a second statement reads which have that number. Plain statements, not
 * a stored procedure: they need no right to create or run routines, are the same on MySQL and MariaDB, and cost one
 * round trip when no event is a duplicate.
 *
 * ON DUPLICATE KEY UPDATE and not INSERT IGNORE, which would turn other errors into duplicates. Ids go in sorted, so
 * that sessions with the same ids wait for each other in one order; deadlocks by gap locks remain, and are AGAIN.
 */
#include "inbox_error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "inbox.h"
#include "error.h"
#include "hex.h"

enum { CHUNK = 1000 };

struct call {
    MYSQL *mysql;
    const char *consumer;
    struct outbox_error *error;
    char name[24 + 2 * INBOX_CONSUMER_MAX]; /* the consumer as a literal */
    char number[24];                        /* of this call, in the rows that it inserts */
    bool *is_new;
    char *sql;
    const struct inbox_id *chunk[CHUNK]; /* distinct, sorted */
    unsigned count;
};

int mys_inbox_check_transaction(const MYSQL *mysql, const char *what, struct outbox_error *error)
{
    bool each_commits =
        (mysql->server_status & (SERVER_STATUS_IN_TRANS | SERVER_STATUS_AUTOCOMMIT)) == SERVER_STATUS_AUTOCOMMIT;
    return each_commits ? inbox_no_transaction(what, error) : OUTBOX_OK;
}

int mys_inbox_fail(MYSQL *mysql, const char *what, const char *missing, struct outbox_error *error)
{
    struct outbox_error own;
    mys_error_of(&own, what, mysql);
    if (own.code == OUTBOX_E_NOT_FOUND && own.native == 1146)
        outbox_error_set(&own, OUTBOX_E_NOT_FOUND, "%s: there is no %s; run 'outbox init --inbox'", what, missing);
    if (error)
        *error = own;
    return own.code;
}

static int fail(struct call *call)
{
    return mys_inbox_fail(call->mysql, inbox_attempt(call->consumer).text, "table outbox_inbox", call->error);
}

/* ---- statements -------------------------------------------------------------------------------------------------- */

static char *put(char *to, const char *text)
{
    size_t size = strlen(text);
    memcpy(to, text, size + 1); /* NOLINT(clang-analyzer-core.NonNullParamChecker): without memory begin() failed */
    return to + size;
}

static char *put_id(char *to, const struct inbox_id *id)
{
    return put(mys_hex(put(to, "x'"), id->bytes, INBOX_ID_SIZE), "'");
}

static size_t insert_sql(struct call *call)
{
    char *to = put(call->sql, "INSERT INTO outbox_inbox (event_id, consumer, call_id) VALUES ");
    for (unsigned i = 0; i < call->count; i++) {
        to = put_id(put(to, i ? ",(" : "("), call->chunk[i]);
        to = put(put(put(put(put(to, ","), call->name), ","), call->number), ")");
    }
    to = put(to, " ON DUPLICATE KEY UPDATE call_id = outbox_inbox.call_id");
    return (size_t)(to - call->sql);
}

static size_t select_sql(struct call *call)
{
    char *to = put(put(call->sql, "SELECT event_id FROM outbox_inbox WHERE consumer = "), call->name);
    to = put(put(put(to, " AND call_id = "), call->number), " AND event_id IN (");
    for (unsigned i = 0; i < call->count; i++)
        to = put_id(put(to, i ? "," : ""), call->chunk[i]);
    to = put(to, ")");
    return (size_t)(to - call->sql);
}

static size_t sql_room(const struct call *call)
{
    return 256 + CHUNK * (2 * INBOX_ID_SIZE + 16 + strlen(call->name) + strlen(call->number));
}

/* ---- a chunk ----------------------------------------------------------------------------------------------------- */

static int compare_id(const void *key, const void *element)
{
    const struct inbox_id *const *id = element;
    return memcmp(key, (*id)->bytes, INBOX_ID_SIZE);
}

/* The rows with the number of this call; *fault NULL: they are as expected. */
static uint64_t read_rows(struct call *call, MYSQL_RES *result, const char **fault)
{
    uint64_t rows = 0;
    MYSQL_ROW row;
    if (mysql_num_fields(result) != 1)
        *fault = "other than one column";
    while (!*fault && (row = mysql_fetch_row(result))) {
        const unsigned long *size = mysql_fetch_lengths(result);
        const struct inbox_id *const *found = NULL;
        if (row[0] && size[0] == INBOX_ID_SIZE)
            found = bsearch(row[0], call->chunk, call->count, sizeof *call->chunk, compare_id);
        if (found)
            call->is_new[(*found)->index] = true;
        else
            *fault = "an unexpected id";
        rows++;
    }
    return rows;
}

static int select_new(struct call *call, bool counted, uint64_t inserted)
{
    const char *fault = NULL;
    if (mysql_real_query(call->mysql, call->sql, (unsigned long)select_sql(call)))
        return fail(call);
    MYSQL_RES *result = mysql_store_result(call->mysql);
    if (!result)
        return fail(call);
    uint64_t rows = read_rows(call, result, &fault);
    mysql_free_result(result);
    if (!fault && counted && rows != inserted)
        fault = "another number of rows than were inserted";
    return fault ? inbox_bad_answer(call->consumer, fault, call->error) : OUTBOX_OK;
}

static int take_chunk(struct call *call)
{
    if (mysql_real_query(call->mysql, call->sql, (unsigned long)insert_sql(call)))
        return fail(call);
    uint64_t inserted = mysql_affected_rows(call->mysql);
    bool counted = !(call->mysql->client_flag & CLIENT_FOUND_ROWS); /* with it, rows that existed are counted, too */
    if (inserted > call->count)
        return inbox_bad_answer(call->consumer, "more rows than were inserted", call->error);
    if (!counted || (inserted && inserted < call->count))
        return select_new(call, counted, inserted);
    for (unsigned i = 0; inserted && i < call->count; i++)
        call->is_new[call->chunk[i]->index] = true;
    return OUTBOX_OK;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static int take_sorted(struct call *call, const struct inbox_id *sorted, size_t count)
{
    int code = OUTBOX_OK;
    memset(call->is_new, 0, count * sizeof *call->is_new);
    for (size_t i = 0; !code && i < count;) {
        for (call->count = 0; i < count && call->count < CHUNK; i++)
            if (!i || memcmp(sorted[i].bytes, sorted[i - 1].bytes, INBOX_ID_SIZE)) /* a repeated id is a duplicate */
                call->chunk[call->count++] = &sorted[i];
        code = call->count ? take_chunk(call) : OUTBOX_OK;
    }
    return code;
}

static int begin(struct call *call)
{
    uint64_t number;
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        return mys_fail(call->error, OUTBOX_E_IO, "%s: no random number to be had from the system",
                        inbox_attempt(call->consumer).text);
    snprintf(call->number, sizeof call->number, "%" PRIu64, number);
    put(mys_hex(put(call->name, "_ascii x'"), call->consumer, strlen(call->consumer)), "'");
    call->sql = malloc(sql_room(call));
    return call->sql
               ? OUTBOX_OK
               : mys_fail(call->error, OUTBOX_E_NO_MEMORY, "%s: out of memory", inbox_attempt(call->consumer).text);
}

int outbox_mysql_inbox_take(MYSQL *mysql, const char *consumer, const struct outbox_bytes *ids, size_t count,
                            bool *is_new, struct outbox_error *error)
{
    struct call call = {.mysql = mysql, .consumer = consumer, .error = error, .is_new = is_new};
    struct inbox_id *sorted = NULL;
    int code = inbox_check_arguments(mysql, consumer, ids, count, is_new, error);
    if (!code)
        code = mys_inbox_check_transaction(mysql, inbox_attempt(consumer).text, error);
    if (code || !count)
        return code;
    code = inbox_parse_sorted(consumer, ids, count, &sorted, error);
    if (!code)
        code = begin(&call);
    if (!code)
        code = take_sorted(&call, sorted, count);
    free(call.sql);
    free(sorted);
    return code;
}

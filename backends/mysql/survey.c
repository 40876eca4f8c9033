/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/survey.c - who owns several outboxes, of any databases of the server, and who wishes to
 *
 * Happy path: one request takes and gives up wishes, writes their names, and reads all locks; then once the sessions,
 * for owners that are silent. A table that is missing makes the request fail: then it is halved until that outbox is
 * alone, and counts as not owned.
 *
 * A session's name cannot be read by others without rights on performance_schema, which MariaDB does not even have by
 * default. So the session that holds a wish writes its number and its process into the second row of the relay table.
 * A name under another number than that of the lock is old. Numbers begin anew with the server, so a holder also
 * replaces another process's name under its own number.
 */
#include "store.h"

enum { MOST = 64 }; /* outboxes in one request */

/* Those of the request: from op->first on, op->count. */
#define EACH_OUTBOX(op, outbox)                                                                                \
    for (struct outbox_surveyed *outbox = &sql_survey_of(op)->outboxes[(op)->first], *const end_ =             \
                                                                                         outbox + (op)->count; \
         outbox < end_; outbox++)

/* ---- wishes ------------------------------------------------------------------------------------------------------ */

/* "FUNCTION('outbox-wish:shop.outbox'AFTER" */
static void append_wish(const struct sql_store *store, struct obx_sql_text *sql, const char *function,
                        const char *after)
{
    obx_sql_text_puts(sql, function);
    mys_append_wish(store, sql);
    obx_sql_text_puts(sql, after);
}

static void append_change(const struct outbox_surveyed *outbox, struct obx_sql_text *sql)
{
    bool wish = outbox->flags & OUTBOX_SURVEY_WISH;
    append_wish(outbox->store, sql, "IF(IS_USED_LOCK(", wish ? ") IS NULL, " : ") = CONNECTION_ID(), ");
    append_wish(outbox->store, sql, wish ? "GET_LOCK(" : "RELEASE_LOCK(", wish ? ", 0), 0)" : "), 0)");
}

static void append_name(const struct outbox_surveyed *outbox, const char *process, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "; UPDATE ");
    mys_append_relay(outbox->store, sql);
    obx_sql_text_format(sql,
                        " SET epoch = CONNECTION_ID(), owner = %l, since = CURRENT_TIMESTAMP(6) WHERE id = 2 AND "
                        "(epoch <> CONNECTION_ID() OR owner <> %l)",
                        process, process);
    append_wish(outbox->store, sql, " AND IS_USED_LOCK(", ") = CONNECTION_ID()");
}

/* ---- locks ------------------------------------------------------------------------------------------------------- */

/* The tables of a UNION may differ in their collations. */
#define OWNER_TEXT "CONVERT(owner USING utf8mb4) COLLATE utf8mb4_bin"

static void append_of(const struct sql_store *store, struct obx_sql_text *sql, const char *value, const char *row)
{
    obx_sql_text_format(sql, ", (SELECT %s FROM ", value);
    mys_append_relay(store, sql);
    obx_sql_text_puts(sql, row);
}

enum { OWNER_SESSION, OURS, WISH_SESSION, OWNER, SINCE_S, WISHER };
static void append_locks(const struct outbox_surveyed *outbox, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "SELECT IS_USED_LOCK(");
    mys_append_lock(outbox->store, sql);
    append_wish(outbox->store, sql, "), COALESCE(IS_USED_LOCK(", ") = CONNECTION_ID(), 0)");
    append_wish(outbox->store, sql, ", IS_USED_LOCK(", ")");
    append_of(outbox->store, sql, OWNER_TEXT, " WHERE id = 1)");
    append_of(outbox->store, sql, "CAST(UNIX_TIMESTAMP(since) AS UNSIGNED)", " WHERE id = 1)");
    append_of(outbox->store, sql, OWNER_TEXT, " WHERE id = 2 AND epoch = ");
    append_wish(outbox->store, sql, "IS_USED_LOCK(", "))");
}

static bool put_outboxes(struct sql_request *request)
{
    struct sql_op *op = request->arg;
    struct obx_sql_text *sql = request->sql;
    char process[96]; /* as wide as the column */
    const char *between = "DO ";
    outbox_describe_process(process, sizeof process, request->store->relay);
    EACH_OUTBOX(op, outbox)
    {
        obx_sql_text_puts(sql, between);
        append_change(outbox, sql);
        between = ", ";
    }
    EACH_OUTBOX(op, outbox)
    if (outbox->flags & OUTBOX_SURVEY_WISH)
        append_name(outbox, process, sql);
    between = "; ";
    EACH_OUTBOX(op, outbox)
    {
        obx_sql_text_puts(sql, between);
        append_locks(outbox, sql);
        between = " UNION ALL ";
    }
    return true;
}

static void report(struct mys_row *row, struct outbox_surveyed *outbox)
{
    outbox->owner_session = (uint64_t)mys_integer_of(row, OWNER_SESSION, 0);
    if (outbox->owner_session) {
        mys_copy(outbox->owner, sizeof outbox->owner, mys_text_of(row, OWNER));
        outbox->since_s = (uint32_t)mys_integer_of(row, SINCE_S, 0);
    }
    outbox->wisher_session = (uint64_t)mys_integer_of(row, WISH_SESSION, 0);
    if (outbox->wisher_session)
        mys_copy(outbox->wisher, sizeof outbox->wisher, mys_text_of(row, WISHER));
    outbox->result = (outbox->owner_session ? OUTBOX_SURVEYED_OWNED : 0) |
                     (outbox->wisher_session ? OUTBOX_SURVEYED_WISHED : 0) |
                     (mys_integer_of(row, OURS, 0) ? OUTBOX_SURVEYED_OURS : 0);
}

/* ---- sessions that are silent ------------------------------------------------------------------------------------ */

static bool put_kill(struct sql_request *request)
{
    obx_sql_text_puts(request->sql, "KILL ");
    obx_sql_text_int(request->sql, (int64_t)sql_op_of(request)->session);
    return true;
}

/* One for each survey: the next one sees the rest. It may have ended by itself. */
static void on_killed(struct sql_request *request, const struct outbox_error *error)
{
    sql_op_complete(request->arg, error->code == OUTBOX_E_NOT_CONNECTED ? error : NULL);
}

static void on_process_list(struct sql_op *op)
{
    const struct outbox_survey *survey = sql_survey_of(op);
    for (uint32_t i = 0; i < survey->count; i++) {
        struct outbox_surveyed *outbox = &survey->outboxes[i];
        if (outbox->owner_session && mys_session_is_silent(op->result, outbox->owner_session, outbox->lease_ms))
            outbox->result |= OUTBOX_SURVEYED_SILENT;
        if (outbox->wisher_session && mys_session_is_silent(op->result, outbox->wisher_session, outbox->lease_ms))
            op->session = outbox->wisher_session;
    }
    if (op->session)
        sql_op_submit(op, op->store->owner, "end the session of a silent wish", put_kill, NULL, on_killed);
    else
        sql_op_complete(op, NULL);
}

/* ---- one request after the other --------------------------------------------------------------------------------- */

static void next(struct sql_op *op);

static void on_outboxes(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    struct mys_row row;
    if (error->code && !sql_probe_is_optional(op, error)) {
        sql_op_complete(op, error);
        return;
    }
    if (error->code && op->count > 1) {
        op->count /= 2;
    } else {
        EACH_OUTBOX(op, outbox)
        if (!error->code && mys_fetch(op->result, &row))
            report(&row, outbox);
        op->first += op->count;
        op->count *= 2;
    }
    sql_op_drop_result(op);
    next(op);
}

static void next(struct sql_op *op)
{
    uint32_t left = sql_survey_of(op)->count - op->first;
    op->count = left < op->count ? left : op->count < MOST ? op->count : MOST;
    if (left) {
        sql_op_submit(op, op->store->owner, "survey the outboxes", put_outboxes, sql_op_store_result, on_outboxes);
        return;
    }
    op->request.text = "SHOW PROCESSLIST";
    op->then = on_process_list;
    sql_op_submit(op, op->store->owner, "survey the outboxes: read the sessions", NULL, sql_op_store_result,
                  sql_op_continue);
}

void mys_survey(struct sql_op *op)
{
    op->count = MOST;
    next(op);
}

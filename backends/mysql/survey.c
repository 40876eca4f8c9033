/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/survey.c - who owns several outboxes, and who wishes to
 *
 * Happy path, for each outbox: take or give up the wish, write its name, read both locks; then once the sessions, for
 * owners that are silent. Each outbox has its own request, so that a table that is missing concerns its outbox only.
 *
 * A session's name cannot be read by others without rights on performance_schema, which MariaDB does not even have by
 * default. So the session that holds a wish writes its number and its process into the second row of the relay table.
 * A name under another number than that of the lock is old.
 */
#include "store.h"

static struct outbox_surveyed *surveyed_of(const struct sql_op *op)
{
    return &sql_survey_of(op)->outboxes[op->cursor];
}

/* ---- one outbox -------------------------------------------------------------------------------------------------- */

/* "FUNCTION('outbox-wish:shop.outbox'AFTER" */
static void append_wish(const struct sql_store *store, struct obx_sql_text *sql, const char *function,
                        const char *after)
{
    obx_sql_text_puts(sql, function);
    mys_append_wish(store, sql);
    obx_sql_text_puts(sql, after);
}

static void append_name(const struct sql_request *request, const struct sql_store *store, struct obx_sql_text *sql)
{
    char process[96]; /* as wide as the column */
    outbox_describe_process(process, sizeof process, request->store->relay);
    obx_sql_text_puts(sql, "; UPDATE ");
    mys_append_relay(store, sql);
    obx_sql_text_format(sql, " SET epoch = CONNECTION_ID(), owner = %l, since = CURRENT_TIMESTAMP(6) WHERE id = 2",
                        process);
    append_wish(store, sql, " AND epoch <> CONNECTION_ID() AND IS_USED_LOCK(", ") = CONNECTION_ID()");
}

static void append_change(const struct sql_request *request, const struct outbox_surveyed *outbox)
{
    struct obx_sql_text *sql = request->sql;
    bool wish = outbox->flags & OUTBOX_SURVEY_WISH;
    append_wish(outbox->store, sql, "DO IF(IS_USED_LOCK(", wish ? ") IS NULL, " : ") = CONNECTION_ID(), ");
    append_wish(outbox->store, sql, wish ? "GET_LOCK(" : "RELEASE_LOCK(", wish ? ", 0), 0)" : "), 0)");
    if (wish)
        append_name(request, outbox->store, sql);
}

enum { OWNER_SESSION, OURS, WISH_SESSION, OWNER, WISHER };
static bool put_outbox(struct sql_request *request)
{
    const struct outbox_surveyed *outbox = surveyed_of(request->arg);
    struct obx_sql_text *sql = request->sql;
    append_change(request, outbox);
    obx_sql_text_puts(sql, "; SELECT IS_USED_LOCK(");
    mys_append_lock(outbox->store, sql);
    append_wish(outbox->store, sql, "), COALESCE(IS_USED_LOCK(", ") = CONNECTION_ID(), 0)");
    append_wish(outbox->store, sql, ", IS_USED_LOCK(", "), (SELECT owner FROM ");
    mys_append_relay(outbox->store, sql);
    obx_sql_text_puts(sql, " WHERE id = 1), (SELECT owner FROM ");
    mys_append_relay(outbox->store, sql);
    append_wish(outbox->store, sql, " WHERE id = 2 AND epoch = IS_USED_LOCK(", "))");
    return true;
}

static void report(MYSQL_RES *result, struct outbox_surveyed *outbox)
{
    struct mys_row row;
    if (!mys_first(result, &row))
        return;
    outbox->owner_session = (uint64_t)mys_integer_of(&row, OWNER_SESSION, 0);
    if (outbox->owner_session)
        mys_copy(outbox->owner, sizeof outbox->owner, mys_text_of(&row, OWNER));
    outbox->wisher_session = (uint64_t)mys_integer_of(&row, WISH_SESSION, 0);
    if (outbox->wisher_session)
        mys_copy(outbox->wisher, sizeof outbox->wisher, mys_text_of(&row, WISHER));
    outbox->result = (outbox->owner_session ? OUTBOX_SURVEYED_OWNED : 0) |
                     (outbox->wisher_session ? OUTBOX_SURVEYED_WISHED : 0) |
                     (mys_integer_of(&row, OURS, 0) ? OUTBOX_SURVEYED_OURS : 0);
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

/* ---- one after the other ----------------------------------------------------------------------------------------- */

static void next(struct sql_op *op);

/* A table that is missing, or not this user's, is no failure of the others. */
static void on_outbox(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    if (error->code && !sql_probe_is_optional(op, error)) {
        sql_op_complete(op, error);
        return;
    }
    if (!error->code)
        report(op->result, surveyed_of(op));
    sql_op_drop_result(op);
    op->cursor++;
    next(op);
}

static void next(struct sql_op *op)
{
    if (op->cursor < sql_survey_of(op)->count) {
        sql_op_submit(op, op->store->owner, "survey the outboxes", put_outbox, sql_op_store_result, on_outbox);
        return;
    }
    op->request.text = "SHOW PROCESSLIST";
    op->then = on_process_list;
    sql_op_submit(op, op->store->owner, "survey the outboxes: read the sessions", NULL, sql_op_store_result,
                  sql_op_continue);
}

void mys_survey(struct sql_op *op)
{
    next(op);
}

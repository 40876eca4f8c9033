/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/owner.c - the lock, the epoch, and ending the session of an owner that hangs
 *
 * Ownership is a named lock (GET_LOCK) of the session that settles. Each owner also raises the epoch in the relay
 * table, and every deleting transaction requires the current epoch. So an owner is fenced even if a proxy or a failover
 * released its lock without ending its session.
 *
 *     GET_LOCK -> got: raise the epoch -> owner
 *              -> held: which session holds it? -> silent for a lease: KILL, GET_LOCK again -> lives: stand by
 *
 * A standby kills the session of an owner that was silent for a whole lease by the server's clock; the same user may do
 * that. The server itself ends a session that is silent for longer (wait_timeout).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

enum { LOCK_NAME_MAX = 64, TRIES = 5 };

/* Of a captured table: a relay that polls it and one that captures it exclude each other. */
static const char *name_of(const struct sql_store *store)
{
    const struct mys_capture *capture = &mys_store_in(store)->capture;
    return mys_captures(capture) ? capture->table.name : store->outbox.name;
}

/* As the server found it; of a store that is not started, as it is configured. */
static const char *schema_of(const struct sql_store *store)
{
    const char *configured = sql_schema_of(store, &store->outbox);
    return *store->table.schema || !configured ? store->table.schema : configured;
}

/* "PREFIX:shop.outbox", or a hash where that is too long. */
static void append_lock(const struct sql_store *store, const char *prefix, struct obx_sql_text *sql)
{
    char name[2 * SQL_NAME + 16];
    uint64_t hash = 14695981039346656037u;
    int size = snprintf(name, sizeof name, "%s:%s.%s", prefix, schema_of(store), name_of(store));
    for (const char *at = name; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 1099511628211u;
    if (size > LOCK_NAME_MAX)
        snprintf(name, sizeof name, "%s:%016llx", prefix, (unsigned long long)hash);
    obx_sql_text_literal(sql, name);
}

void mys_append_lock(const struct sql_store *store, struct obx_sql_text *sql)
{
    append_lock(store, "outbox", sql);
}

void mys_append_wish(const struct sql_store *store, struct obx_sql_text *sql)
{
    append_lock(store, "outbox-wish", sql);
}

void mys_append_found(const struct sql_store *store, struct obx_sql_text *sql)
{
    append_lock(store, "outbox-deletes", sql);
}

bool mys_put_release(struct sql_request *request)
{
    obx_sql_text_puts(request->sql, "DO RELEASE_LOCK(");
    mys_append_found(request->store, request->sql);
    obx_sql_text_puts(request->sql, "), RELEASE_LOCK(");
    mys_append_lock(request->store, request->sql);
    obx_sql_text_puts(request->sql, ")");
    return true;
}

/* ---- becoming the owner ------------------------------------------------------------------------------------------ */

/* Has the same server process run since the last ownership, or one that started at the same time? Then no commit was
 * lost. */
bool mys_same_database(struct sql_store *sql)
{
    struct mys_store *store = mys_store_of(sql);
    const struct mys_server *was = &store->owned, *is = &store->server;
    bool same = !strcmp(was->identity, is->identity) && *was->version && llabs(was->started_s - is->started_s) <= 2 &&
                is->owner_id > was->owner_id && !strcmp(store->created, store->owned_created);
    memcpy(store->owned_created, store->created, sizeof store->owned_created);
    store->owned = store->server;
    return same;
}

static bool put_epoch(struct sql_request *request)
{
    const struct sql_store *store = request->store;
    struct obx_sql_text *sql = request->sql;
    char owner[96];                                                          /* as wide as the column */
    int64_t seconds = (int64_t)sql_acquire_of(request->arg)->lease_ms / 500; /* twice the lease */
    outbox_describe_process(owner, sizeof owner, store->relay);
    obx_sql_text_puts(sql, "UPDATE ");
    mys_append_relay(store, sql);
    obx_sql_text_format(
        sql,
        " SET epoch = epoch + 1, owner = %l, since = CURRENT_TIMESTAMP(6) WHERE id = 1; SELECT " MYS_OWNED_SINCE
        ", epoch, (",
        owner);
    mys_append_identity(store, sql, "create_time");
    obx_sql_text_puts(sql, ") FROM ");
    mys_append_relay(store, sql);
    obx_sql_text_puts(sql, " WHERE id = 1; SET SESSION wait_timeout = ");
    obx_sql_text_int(sql, seconds < 10 ? 10 : seconds);
    return true;
}

static void on_epoch(struct sql_request *request, void *result)
{
    enum { SINCE, EPOCH, IDENTITY };
    struct outbox_acquire *acquire = sql_acquire_of(request->arg);
    struct mys_row row;
    if (mys_first(result, &row)) {
        acquire->epoch = mys_store_of(request->store)->epoch = (uint64_t)mys_integer_of(&row, EPOCH, 0);
        OUTBOX_SET_MEMBER(acquire, since_us, mys_integer_of(&row, SINCE, 0));
        mys_copy(acquire->identity, sizeof acquire->identity, mys_text_of(&row, IDENTITY));
    }
    mysql_free_result(result);
}

static void epoch_raised(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    const struct mys_store *store = mys_store_of(op->store);
    OUTBOX_FAILPOINT(op->store->host, mysql, after_acquire);
    if (error->code)
        sql_op_complete(op, error);
    else if (!store->epoch)
        sql_op_fail(op, OUTBOX_E_NOT_FOUND, "own outbox %s: table %s has no row; run 'outbox init'",
                    op->store->table_name, store->relay_table.name);
    else
        sql_become_owner(op);
}

static void raise_epoch(struct sql_op *op)
{
    mys_store_of(op->store)->epoch = 0;
    sql_op_submit(op, op->store->owner, "own the outbox", put_epoch, on_epoch, epoch_raised);
}

/* ---- another is the owner ---------------------------------------------------------------------------------------- */

struct holder {
    uint64_t id;
    int64_t silent_s;
    char host[40];
    bool seen, asleep; /* state Sleep: the session runs no statement */
    bool waits;        /* waits for a lock of another session: the owner is alive */
};

/* SHOW PROCESSLIST shows a user at least the sessions of that user. */
static struct holder find_holder(MYSQL_RES *list, uint64_t id)
{
    enum { ID, USER, HOST, DATABASE, COMMAND, TIME, STATE };
    static const char waiting[] = "Waiting for ";
    struct holder holder = {.id = id, .silent_s = -1};
    struct mys_row row;
    while (mys_fetch(list, &row)) {
        const char *command = mys_text_of(&row, COMMAND), *state = mys_text_of(&row, STATE);
        if ((uint64_t)mys_integer_of(&row, ID, 0) != id)
            continue;
        holder.seen = true;
        holder.asleep = command && !strcmp(command, "Sleep");
        holder.waits = state && !strncmp(state, waiting, sizeof waiting - 1) && strstr(state, "lock");
        holder.silent_s = mys_integer_of(&row, TIME, -1);
        mys_copy(holder.host, sizeof holder.host, mys_text_of(&row, HOST));
        holder.host[strcspn(holder.host, ":")] = '\0';
    }
    return holder;
}

/* A statement of a live owner may take long: it gets three leases. */
static bool is_silent(const struct holder *holder, uint32_t lease_ms)
{
    int64_t allowed_ms = holder->asleep ? (int64_t)lease_ms : 3 * (int64_t)lease_ms;
    return holder->seen && !holder->waits && holder->silent_s * 1000 >= allowed_ms;
}

bool mys_session_is_silent(MYSQL_RES *process_list, uint64_t session, uint32_t lease_ms)
{
    struct holder holder = find_holder(process_list, session);
    mys_rewind_result(process_list);
    return is_silent(&holder, lease_ms);
}

static bool put_kill(struct sql_request *request)
{
    obx_sql_text_puts(request->sql, "KILL ");
    obx_sql_text_int(request->sql, (int64_t)sql_op_of(request)->session);
    return true;
}

static void killed(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    if (error->code == OUTBOX_E_NOT_CONNECTED)
        sql_op_complete(op, error);
    else
        mys_acquire(op); /* if the kill was refused, the holder may still have gone; else it is still there */
}

static void kill_holder(struct sql_op *op, const struct holder *holder)
{
    const struct outbox_host *host = op->store->host;
    struct mys_store *store = mys_store_of(op->store);
    bool first = store->killed != holder->id; /* a server may take its time, as when its disk is full */
    store->killed = holder->id;
    if (op->tries == 1)
        host->log(host, first ? OUTBOX_LOG_WARN : OUTBOX_LOG_DEBUG,
                  "the owner (%s) has been silent for %lld s: its database session is ended", sql_acquire_of(op)->owner,
                  (long long)holder->silent_s);
    sql_op_submit(op, op->store->owner, "end the session of a silent owner", put_kill, NULL, killed);
}

static bool put_holder(struct sql_request *request)
{
    return mys_put(request, "SELECT owner, " MYS_OWNED_SINCE " FROM ", &mys_store_of(request->store)->relay_table,
                   " WHERE id = 1; SHOW PROCESSLIST");
}

static void on_holder(struct sql_request *request, void *result)
{
    enum { NAME };
    struct outbox_acquire *acquire = sql_acquire_of(request->arg);
    if (request->index != NAME) {
        sql_op_store_result(request, result);
        return;
    }
    struct mys_row row;
    mys_first(result, &row);
    OUTBOX_SET_MEMBER(acquire, since_us, mys_integer_of(&row, 1, 0));
    mys_copy(acquire->owner, sizeof acquire->owner, mys_text_of(&row, 0));
    mysql_free_result(result);
}

static void on_process_list(struct sql_op *op)
{
    struct outbox_acquire *acquire = sql_acquire_of(op);
    struct holder holder = find_holder(op->result, op->session);
    size_t used = strlen(acquire->owner);
    snprintf(acquire->owner + used, sizeof acquire->owner - used, ", connection %llu", (unsigned long long)holder.id);
    if (is_silent(&holder, acquire->lease_ms) && op->tries++ < TRIES)
        kill_holder(op, &holder);
    else
        sql_stand_by(op);
}

/* ---- queries ----------------------------------------------------------------------------------------------------- */

/* After a KILL the lock is free within milliseconds: worth a moment's waiting at the server. */
static bool put_lock(struct sql_request *request)
{
    obx_sql_text_puts(request->sql, "SELECT GET_LOCK(");
    mys_append_lock(request->store, request->sql);
    obx_sql_text_puts(request->sql, sql_op_of(request)->tries ? ", 1), IS_USED_LOCK(" : ", 0), IS_USED_LOCK(");
    mys_append_lock(request->store, request->sql);
    obx_sql_text_puts(request->sql, ")");
    return true;
}

static void on_lock(struct sql_op *op)
{
    int64_t got = mys_value(op->result, 0, 0), holder = mys_value(op->result, 1, 0);
    struct outbox_error error;
    if (got == 1 && OUTBOX_FAILPOINT_ERROR(op->store->host, mysql, before_epoch, &error)) {
        sql_op_complete(op, &error);
    } else if (got == 1) {
        raise_epoch(op);
    } else if (holder) {
        op->session = (uint64_t)holder;
        op->then = on_process_list;
        sql_op_submit(op, op->store->owner, "read the owner of the outbox", put_holder, on_holder, sql_op_continue);
    } else if (op->tries++ < TRIES) {
        mys_acquire(op); /* the holder has just gone */
    } else {
        sql_stand_by(op);
    }
}

void mys_acquire(struct sql_op *op)
{
    op->then = on_lock;
    sql_op_submit(op, op->store->owner, "own the outbox", put_lock, sql_op_store_result, sql_op_continue);
}

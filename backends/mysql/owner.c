/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/owner.c - owning an outbox: the lock, the epoch, the lease, and ending the session of an owner that
 * hangs
 *
 * Ownership is a named lock (GET_LOCK) on the connection that settles: when that session ends, for whatever reason, the
 * lock is free and nothing can be settled by it any more. Each owner also raises the epoch in the relay table, and
 * every transaction that deletes requires it: so an owner is fenced too where a proxy or a failover has given the lock
 * away without ending the session.
 *
 * An owner that lives shows it by a small statement a few times in a lease. One that has been silent for a whole lease,
 * by the server's clock, is killed by the one who waits: the same user may do that. A server that hears nothing for
 * longer drops the session by itself (wait_timeout).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

enum { LOCK_NAME_MAX = 64, TRIES = 5 };

static void ask(struct mys_op *op);

static struct outbox_acquire *acquire_of(const struct mys_op *op)
{
    return op->out;
}

/* "outbox:shop.outbox", or a hash where that is too long. */
void mys_lock_put(const struct mys_store *store, struct obx_sql_text *sql)
{
    char name[2 * MYS_NAME + 16];
    uint64_t hash = 14695981039346656037u;
    int size = snprintf(name, sizeof name, "outbox:%s.%s", store->table.schema, store->name);
    for (const char *at = name; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 1099511628211u;
    if (size > LOCK_NAME_MAX)
        snprintf(name, sizeof name, "outbox:%016llx", (unsigned long long)hash);
    obx_sql_text_literal(sql, name);
}

/* ---- the fence --------------------------------------------------------------------------------------------------- */

/* Another epoch makes it fail, which ends the whole packet: epoch cannot be null, and the mode is strict. */
void mys_fence_put(const struct mys_store *store, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "START TRANSACTION; UPDATE ");
    mys_relay_put(store, sql);
    obx_sql_text_puts(sql, " SET epoch = IF(epoch = ");
    mys_put_int(sql, (int64_t)store->epoch);
    obx_sql_text_puts(sql, ", epoch, NULL) WHERE id = 1; ");
}

bool mys_fenced(const struct mys_store *store, struct outbox_error *error)
{
    if (error->native != 1048)
        return false;
    mys_fail(error, OUTBOX_E_FENCED, "another relay has become the owner of outbox %s.%s", store->table.schema,
             store->name);
    return true;
}

/* ---- becoming the owner ------------------------------------------------------------------------------------------ */

/* The same server process as before, or one that began at the same time: nothing was undone. */
static bool is_same(const struct mys_store *store)
{
    const struct mys_server *was = &store->owned, *is = &store->server;
    return !strcmp(was->identity, is->identity) && *was->version && llabs(was->started_s - is->started_s) <= 2 &&
           is->owner_id > was->owner_id;
}

static void become_owner(struct mys_op *op)
{
    static const struct outbox_error none;
    struct mys_store *store = op->store;
    acquire_of(op)->flags = is_same(store) ? OUTBOX_ACQUIRED_SAME : 0;
    store->owned = store->server;
    store->owns = true;
    mys_op_finish(op, &none);
}

static void take_epoch(struct mys_request *request, MYSQL_RES *result)
{
    struct mys_op *op = request->arg;
    if (result)
        op->store->epoch = (uint64_t)mys_number(result, 0, 0);
    mysql_free_result(result);
}

static void raised(struct mys_request *request, const struct outbox_error *error)
{
    struct mys_op *op = request->arg;
    struct outbox_error wrong = *error;
    OUTBOX_FAILPOINT(op->store->host, mysql, after_acquire);
    if (!wrong.code && !op->store->epoch)
        mys_fail(&wrong, OUTBOX_E_NOT_FOUND, "own outbox %s: table %s has no row; run 'outbox init'",
                 op->store->table_name, op->store->relay_table);
    if (wrong.code)
        mys_op_finish(op, &wrong);
    else
        become_owner(op);
}

static void raise_epoch(struct mys_op *op)
{
    struct mys_store *store = op->store;
    struct obx_sql_text *sql = &op->sql;
    char owner[96];
    int64_t seconds = (int64_t)acquire_of(op)->lease_ms / 500; /* twice the lease */
    snprintf(owner, sizeof owner, "outbox %.80s", store->relay);
    store->epoch = 0;
    obx_sql_text_clear(sql);
    obx_sql_text_puts(sql, "UPDATE ");
    mys_relay_put(store, sql);
    obx_sql_text_format(sql,
                        " SET epoch = epoch + 1, owner = %l, since = CURRENT_TIMESTAMP(6) WHERE id = 1; SELECT epoch "
                        "FROM ",
                        owner);
    mys_relay_put(store, sql);
    obx_sql_text_puts(sql, " WHERE id = 1; SET SESSION wait_timeout = ");
    mys_put_int(sql, seconds < 10 ? 10 : seconds);
    mys_op_submit(op, &store->owner, "own the outbox", take_epoch, raised);
}

/* ---- another is the owner ---------------------------------------------------------------------------------------- */

struct holder {
    uint64_t id;
    int64_t silent_s;
    char host[40];
    bool seen, asleep; /* asleep: the server waits for it, not the other way round */
};

/* SHOW PROCESSLIST shows a user at least his own sessions: Id, User, Host, db, Command, Time. */
static struct holder find_holder(MYSQL_RES *list, uint64_t id)
{
    struct holder holder = {.id = id, .silent_s = -1};
    MYSQL_ROW row;
    while ((row = mysql_fetch_row(list))) {
        if (!row[0] || strtoull(row[0], NULL, 10) != id)
            continue;
        holder.seen = true;
        holder.asleep = row[4] && !strcmp(row[4], "Sleep");
        holder.silent_s = row[5] ? strtoll(row[5], NULL, 10) : -1;
        mys_copy(holder.host, sizeof holder.host, row[2]);
        holder.host[strcspn(holder.host, ":")] = '\0';
    }
    return holder;
}

/* A statement of an owner that lives may take long; it is given three times the lease. */
static bool is_silent(const struct holder *holder, uint32_t lease_ms)
{
    int64_t patience = holder->asleep ? (int64_t)lease_ms : 3 * (int64_t)lease_ms;
    return holder->seen && holder->silent_s * 1000 >= patience;
}

static void stand_by(struct mys_op *op)
{
    struct outbox_error error;
    const char *owner = acquire_of(op)->owner;
    mys_fail(&error, OUTBOX_E_STANDBY, "own outbox %s.%s: owned by %s", op->store->table.schema, op->store->name,
             *owner ? owner : "another session");
    mys_op_finish(op, &error);
}

static void killed(struct mys_request *request, const struct outbox_error *error)
{
    struct mys_op *op = request->arg;
    if (error->code == OUTBOX_E_NOT_CONNECTED)
        mys_op_finish(op, error);
    else
        ask(op); /* it may have gone by itself; or we may not kill it, and learn that it is still there */
}

static void kill_holder(struct mys_op *op, const struct holder *holder)
{
    const struct outbox_host *host = op->store->host;
    bool first = op->store->killed != holder->id; /* a server may take its time, as when its disk is full */
    op->store->killed = holder->id;
    if (op->number == 1)
        host->log(host, first ? OUTBOX_LOG_WARN : OUTBOX_LOG_DEBUG,
                  "the owner (%s) has been silent for %lld s: its database session is ended", acquire_of(op)->owner,
                  (long long)holder->silent_s);
    obx_sql_text_clear(&op->sql);
    obx_sql_text_puts(&op->sql, "KILL ");
    mys_put_int(&op->sql, (int64_t)holder->id);
    mys_op_submit(op, &op->store->owner, "end the session of a silent owner", NULL, killed);
}

static void take_list(struct mys_request *request, MYSQL_RES *result)
{
    struct mys_op *op = request->arg;
    struct outbox_acquire *acquire = acquire_of(op);
    if (request->index) {
        mys_keep(request, result);
        return;
    }
    MYSQL_ROW row = mysql_fetch_row(result);
    snprintf(acquire->owner, sizeof acquire->owner, "%.40s", row && row[0] ? row[0] : "");
    mysql_free_result(result);
}

static void listed(struct mys_request *request, const struct outbox_error *error)
{
    struct mys_op *op = request->arg;
    struct outbox_acquire *acquire = acquire_of(op);
    if (error->code || !op->result) {
        mys_op_finish(op, error);
        return;
    }
    struct holder holder = find_holder(op->result, op->holder);
    size_t used = strlen(acquire->owner);
    snprintf(acquire->owner + used, sizeof acquire->owner - used, " at %.30s, connection %llu",
             *holder.host ? holder.host : "?", (unsigned long long)holder.id);
    if (is_silent(&holder, acquire->lease_ms) && op->number++ < TRIES)
        kill_holder(op, &holder);
    else
        stand_by(op);
}

static void look_at_holder(struct mys_op *op, uint64_t id)
{
    obx_sql_text_clear(&op->sql);
    obx_sql_text_puts(&op->sql, "SELECT owner FROM ");
    mys_relay_put(op->store, &op->sql);
    obx_sql_text_puts(&op->sql, " WHERE id = 1; SHOW PROCESSLIST");
    op->holder = id;
    mys_op_submit(op, &op->store->owner, "look who owns the outbox", take_list, listed);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static void asked(struct mys_op *op)
{
    int64_t got = mys_number(op->result, 0, 0), holder = mys_number(op->result, 1, 0);
    struct outbox_error wrong;
    if (got == 1 && OUTBOX_FAILPOINT_ERROR(op->store->host, mysql, before_epoch, &wrong))
        mys_op_finish(op, &wrong);
    else if (got == 1)
        raise_epoch(op);
    else if (holder)
        look_at_holder(op, (uint64_t)holder);
    else if (op->number++ < TRIES)
        ask(op); /* it has just gone */
    else
        stand_by(op);
}

/* After a KILL the lock is free within milliseconds: worth a moment's waiting at the server. */
static void ask(struct mys_op *op)
{
    struct obx_sql_text *sql = &op->sql;
    obx_sql_text_clear(sql);
    obx_sql_text_puts(sql, "SELECT GET_LOCK(");
    mys_lock_put(op->store, sql);
    obx_sql_text_puts(sql, op->number ? ", 1), IS_USED_LOCK(" : ", 0), IS_USED_LOCK(");
    mys_lock_put(op->store, sql);
    obx_sql_text_puts(sql, ")");
    op->then = asked;
    mys_op_submit(op, &op->store->owner, "own the outbox", mys_keep, mys_go_on);
}

void mys_acquire(void *self, outbox_op_t id, struct outbox_acquire *acquire)
{
    struct mys_op *op = mys_op(self, id);
    struct outbox_error error;
    op->out = acquire;
    acquire->flags = 0;
    acquire->owner[0] = '\0';
    if (OUTBOX_FAILPOINT_ERROR(op->store->host, mysql, before_acquire, &error))
        mys_op_finish(op, &error);
    else
        ask(op);
}

void mys_renew(void *self, outbox_op_t id)
{
    struct mys_store *store = self;
    struct mys_op *op = mys_op(store, id);
    struct outbox_error error;
    obx_sql_text_puts(&op->sql, "DO 0");
    if (store->owns) {
        mys_op_submit(op, &store->owner, "show that the owner lives", NULL, mys_done);
        return;
    }
    mys_fail(&error, OUTBOX_E_FENCED, "renew: this relay does not own outbox %s", store->table_name);
    mys_op_finish(op, &error);
}

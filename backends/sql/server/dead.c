/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/dead.c - the dead letters: list, show, keys, replay, drop
 *
 * Letters are read a page at a time, in the order of their numbers. A replay is one transaction: each event gets a new
 * id, thus the end of the queue, and keeps its event id.
 */
#include "sql/dead.h"
#include "sql/server/table.h"
#include "sql/server/verbs.h"

static void read_page(struct sql_op *op);

/* ---- statements -------------------------------------------------------------------------------------------------- */

void sql_append_which(const struct sql_op *op, struct obx_sql_text *sql)
{
    const struct outbox_dead *dead = sql_dead_of(op);
    obx_sql_text_format(sql, " WHERE number %s ", op->store->driver->greater);
    obx_sql_text_int(sql, (int64_t)op->cursor);
    for (uint32_t i = 0; i < dead->count; i++) {
        obx_sql_text_puts(sql, i ? ", " : op->store->driver->begin_number_list);
        obx_sql_text_int(sql, (int64_t)dead->numbers[i]);
    }
    obx_sql_text_puts(sql, dead->count ? op->store->driver->end_number_list : "");
}

static bool put_letters(struct sql_request *request)
{
    const struct sql_op *op = request->arg;
    struct obx_sql_text sql = sql_text(op->store);
    obx_sql_text_format(&sql, "SELECT number, topic, %n, reason, attempts, ", "key");
    obx_sql_text_format(&sql, op->store->driver->epoch_us, "died_at");
    op->store->driver->append_letter(op->store, &sql);
    obx_sql_text_puts(&sql, " FROM ");
    sql_append_dead(op->store, &sql);
    sql_append_which(op, &sql);
    obx_sql_text_format(&sql, " ORDER BY number LIMIT %d", OBX_SQL_LETTERS_PAGE);
    request->answer_bytes = SQL_ANSWER_LARGE;
    return op->store->driver->put_text(request, &sql);
}

static bool put_keys(struct sql_request *request)
{
    const struct sql_op *op = request->arg;
    struct obx_sql_text sql = sql_text(op->store);
    obx_sql_text_format(&sql, "SELECT MIN(number), topic, %n FROM ", "key");
    sql_append_dead(op->store, &sql);
    obx_sql_text_format(&sql, " GROUP BY topic, %n HAVING MIN(number) > ", "key");
    obx_sql_text_int(&sql, (int64_t)op->cursor);
    obx_sql_text_format(&sql, " ORDER BY 1 LIMIT %d", OBX_SQL_KEYS_PAGE);
    return op->store->driver->put_text(request, &sql);
}

static bool put_drop(struct sql_request *request)
{
    struct obx_sql_text sql = sql_text(request->store);
    obx_sql_text_puts(&sql, "DELETE FROM ");
    sql_append_dead(request->store, &sql);
    sql_append_which(request->arg, &sql);
    return request->store->driver->put_text(request, &sql);
}

/* ---- pages ------------------------------------------------------------------------------------------------------- */

static void report_letter(const struct sql_op *op, const struct sql_row *row, uint64_t number)
{
    const struct sql_driver *driver = op->store->driver;
    const struct outbox_dead *dead = sql_dead_of(op);
    struct outbox_dead_letter letter = {
        .struct_size = sizeof letter, .number = number, .event.struct_size = sizeof letter.event};
    int parts = obx_sql_dead_parts(dead);
    for (int part = OBX_SQL_TOPIC; part < parts; part++)
        if (obx_sql_letter_part(&letter, part))
            *obx_sql_letter_part(&letter, part) = driver->cell(row, (unsigned)part);
    if (parts == OBX_SQL_PARTS) {
        letter.attempts = driver->number(row, OBX_SQL_ATTEMPTS, 0);
        letter.died_us = driver->number(row, OBX_SQL_DIED_AT, 0);
    }
    dead->row(dead->arg, &letter);
}

/* True: the page was full, and the limit is not reached. */
static bool report_page(struct sql_op *op)
{
    const struct sql_driver *driver = op->store->driver;
    struct outbox_dead *dead = sql_dead_of(op);
    struct sql_row row = {.result = op->result};
    int rows = 0;
    for (; op->result && driver->next_row(&row); rows++) {
        if (dead->limit && dead->affected == dead->limit)
            return false;
        op->cursor = (uint64_t)driver->number(&row, OBX_SQL_NUMBER, 0);
        report_letter(op, &row, op->cursor);
        dead->affected++;
    }
    return rows == obx_sql_dead_page(dead);
}

static void page_read(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_op *op = request->arg;
    if (!error->code && report_page(op))
        read_page(op);
    else
        sql_op_complete(op, error);
}

static void read_page(struct sql_op *op)
{
    const struct outbox_dead *dead = sql_dead_of(op);
    sql_op_submit(op, op->store->owner, obx_sql_dead_what(dead),
                  dead->action == OUTBOX_DEAD_KEYS ? put_keys : put_letters, sql_op_store_result, page_read);
}

static void on_moved(struct sql_request *request, void *result)
{
    struct sql_op *op = request->arg;
    op->store->driver->free_result(result);
    sql_dead_of(op)->affected = request->affected;
}

void sql_dead_move(struct sql_op *op, bool (*put)(struct sql_request *request))
{
    op->request.fires_triggers = true;
    sql_op_submit(op, op->store->owner, obx_sql_dead_what(sql_dead_of(op)), put, on_moved, sql_op_end);
}

static bool can_set(const struct sql_store *store, const char *name)
{
    const struct sql_column *column = sql_column_of(store, name);
    if (!column)
        column = sql_column_find(&store->table, name);
    return column && !column->generated;
}

void sql_dead(void *self, outbox_op_t id, struct outbox_dead *dead)
{
    struct sql_op *op = sql_op_begin(self, id);
    const struct sql_store *store = op->store;
    const char *set = obx_sql_dead_set_column(dead);
    struct outbox_error error;
    op->out = dead;
    dead->affected = 0;
    if (obx_sql_dead_validate(dead, store->table.exists, store->table_name, &error))
        sql_op_complete(op, &error);
    else if (set && !can_set(store, set))
        sql_op_fail(op, OUTBOX_E_NOT_FOUND, "replay dead letters of %s: the table has no column %s that can be set",
                    store->table_name, set);
    else if (dead->action == OUTBOX_DEAD_DROP)
        sql_dead_move(op, put_drop);
    else if (dead->action == OUTBOX_DEAD_REPLAY)
        store->driver->replay(op);
    else
        read_page(op);
}

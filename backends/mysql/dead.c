/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/dead.c - the dead letters: list, show, keys, replay, drop
 *
 * Letters are read a page at a time. A replay is one transaction: it locks the letters, notes their numbers, and moves
 * exactly these; each event gets a new id, thus the end of the queue, and keeps its event id.
 */
#include <stdlib.h>
#include <string.h>

#include "sql/dead.h"
#include "store.h"

static struct outbox_dead *dead_of(const struct mys_op *op)
{
    return op->out;
}

static void put_which(struct obx_sql_text *sql, const struct outbox_dead *dead)
{
    if (!dead->count) {
        obx_sql_text_puts(sql, "1 = 1");
        return;
    }
    obx_sql_text_puts(sql, "number IN (");
    for (uint32_t i = 0; i < dead->count; i++) {
        obx_sql_text_puts(sql, i ? ", " : "");
        mys_put_int(sql, (int64_t)dead->numbers[i]);
    }
    obx_sql_text_puts(sql, ")");
}

static void put_event_id(const struct mys_store *store, struct obx_sql_text *sql)
{
    const struct mys_column *id = mys_column_of(store, "event_id");
    if (id && !strcmp(id->type, "binary(16)"))
        obx_sql_text_puts(sql, "LOWER(CONCAT_WS('-', SUBSTR(HEX(event_id), 1, 8), SUBSTR(HEX(event_id), 9, 4), "
                               "SUBSTR(HEX(event_id), 13, 4), SUBSTR(HEX(event_id), 17, 4), "
                               "SUBSTR(HEX(event_id), 21))) AS event_id");
    else
        obx_sql_text_puts(sql, "event_id");
}

static void put_read(const struct mys_op *op, struct obx_sql_text *sql, const struct outbox_dead *dead)
{
    obx_sql_text_puts(sql, "SELECT number, topic, `key`, reason, attempts, "
                           "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', died_at), ");
    put_event_id(op->store, sql);
    obx_sql_text_puts(sql, ", aggregatetype, aggregateid, type, payload, headers FROM ");
    mys_dead_put(op->store, sql);
    obx_sql_text_puts(sql, " WHERE number > ");
    mys_put_int(sql, (int64_t)op->number);
    obx_sql_text_puts(sql, " AND ");
    put_which(sql, dead);
    obx_sql_text_format(sql, " ORDER BY number LIMIT %d", OBX_SQL_LETTERS_PAGE);
}

static void put_keys(const struct mys_op *op, struct obx_sql_text *sql)
{
    obx_sql_text_puts(sql, "SELECT MIN(number), topic, `key` FROM ");
    mys_dead_put(op->store, sql);
    obx_sql_text_puts(sql, " GROUP BY topic, `key` HAVING MIN(number) > ");
    mys_put_int(sql, (int64_t)op->number);
    obx_sql_text_format(sql, " ORDER BY 1 LIMIT %d", OBX_SQL_KEYS_PAGE);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static struct outbox_bytes bytes(MYSQL_ROW row, const unsigned long *sizes, int part)
{
    return (struct outbox_bytes){row[part], row[part] ? sizes[part] : 0};
}

static void tell(const struct outbox_dead *dead, MYSQL_ROW row, const unsigned long *sizes)
{
    struct outbox_dead_letter letter = {.struct_size = sizeof letter, .event.struct_size = sizeof letter.event};
    int parts = obx_sql_dead_parts(dead);
    letter.number = strtoull(row[OBX_SQL_NUMBER], NULL, 10);
    for (int part = OBX_SQL_TOPIC; part < parts; part++)
        if (obx_sql_letter_part(&letter, part))
            *obx_sql_letter_part(&letter, part) = bytes(row, sizes, part);
    if (parts == OBX_SQL_PARTS) {
        letter.attempts = strtoll(row[OBX_SQL_ATTEMPTS], NULL, 10);
        letter.died_us = row[OBX_SQL_DIED_AT] ? strtoll(row[OBX_SQL_DIED_AT], NULL, 10) : 0;
    }
    dead->row(dead->arg, &letter);
}

static void read_page(struct mys_op *op);

/* True: another page is on its way. */
static bool take_page(struct mys_op *op)
{
    struct outbox_dead *dead = dead_of(op);
    uint64_t rows = mysql_num_rows(op->result);
    MYSQL_ROW row;
    while ((row = mysql_fetch_row(op->result))) {
        if (dead->limit && dead->affected == dead->limit)
            return false;
        tell(dead, row, mysql_fetch_lengths(op->result));
        dead->affected++;
        op->number = strtoull(row[OBX_SQL_NUMBER], NULL, 10);
    }
    if (rows < (uint64_t)obx_sql_dead_page(dead))
        return false;
    read_page(op);
    return true;
}

static void page_read(struct mys_request *request, const struct outbox_error *error)
{
    struct mys_op *op = request->arg;
    if (error->code || !op->result || !take_page(op))
        mys_op_finish(op, error);
}

static void read_page(struct mys_op *op)
{
    const struct outbox_dead *dead = dead_of(op);
    obx_sql_text_clear(&op->sql);
    if (dead->action == OUTBOX_DEAD_KEYS)
        put_keys(op, &op->sql);
    else
        put_read(op, &op->sql, dead);
    mys_op_submit(op, &op->store->owner, obx_sql_dead_what(dead), mys_keep, page_read);
}

/* ---- dropping and replaying -------------------------------------------------------------------------------------- */

static void take_dropped(struct mys_request *request, MYSQL_RES *result)
{
    mysql_free_result(result);
    dead_of(request->arg)->affected = request->affected;
}

static void drop(struct mys_op *op)
{
    obx_sql_text_puts(&op->sql, "DELETE FROM ");
    mys_dead_put(op->store, &op->sql);
    obx_sql_text_puts(&op->sql, " WHERE ");
    put_which(&op->sql, dead_of(op));
    mys_op_submit(op, &op->store->owner, obx_sql_dead_what(dead_of(op)), take_dropped, mys_done);
}

static void put_numbers(struct obx_sql_text *sql, MYSQL_RES *locked)
{
    MYSQL_ROW row;
    const char *comma = " WHERE number IN (";
    mysql_data_seek(locked, 0);
    while ((row = mysql_fetch_row(locked))) {
        obx_sql_text_puts(sql, comma);
        mys_put_int(sql, strtoll(row[0], NULL, 10));
        comma = ", ";
    }
    obx_sql_text_puts(sql, ")");
}

/* The value of a column that was kept in `rest`; JSON's null is SQL's. */
static void put_kept(struct obx_sql_text *sql, const struct mys_column *column)
{
    char path[2 * MYS_NAME + 8] = "$.\"";
    size_t at = strlen(path);
    for (const char *c = column->name; *c && at + 4 < sizeof path; c++) {
        if (*c == '"' || *c == '\\')
            path[at++] = '\\';
        path[at++] = *c;
    }
    memcpy(path + at, "\"", 2);
    obx_sql_text_format(
        sql, "IF(JSON_TYPE(JSON_EXTRACT(rest, %l)) = 'NULL', NULL, %sJSON_UNQUOTE(JSON_EXTRACT(rest, %l)%s))", path,
        mys_column_is_binary(column) ? "FROM_BASE64(" : "", path, mys_column_is_binary(column) ? ")" : "");
}

static void put_replay(const struct mys_store *store, struct obx_sql_text *sql, MYSQL_RES *locked)
{
    const struct mys_table *table = &store->table;
    obx_sql_text_puts(sql, "INSERT INTO ");
    mys_table_put(store, sql);
    for (int pass = 0; pass < 2; pass++) {
        const char *comma = pass ? ") SELECT " : " (";
        for (uint32_t i = 0; i < table->column_count; i++) {
            const struct mys_column *column = &table->columns[i];
            const char *logical = obx_sql_logical(&store->column_names, column->name);
            if (!strcmp(column->name, table->id) || column->generated)
                continue;
            obx_sql_text_puts(sql, comma);
            comma = ", ";
            if (pass && !logical)
                put_kept(sql, column);
            else
                obx_sql_text_name(sql, pass ? logical : column->name);
        }
    }
    obx_sql_text_puts(sql, " FROM ");
    mys_dead_put(store, sql);
    put_numbers(sql, locked);
    obx_sql_text_puts(sql, " ORDER BY number; DELETE FROM ");
    mys_dead_put(store, sql);
    put_numbers(sql, locked);
    obx_sql_text_puts(sql, "; COMMIT");
}

static void replayed(struct mys_request *request, const struct outbox_error *error)
{
    struct mys_op *op = request->arg;
    if (!error->code)
        dead_of(op)->affected = mysql_num_rows(op->result);
    mys_op_finish(op, error);
}

static void locked(struct mys_request *request, const struct outbox_error *error)
{
    struct mys_op *op = request->arg;
    if (error->code || !op->result) {
        mys_op_finish(op, error);
        return;
    }
    obx_sql_text_clear(&op->sql);
    if (mysql_num_rows(op->result))
        put_replay(op->store, &op->sql, op->result);
    else
        obx_sql_text_puts(&op->sql, "ROLLBACK");
    op->request.transaction = true;
    op->request.first = true;
    mys_op_submit(op, &op->store->owner, obx_sql_dead_what(dead_of(op)), NULL, replayed);
}

static void replay(struct mys_op *op)
{
    obx_sql_text_puts(&op->sql, "START TRANSACTION; SELECT number FROM ");
    mys_dead_put(op->store, &op->sql);
    obx_sql_text_puts(&op->sql, " WHERE ");
    put_which(&op->sql, dead_of(op));
    obx_sql_text_puts(&op->sql, " ORDER BY number FOR UPDATE");
    op->request.transaction = true;
    mys_op_submit(op, &op->store->owner, obx_sql_dead_what(dead_of(op)), mys_keep, locked);
}

void mys_dead(void *self, outbox_op_t id, struct outbox_dead *dead)
{
    struct mys_op *op = mys_op(self, id);
    struct outbox_error error;
    op->out = dead;
    dead->affected = 0;
    if (obx_sql_dead_judge(dead, op->store->table.exists, op->store->table_name, &error))
        mys_op_finish(op, &error);
    else if (dead->action == OUTBOX_DEAD_DROP)
        drop(op);
    else if (dead->action == OUTBOX_DEAD_REPLAY)
        replay(op);
    else
        read_page(op);
}

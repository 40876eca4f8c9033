/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/dead.c - list, show and keys; see dead.h */
#include "dead.h"

#include <string.h>

#include "created_at.h"
#include "sql/dead.h"

#define PAGE_LETTERS 256
#define PAGE_BYTES ((size_t)1024 * 1024)

struct lite_letter {
    struct lite_letter *next;
    struct outbox_dead_letter letter; /* its bytes follow */
};

static const void *column_bytes(sqlite3_stmt *statement, int column, size_t *size)
{
    const void *data = sqlite3_column_type(statement, column) == SQLITE_BLOB ? sqlite3_column_blob(statement, column)
                                                                             : sqlite3_column_text(statement, column);
    *size = (size_t)sqlite3_column_bytes(statement, column);
    return data || sqlite3_column_type(statement, column) == SQLITE_NULL ? data : "";
}

static size_t size_of_parts(sqlite3_stmt *statement, int parts)
{
    size_t size = 0, one;
    for (int i = 0; i < parts; i++) {
        column_bytes(statement, i, &one);
        size += one;
    }
    return size;
}

static void fill_letter(struct lite_letter *kept, sqlite3_stmt *statement, int parts)
{
    struct outbox_dead_letter *letter = &kept->letter;
    char *to = (char *)(kept + 1);
    letter->struct_size = sizeof *letter;
    letter->event.struct_size = sizeof letter->event;
    for (int i = 0; i < parts; i++) {
        size_t size;
        struct outbox_bytes *bytes = obx_sql_letter_part(letter, i);
        const void *data = bytes ? column_bytes(statement, i, &size) : NULL;
        if (!data)
            continue;
        *bytes = (struct outbox_bytes){memcpy(to, data, size), size};
        to += size;
    }
    if (parts < OBX_SQL_PARTS)
        return;
    letter->number = (uint64_t)sqlite3_column_int64(statement, OBX_SQL_NUMBER);
    letter->attempts = sqlite3_column_int64(statement, OBX_SQL_ATTEMPTS);
    letter->died_us = lite_time(statement, OBX_SQL_DIED_AT);
}

/* Copy the letter that the statement stands on to the end of the page. The size of its bytes; without memory 0, and
 * error is filled. */
static size_t keep_letter(struct lite_dead_op *dead, const struct lite_conn *conn, sqlite3_stmt *statement, int parts)
{
    const struct outbox_host *host = conn->host;
    size_t size = size_of_parts(statement, parts);
    struct lite_letter *kept = host->alloc(host, sizeof *kept + size);
    if (!kept) {
        lite_fail_memory(conn, LITE_READING_DEAD, &dead->op.error);
        return 0;
    }
    fill_letter(kept, statement, parts);
    dead->after = (uint64_t)sqlite3_column_int64(statement, OBX_SQL_NUMBER);
    *dead->end = kept;
    dead->end = &kept->next;
    return size;
}

/* ---- pages: ADMIN lane --------------------------------------------------------------------------------------- */

struct page {
    uint32_t letters;
    size_t bytes;
};

static bool is_full(const struct page *page)
{
    return page->letters >= PAGE_LETTERS || page->bytes >= PAGE_BYTES;
}

static sqlite3_stmt *prepare_read(struct lite_dead_op *dead, struct lite_conn *conn)
{
    const char *table = dead->op.store->schema.dead_table;
    char *sql = dead->args->action == OUTBOX_DEAD_KEYS
                    ? sqlite3_mprintf("SELECT min(number), topic, \"key\" FROM \"%w\" GROUP BY topic, \"key\" "
                                      "HAVING min(number) > ?1 ORDER BY 1 LIMIT ?2",
                                      table)
                    : sqlite3_mprintf("SELECT number, topic, \"key\", reason, attempts, died_at, event_id, "
                                      "aggregatetype, aggregateid, type, payload, headers FROM \"%w\" WHERE number %s "
                                      "?1 ORDER BY number LIMIT ?2",
                                      table, dead->args->count ? "=" : ">");
    return lite_prepare_once(conn, sql, LITE_READING_DEAD, &dead->op.error);
}

/* Letters into the page until it is full or there are none left. */
static void read_letters(struct lite_dead_op *dead, struct lite_conn *conn, sqlite3_stmt *statement, uint64_t number,
                         struct page *page)
{
    int parts = obx_sql_dead_parts(dead->args), code = SQLITE_ROW;
    sqlite3_bind_int64(statement, 1, (int64_t)number);
    sqlite3_bind_int64(statement, 2, PAGE_LETTERS);
    while (!is_full(page) && lite_op_ok(&dead->op) && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        page->bytes += keep_letter(dead, conn, statement, parts);
        page->letters++;
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        lite_fail(conn, code, LITE_READING_DEAD, &dead->op.error);
    sqlite3_reset(statement);
}

static void read_page(struct lite_op *op, struct lite_conn *conn)
{
    struct lite_dead_op *dead = (struct lite_dead_op *)op;
    const struct outbox_dead *args = dead->args;
    struct page page = {0};
    dead->letters = NULL;
    dead->end = &dead->letters;
    lite_admin_open(op, conn, LITE_READING_DEAD);
    sqlite3_stmt *statement = lite_op_ok(op) ? prepare_read(dead, conn) : NULL;
    if (!statement)
        return;
    if (!args->count)
        read_letters(dead, conn, statement, dead->after, &page);
    while (lite_op_ok(op) && dead->index < args->count && !is_full(&page))
        read_letters(dead, conn, statement, args->numbers[dead->index++], &page);
    dead->finished = args->count ? dead->index == args->count : !is_full(&page);
    sqlite3_finalize(statement);
}

/* ---- loop thread --------------------------------------------------------------------------------------------- */

static void report_page(struct lite_op *op)
{
    struct lite_dead_op *dead = (struct lite_dead_op *)op;
    struct outbox_dead *args = dead->args;
    bool enough = false;
    for (struct lite_letter *letter; (letter = dead->letters);) {
        enough = args->limit && dead->affected == args->limit;
        if (lite_op_ok(op) && !enough) {
            args->row(args->arg, &letter->letter);
            dead->affected++;
        }
        dead->letters = letter->next;
        op->store->host->release(op->store->host, letter);
    }
    args->affected = dead->affected;
    op->again = lite_op_ok(op) && !enough && !dead->finished && !op->canceled;
}

static void report_moved(struct lite_op *op)
{
    const struct lite_dead_op *dead = (struct lite_dead_op *)op;
    dead->args->affected = dead->affected;
}

void lite_dead(void *self, outbox_op_t id, struct outbox_dead *args)
{
    struct lite_store *store = self;
    bool moves = args->action == OUTBOX_DEAD_REPLAY || args->action == OUTBOX_DEAD_DROP;
    struct lite_dead_op *dead = lite_op_begin(&store->lanes, id, LANE_ADMIN, moves ? lite_dead_move : read_page);
    dead->args = args;
    dead->op.finish = moves ? report_moved : report_page;
    lite_op_submit(&dead->op);
}

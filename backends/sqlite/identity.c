/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/identity.c - see identity.h */
#include "identity.h"

#include <stdio.h>

/* SQLite gives a new row the highest rowid and one, so a mark is recognised by more than its size. */
#define MARK_FACTOR 65537
#define MARK_MIN ((int64_t)1 << 40)

static bool is_mark(int64_t rowid)
{
    return rowid >= MARK_MIN && rowid % MARK_FACTOR == 0;
}

static int64_t make_mark(const struct lite_store *store)
{
    int64_t mark = (int64_t)(store->host->random(store->host) >> 2);
    return (mark | MARK_MIN) / MARK_FACTOR * MARK_FACTOR + MARK_FACTOR;
}

static int64_t read_mark(const struct lite_store *store, struct lite_conn *conn, struct outbox_error *error)
{
    return lite_query_int64(
        conn, sqlite3_mprintf("SELECT rowid FROM sqlite_sequence WHERE name = %Q COLLATE NOCASE", store->schema.table),
        LITE_OWNING, error);
}

/* A table that never had a row has none in sqlite_sequence. Each statement is a transaction: a writer that inserts the
 * first row between them is found by the second. */
static int write_mark(struct lite_store *store, struct lite_conn *conn, int64_t mark, struct outbox_error *error)
{
    const char *table = store->schema.table;
    char *insert = sqlite3_mprintf("INSERT INTO sqlite_sequence (rowid, name, seq) SELECT %lld, name, 0 FROM "
                                   "sqlite_master WHERE type = 'table' AND name = %Q COLLATE NOCASE AND NOT EXISTS "
                                   "(SELECT 1 FROM sqlite_sequence WHERE name = %Q COLLATE NOCASE)",
                                   (long long)mark, table, table);
    if (lite_exec(conn, insert, LITE_OWNING, error))
        return error->code;
    return lite_exec(conn,
                     sqlite3_mprintf("UPDATE sqlite_sequence SET rowid = %lld WHERE name = %Q COLLATE NOCASE AND "
                                     "rowid <> %lld",
                                     (long long)mark, table, (long long)mark),
                     LITE_OWNING, error);
}

int lite_identity(struct lite_store *store, struct lite_conn *conn, bool anew, char *text, size_t size,
                  struct outbox_error *error)
{
    int64_t mark = read_mark(store, conn, error);
    if (error->code)
        return error->code;
    if (anew || !is_mark(mark)) {
        mark = make_mark(store);
        write_mark(store, conn, mark, error);
    }
    snprintf(text, size, "sqlite %llx %llx", (unsigned long long)store->file.database.inode, (unsigned long long)mark);
    return error->code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* bench/inbox_sqlite.c - inbox.h on SQLite, each commit flushed */
#include <stdio.h>
#include <stdlib.h>

#include <outbox/sqlite.h>

#include "inbox.h"

static sqlite3 *db;

static void fail(const char *why)
{
    fprintf(stderr, "inbox: %s\n", why);
    exit(1);
}

void bench_run(const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail(sqlite3_errmsg(db));
}

void bench_open(const char *place)
{
    if (sqlite3_open(place, &db) != SQLITE_OK)
        fail(sqlite3_errmsg(db));
    bench_run("PRAGMA journal_mode = WAL");
    bench_run("PRAGMA synchronous = FULL");
}

void bench_take(const char *consumer, const struct outbox_bytes *ids, size_t count, bool *is_new)
{
    struct outbox_error error;
    if (outbox_sqlite_inbox_take(db, consumer, ids, count, is_new, &error))
        fail(error.text);
}

/* The library of SQLite has no level 2. */
void outbox_window_close(struct outbox_window *window)
{
    (void)window;
}

int outbox_window_judge(struct outbox_window *window, int64_t offset, struct outbox_bytes position,
                        struct outbox_bytes event_id, enum outbox_window_verdict *verdict, struct outbox_error *error)
{
    (void)window, (void)offset, (void)position, (void)event_id, (void)verdict, (void)error;
    return OUTBOX_E_UNSUPPORTED;
}

struct outbox_window *bench_window(const char *topic)
{
    fail(topic);
    return NULL;
}

void bench_save(struct outbox_window *window)
{
    (void)window;
}

void bench_close(void)
{
    sqlite3_close(db);
}

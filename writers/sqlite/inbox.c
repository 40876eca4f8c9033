/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/sqlite/inbox.c - which of these events are new, in the consumer's own transaction
 *
 * One INSERT for each id, on the caller's connection: there is no round trip to save. A row that was inserted is a new
 * event, a conflict is a duplicate. No state outlives the call.
 */
#include <outbox/sqlite.h>

#include "inbox.h"
#include "error.h"

/* Of conflicts only that of the key is a duplicate: OR IGNORE would hide others. */
static const char insert[] = "INSERT INTO outbox_inbox (event_id, consumer) VALUES (?1, ?2) ON CONFLICT DO NOTHING";

static int fail(sqlite3 *db, int native, const char *consumer, struct outbox_error *error)
{
    struct outbox_error own;
    int code = lite_error_sqlite(&own, db, native, inbox_attempt(consumer).text, NULL);
    if (code == OUTBOX_E_NOT_FOUND)
        code =
            outbox_error_set(&own, OUTBOX_E_NOT_FOUND, "%s: there is no table outbox_inbox; run 'outbox init --inbox'",
                             inbox_attempt(consumer).text);
    if (error)
        *error = own;
    return code;
}

/* 1: new, 0: a duplicate, or a negative code. */
static int take_one(sqlite3 *db, sqlite3_stmt *statement, const char *consumer, const uint8_t *id,
                    struct outbox_error *error)
{
    int native = sqlite3_bind_blob(statement, 1, id, INBOX_ID_SIZE, SQLITE_TRANSIENT);
    if (native == SQLITE_OK)
        native = sqlite3_bind_text(statement, 2, consumer, -1, SQLITE_STATIC);
    if (native == SQLITE_OK)
        native = sqlite3_step(statement);
    if (native != SQLITE_DONE)
        return fail(db, native, consumer, error);
    int inserted = sqlite3_changes(db);
    sqlite3_reset(statement);
    return inserted == 0 || inserted == 1 ? inserted
                                          : inbox_bad_answer(consumer, "more rows than were inserted", error);
}

static int take_all(sqlite3 *db, sqlite3_stmt *statement, const char *consumer, const struct outbox_bytes *ids,
                    size_t count, bool *is_new, struct outbox_error *error)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t id[INBOX_ID_SIZE];
        inbox_parse_id(consumer, ids, i, id, error);
        int taken = take_one(db, statement, consumer, id, error);
        if (taken < 0)
            return taken;
        is_new[i] = taken != 0;
    }
    return OUTBOX_OK;
}

int outbox_sqlite_inbox_take(sqlite3 *db, const char *consumer, const struct outbox_bytes *ids, size_t count,
                             bool *is_new, struct outbox_error *error)
{
    sqlite3_stmt *statement = NULL;
    uint8_t id[INBOX_ID_SIZE];
    int code = inbox_check_arguments(db, consumer, ids, count, is_new, error);
    for (size_t i = 0; !code && i < count; i++) /* all, before the first is written */
        code = inbox_parse_id(consumer, ids, i, id, error);
    if (!code && sqlite3_get_autocommit(db))
        code = inbox_no_transaction(inbox_attempt(consumer).text, error);
    if (code || !count)
        return code;
    int native = sqlite3_prepare_v2(db, insert, sizeof insert, &statement, NULL);
    code = native == SQLITE_OK ? take_all(db, statement, consumer, ids, count, is_new, error)
                               : fail(db, native, consumer, error);
    sqlite3_finalize(statement);
    return code;
}

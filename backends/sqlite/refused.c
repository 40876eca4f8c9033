/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/refused.c - see refused.h */
#include "refused.h"

#include <stdio.h>

#define RETRY_MIN_NS 5000000000u
#define RETRY_MAX_NS 60000000000u
#define LOG_EVERY_NS 60000000000u

/* ---- one statement ------------------------------------------------------------------------------------------- */

bool lite_is_row_failure(const struct lite_conn *conn)
{
    switch (sqlite3_errcode(conn->db) & 0xff) {
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
    case SQLITE_ERROR: /* an expression of a trigger: a missing table, malformed JSON */
        return true;
    default:
        return false;
    }
}

static int64_t count_remaining(struct lite_conn *conn, int64_t low, int64_t high)
{
    sqlite3_stmt *statement = conn->statements[STATEMENT_REMAINING];
    sqlite3_bind_int64(statement, 1, low);
    sqlite3_bind_int64(statement, 2, high);
    int64_t count = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
    sqlite3_reset(statement);
    return count;
}

/* SQLITE_DONE: the statement ran, and no row of the range remains. SQLITE_ROW: it ran, and rows remain. */
static int delete_range(struct lite_conn *conn, int64_t low, int64_t high)
{
    sqlite3_stmt *statement = conn->statements[STATEMENT_DELETE];
    int before = sqlite3_total_changes(conn->db);
    sqlite3_bind_int64(statement, 1, low);
    sqlite3_bind_int64(statement, 2, high);
    int code = sqlite3_step(statement);
    if (code != SQLITE_DONE)
        return code; /* not reset, so that the text of the error stays */
    int64_t removed = sqlite3_changes(conn->db), changed = sqlite3_total_changes(conn->db) - before;
    sqlite3_reset(statement);
    if (removed == changed && removed == high - low + 1)
        return SQLITE_DONE;
    return count_remaining(conn, low, high) == 0 ? SQLITE_DONE : SQLITE_ROW;
}

static void reset_delete(struct lite_conn *conn)
{
    sqlite3_reset(conn->statements[STATEMENT_DELETE]);
}

bool lite_remove_row(struct lite_conn *conn, int64_t id, char *why, size_t size)
{
    int code = delete_range(conn, id, id);
    if (code == SQLITE_ROW)
        snprintf(why, size, "it is still there after DELETE, which a trigger of the table has prevented");
    else if (code != SQLITE_DONE)
        snprintf(why, size, "%s", sqlite3_errmsg(conn->db));
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        reset_delete(conn);
    return code == SQLITE_DONE;
}

/* ---- recording ----------------------------------------------------------------------------------------------- */

uint64_t lite_refused_count(const struct lite_refused *refused)
{
    return obx_sql_ranges_size(&refused->ids);
}

uint32_t lite_refused_list(struct lite_refused *refused, const struct outbox_host *host)
{
    uint32_t count = 0, most = (uint32_t)lite_refused_count(refused);
    if (!obx_sql_grow(host, (void **)&refused->positions, &refused->room, most, sizeof *refused->positions))
        return 0;
    for (uint32_t i = 0; i < refused->ids.count; i++)
        for (int64_t id = refused->ids.items[i].lo; id <= refused->ids.items[i].hi; id++)
            refused->positions[count++] = (struct outbox_position){(uint64_t)id, 0};
    return count;
}

bool lite_refused_add(struct lite_refused *refused, struct lite_conn *conn, int64_t id, const char *why,
                      const char *what, struct outbox_error *error)
{
    uint64_t now = conn->host->now(conn->host);
    if (obx_sql_ranges_contain(&refused->ids, id))
        return true;
    snprintf(refused->reason, sizeof refused->reason, "row %lld: %.*s", (long long)id, OUTBOX_CUT(why, 150));
    if (lite_refused_count(refused) >= LITE_REFUSED_MAX) {
        outbox_error_set(
            error, OUTBOX_E_AGAIN,
            "%s %s: the database refuses to remove more than %d published rows, the last is %s; correct its "
            "triggers",
            what, conn->path, LITE_REFUSED_MAX, refused->reason);
        return false;
    }
    if (!refused->ids.count) {
        refused->pause_ns = RETRY_MIN_NS;
        refused->retry_at_ns = now + RETRY_MIN_NS;
    }
    if (obx_sql_ranges_add(conn->host, &refused->ids, id, id))
        return true;
    lite_fail_memory(conn, what, error);
    return false;
}

/* The other rows go: halve the range until the row is alone. */
enum lite_removal lite_remove(struct lite_refused *refused, struct lite_conn *conn, int64_t low, int64_t high,
                              const char *what, struct outbox_error *error)
{
    char why[160];
    int code = delete_range(conn, low, high);
    if (code == SQLITE_DONE)
        return LITE_REMOVED;
    if (code != SQLITE_ROW && !lite_is_row_failure(conn))
        lite_fail(conn, code, what, error);
    const char *cause = code == SQLITE_ROW ? "a trigger of the table keeps it" : sqlite3_errmsg(conn->db);
    snprintf(why, sizeof why, "%.*s", OUTBOX_CUT(cause, sizeof why - 1));
    reset_delete(conn);
    if (error->code)
        return LITE_REMOVE_FAILED;
    if (sqlite3_get_autocommit(conn->db))
        return LITE_ROLLED_BACK;
    if (low == high)
        return lite_refused_add(refused, conn, low, why, what, error) ? LITE_REMOVED : LITE_REMOVE_FAILED;
    int64_t middle = low + (high - low) / 2;
    enum lite_removal first = lite_remove(refused, conn, low, middle, what, error);
    return first == LITE_REMOVED ? lite_remove(refused, conn, middle + 1, high, what, error) : first;
}

/* ---- later --------------------------------------------------------------------------------------------------- */

bool lite_refused_is_due(const struct lite_refused *refused, uint64_t now)
{
    return refused->ids.count && now >= refused->retry_at_ns;
}

enum lite_removal lite_refused_retry(struct lite_refused *refused, struct lite_conn *conn)
{
    const struct outbox_host *host = conn->host;
    char why[160];
    refused->pause_ns = refused->pause_ns * 2 > RETRY_MAX_NS ? RETRY_MAX_NS : refused->pause_ns * 2;
    refused->retry_at_ns = host->now(host) + refused->pause_ns;
    obx_sql_ranges_clear(&refused->gone);
    for (uint32_t i = 0; i < refused->ids.count; i++) {
        for (int64_t id = refused->ids.items[i].lo; id <= refused->ids.items[i].hi; id++) {
            if (lite_remove_row(conn, id, why, sizeof why) && !obx_sql_ranges_add(host, &refused->gone, id, id))
                return LITE_REMOVE_FAILED;
            if (sqlite3_get_autocommit(conn->db))
                return LITE_ROLLED_BACK;
        }
    }
    return LITE_REMOVED;
}

bool lite_refused_retried(struct lite_refused *refused, const struct outbox_host *host)
{
    bool removed = true;
    for (uint32_t i = 0; i < refused->gone.count && removed; i++)
        removed = obx_sql_ranges_remove(host, &refused->ids, refused->gone.items[i].lo, refused->gone.items[i].hi);
    obx_sql_ranges_clear(&refused->gone);
    return removed;
}

void lite_refused_clear(struct lite_refused *refused)
{
    obx_sql_ranges_clear(&refused->ids);
    obx_sql_ranges_clear(&refused->gone);
    refused->log_at_ns = 0;
}

void lite_refused_fini(struct lite_refused *refused, const struct outbox_host *host)
{
    obx_sql_ranges_free(host, &refused->ids);
    obx_sql_ranges_free(host, &refused->gone);
    host->release(host, refused->positions);
}

void lite_refused_log(struct lite_refused *refused, const struct lite_conn *conn)
{
    uint64_t now = conn->host->now(conn->host);
    if (!refused->ids.count || now < refused->log_at_ns)
        return;
    refused->log_at_ns = now + LOG_EVERY_NS;
    conn->host->log(
        conn->host, OUTBOX_LOG_WARN,
        "outbox database %s: %llu published rows cannot be removed, the last is %s; correct the triggers of the "
        "table; the relay tries again every 60 s, and a restart publishes these rows again",
        conn->path, (unsigned long long)lite_refused_count(refused), refused->reason);
}

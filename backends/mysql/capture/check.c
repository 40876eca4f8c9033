/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/capture/check.c - what `outbox check` finds about a captured table and the server's binlog */
#include <stdlib.h>
#include <string.h>

#include "mysql/store.h"

static bool captures(const struct sql_request *request)
{
    return mys_captures(&mys_store_in(request->store)->capture);
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

/* A finding if the variable has another value. */
static const struct setting {
    const char *name, *value;
    bool only_innodb; /* matters only if the captured table is not BLACKHOLE */
    enum outbox_severity severity;
    const char *advice, *finding;
} settings[] = {
    {"log_bin", "ON", false, OUTBOX_SEVERITY_ERROR, "start the server with log_bin",
     "there is no binlog to capture events from"},
    {"gtid_mode", "ON", false, OUTBOX_SEVERITY_ERROR,
     "set enforce_gtid_consistency = ON, then gtid_mode = OFF_PERMISSIVE, ON_PERMISSIVE and ON, one after the other",
     "positions are GTIDs, and transactions have none"},
    {"sync_binlog", "1", false, OUTBOX_SEVERITY_WARNING, "set sync_binlog = 1",
     "a crash of the machine forgets transactions whose events were published"},
    {"binlog_format", "ROW", false, OUTBOX_SEVERITY_ERROR, "set binlog_format = ROW",
     "the log may have statements in place of rows, and their events are lost"},
    {"binlog_row_image", "FULL", true, OUTBOX_SEVERITY_ERROR,
     "set binlog_row_image = FULL, or use ENGINE = BLACKHOLE for the table",
     "columns that an INSERT does not name are not in the log: their events lack the default values"},
    {"binlog_row_metadata", "FULL", false, OUTBOX_SEVERITY_WARNING, "set binlog_row_metadata = FULL",
     "the log has no names of columns: events that were written before an ALTER TABLE may not be readable after it"},
};

bool mys_put_capture_settings(struct sql_request *request)
{
    obx_sql_text_puts(request->sql,
                      captures(request)
                          ? "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_bin', 'gtid_mode', 'sync_binlog', "
                            "'binlog_format', 'binlog_row_image', 'binlog_row_metadata', 'binlog_expire_logs_seconds')"
                          : "SELECT 1, 2 FROM DUAL WHERE 0");
    return true;
}

static void report_expiry(const struct sql_op *op, const char *value)
{
    enum { DAY_S = 86400 };
    long long seconds = strtoll(value, NULL, 10);
    if (!seconds)
        sql_check_report(op, OUTBOX_SEVERITY_OK, NULL, "the server deletes no file of its binlog by itself");
    else
        sql_check_report(op, seconds < DAY_S ? OUTBOX_SEVERITY_WARNING : OUTBOX_SEVERITY_OK,
                         seconds < DAY_S ? "raise binlog_expire_logs_seconds above the longest outage to survive"
                                         : NULL,
                         "the server deletes files of its binlog after %lld hours: events that the relay has not read "
                         "by then are lost",
                         seconds / 3600);
}

void mys_report_capture_settings(struct sql_op *op)
{
    bool blackhole = !strcmp(mys_store_in(op->store)->capture.engine, "BLACKHOLE");
    struct mys_row row;
    while (mys_captures(&mys_store_in(op->store)->capture) && mys_fetch(op->result, &row)) {
        const char *name = mys_text_of(&row, 0), *value = mys_text_of(&row, 1);
        if (name && value && !strcmp(name, "binlog_expire_logs_seconds"))
            report_expiry(op, value);
        for (unsigned i = 0; name && value && i < sizeof settings / sizeof *settings; i++) {
            const struct setting *s = &settings[i];
            if (!strcmp(s->name, name) && strcmp(s->value, value) != 0 && !(s->only_innodb && blackhole))
                sql_check_report(op, s->severity, s->advice, "%s is %s: %s", name, value, s->finding);
        }
    }
}

/* ---- the captured table ------------------------------------------------------------------------------------------ */

enum { C_BLACKHOLE, C_HIDERS, C_PREPARED };

/* Accounts that may set sql_log_bin = 0; this user may see its own only. */
static const char hiders[] = "(SELECT GROUP_CONCAT(DISTINCT grantee SEPARATOR ', ') FROM "
                             "information_schema.user_privileges WHERE privilege_type "
                             "IN ('SUPER', 'BINLOG ADMIN', 'SYSTEM_VARIABLES_ADMIN', 'SESSION_VARIABLES_ADMIN'))";

bool mys_put_capture_table(struct sql_request *request)
{
    obx_sql_text_format(
        request->sql,
        "SELECT (SELECT COUNT(*) FROM information_schema.engines WHERE engine = 'BLACKHOLE' AND support "
        "IN ('YES', 'DEFAULT')), %s",
        captures(request) ? hiders : "NULL");
    return true;
}

static void report_engine(const struct sql_op *op, bool has_blackhole)
{
    const struct mys_capture *capture = &mys_store_in(op->store)->capture;
    const char *schema = op->store->table.schema, *name = capture->table.name;
    struct sql_cure cure = sql_cure(op, NULL);
    if (!strcmp(capture->engine, "BLACKHOLE")) {
        sql_check_report(op, OUTBOX_SEVERITY_OK, NULL, "table %s.%s is BLACKHOLE: events are in the binlog only",
                         schema, name);
    } else if (!strcmp(capture->engine, "InnoDB")) {
        obx_sql_text_format(&cure.command, "ALTER TABLE %n.%n ENGINE = BLACKHOLE;", schema, name);
        sql_check_find(op, OUTBOX_SEVERITY_WARNING, has_blackhole ? &cure : NULL,
                       "table %s.%s is InnoDB: the relay removes nothing from it, so something else must", schema,
                       name);
    } else if (!*capture->engine) {
        sql_check_report(op, OUTBOX_SEVERITY_ERROR,
                         has_blackhole ? "run 'outbox init'"
                                       : "install the engine: in MariaDB, INSTALL SONAME 'ha_blackhole'",
                         "table %s.%s does not exist%s", schema, name,
                         has_blackhole ? "" : ", and the server has no engine BLACKHOLE");
    }
    sql_cure_free(&cure);
}

void mys_report_capture_table(struct sql_op *op)
{
    struct mys_row row;
    if (!mys_captures(&mys_store_in(op->store)->capture) || !mys_first(op->result, &row))
        return;
    const char *who = mys_text_of(&row, C_HIDERS);
    report_engine(op, mys_integer_of(&row, C_BLACKHOLE, 0) > 0);
    if (who)
        sql_check_report(op, OUTBOX_SEVERITY_OK, "let no application log in as such an account",
                         "sessions of %.*s may set sql_log_bin = 0: events that they insert then are never relayed",
                         OUTBOX_CUT(who, 300));
}

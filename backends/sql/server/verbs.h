/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/verbs.h - administration: setup, print, status, check, add, dead */
#ifndef OBX_BACKENDS_SQL_SERVER_VERBS_H
#define OBX_BACKENDS_SQL_SERVER_VERBS_H

#include "sql/server/op.h"

void sql_setup(void *self, outbox_op_t id);
int sql_print(void *self, enum outbox_print what, void (*line)(void *arg, const char *text), void *arg,
              struct outbox_error *error);
void sql_setup_inbox(void *self, outbox_op_t id);
/* what: one of OUTBOX_PRINT_INBOX_... */
void sql_append_inbox(const struct sql_store *store, struct obx_sql_text *sql, enum outbox_print what);
void sql_status(void *self, outbox_op_t id, struct outbox_store_status *status);
void sql_check(void *self, outbox_op_t id, const struct outbox_check *check);
void sql_add(void *self, outbox_op_t id, const struct outbox_add *add);
void sql_dead(void *self, outbox_op_t id, struct outbox_dead *dead);

/* ---- probes.c: questions, one after the other -------------------------------------------------------------------- */

/* All of the table, then then(). A failure ends the operation. */
void sql_probes_run(struct sql_op *op, const struct sql_probe *probes, void (*then)(struct sql_op *op));
/* refused(): a table that is not there, or not this user's to read, is no failure. */
bool sql_probe_is_optional(struct sql_op *op, const struct outbox_error *error);

/* ---- for status probes: pending rows and the time of the oldest; then the owner, which the server reads; and dead
 * letters */

enum { SQL_STATUS_PENDING, SQL_STATUS_OLDEST_US, SQL_STATUS_OWNER };
bool sql_put_status(struct sql_request *request);
struct outbox_store_status *sql_report_status(struct sql_op *op,
                                              struct sql_row *row); /* row: the first of the result */
bool sql_put_dead_count(struct sql_request *request);
void sql_report_dead_count(struct sql_op *op);

/* ---- for check probes -------------------------------------------------------------------------------------------- */

/* What to do about a finding. command: a statement that works when it is pasted; empty: none. */
struct sql_cure {
    const char *advice; /* may be NULL */
    struct obx_sql_text command;
    int code; /* the cause of an error; 0: OUTBOX_E_CONFIG */
};
struct sql_cure sql_cure(const struct sql_op *op, const char *advice); /* append to its command, then free it */
void sql_cure_free(struct sql_cure *cure);
void sql_check_find(const struct sql_op *op, enum outbox_severity severity, const struct sql_cure *cure,
                    const char *format, ...) OUTBOX_PRINTF(4, 5);
/* A finding without a command. advice may be NULL. */
void sql_check_report(const struct sql_op *op, enum outbox_severity severity, const char *advice, const char *format,
                      ...) OUTBOX_PRINTF(4, 5);
/* What the dead letters cannot keep of the outbox's columns. */
bool sql_put_dead_columns(struct sql_request *request);
void sql_report_dead_columns(struct sql_op *op);
/* refused(): the server's text is a finding, an error with advice. */
bool sql_check_refused(struct sql_op *op, const struct outbox_error *error);
/* refused(): there is no dead-letter table, or it may not be written. */
bool sql_check_no_dead(struct sql_op *op, const struct outbox_error *error);
/* Findings that every server makes. */
/* report(): each row of the result is a finding: severity (enum outbox_severity, or SQL_DENIED: an error for want of a
 * permission), reason, advice, command; the last two may be null. A statement that makes them names the objects itself,
 * and quotes them for the command. */
enum { SQL_DENIED = OUTBOX_SEVERITY_ERROR + 1 };
void sql_report_findings(struct sql_op *op);
void sql_report_removal_findings(struct sql_op *op); /* they concern removals: one is tried later */
void sql_note_removal_facts(struct sql_op *op);      /* of the same result, without findings */
enum { SQL_TRIAL_ROWS = 100 };
/* " WHERE ... ORDER BY ... LIMIT ...": the rows that a trial is about. */
void sql_append_trial_rows(const struct sql_op *op, struct obx_sql_text *sql);
bool sql_put_low_count(struct sql_request *request); /* a probe of rows that have ids below 1 */
void sql_report_low_count(struct sql_op *op);
bool sql_low_count_refused(struct sql_op *op, const struct outbox_error *error);
int64_t sql_check_number(const struct sql_op *op, unsigned column, int64_t default_value); /* of the first row */

/* ---- for the statements of dead letters -------------------------------------------------------------------------- */

static inline struct outbox_dead *sql_dead_of(const struct sql_op *op)
{
    return op->out;
}
/* " WHERE number ...": the letters of the action, above op->cursor. */
void sql_append_which(const struct sql_op *op, struct obx_sql_text *sql);
/* "INSERT INTO outbox (a, b) SELECT a, b" with the values of a dead letter, or the one that is set; FROM is the
 * server's. */
void sql_append_replay(const struct sql_op *op, struct obx_sql_text *sql);
/* A request that drops or replays: `affected` of the request is what the verb gives. */
void sql_dead_move(struct sql_op *op, bool (*put)(struct sql_request *request));

#endif

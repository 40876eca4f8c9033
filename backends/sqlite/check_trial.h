/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/check_trial.h - the operation `check`, its findings, and its trials of the first rows. Worker */
#ifndef OBX_BACKENDS_SQLITE_CHECK_TRIAL_H
#define OBX_BACKENDS_SQLITE_CHECK_TRIAL_H

#include "check_rows.h"
#include "prepare.h"

#define LITE_CHECKING "check outbox database"

struct lite_finding {
    enum outbox_severity severity;
    char text[320];
    const char *advice; /* a literal, or NULL */
    char *command;      /* of sqlite3_mprintf(), owned; NULL: none */
};

struct lite_check_op {
    struct lite_op op;
    const struct outbox_check *args;
    struct lite_finding *findings; /* owned */
    uint32_t count;
    struct lite_check_rows rows;
};
LITE_OP_FITS(struct lite_check_op);

/* NULL: there are too many. */
struct lite_finding *lite_check_find(struct lite_check_op *check, enum outbox_severity severity, const char *advice,
                                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* A finding for each of the first rows that cannot be read. */
void lite_try_reading(struct lite_check_op *check, struct lite_conn *conn);
/* A finding that names those of the first rows that cannot be removed. Changes nothing. */
void lite_try_removal(struct lite_check_op *check, struct lite_conn *conn);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/lifecycle.h - a store as the host sees it; for plugin.c of each server
 *
 * SQL_STORE_OPS fills a struct outbox_store_ops but for init() and fini(), which call the two functions below.
 */
#ifndef OBX_BACKENDS_SQL_SERVER_LIFECYCLE_H
#define OBX_BACKENDS_SQL_SERVER_LIFECYCLE_H

#include "sql/capture/capture.h"
#include "sql/server/claim.h"
#include "sql/server/owner.h"
#include "sql/server/settle.h"
#include "sql/server/start.h"
#include "sql/server/table.h"
#include "sql/server/verbs.h"

/* The lanes stay in place. Errors: CONFIG. */
int sql_store_init(struct sql_store *store, const struct sql_driver *driver, struct sql_lane *owner,
                   struct sql_lane *reader, const struct outbox_init *init, struct outbox_error *error);
void sql_store_fini(struct sql_store *store); /* after an init that failed, too */
void sql_stop(void *self, outbox_op_t op);
void sql_cancel(void *self, outbox_op_t op);

#define SQL_STORE_OPS                                                                                             \
    .struct_size = sizeof(struct outbox_store_ops), .start = sql_start, .stop = sql_stop, .cancel = sql_cancel,   \
    .acquire = sql_acquire, .renew = sql_renew, .claim = sql_claim, .release = sql_release, .settle = sql_settle, \
    .dead_letter = sql_dead_letter, .setup = sql_setup, .setup_inbox = sql_setup_inbox, .print = sql_print,       \
    .check = sql_check, .status = sql_status, .add = sql_add, .dead = sql_dead, .spool = sql_spool,               \
    .survey = sql_survey

/* What the descriptors of all these plugins have. */
#define SQL_PLUGIN(store, table)                                                                               \
    .abi_major = OUTBOX_ABI_MAJOR, .struct_size = sizeof(struct outbox_plugin), .kind = OUTBOX_STORE,          \
    .option_size = sizeof(struct outbox_option),                                                               \
    .caps = OUTBOX_CAP_WAKE | OUTBOX_CAP_DEAD_LETTERS | OUTBOX_CAP_ADMIN | OUTBOX_CAP_INBOX | OUTBOX_CAP_LOG | \
            OUTBOX_CAP_DEAD_SET | OUTBOX_CAP_AHEAD,                                                            \
    .instance_size = sizeof(store), .op_size = sizeof(struct sql_op), .options = (table),                      \
    .option_count = sizeof(table) / sizeof *(table)

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/claim_rows.h - the op of a claim, and reading rows into its batch; READ lane
 *
 * Both functions stop at the limits of the claim and then set `more`. Errors go to op.error.
 */
#ifndef OBX_BACKENDS_SQLITE_CLAIM_ROWS_H
#define OBX_BACKENDS_SQLITE_CLAIM_ROWS_H

#include "store.h"

#define LITE_CLAIMING "claim rows from"

struct lite_claim_op {
    struct lite_op op;
    struct outbox_claim *args;
    struct lite_batch *batch;      /* owned until finish() hands it to the host */
    struct obx_sql_ranges strays;  /* owned: the ids that a stray scan leaves out; no items: no scan this time */
    struct obx_sql_ranges refused; /* owned: the ids that the database refuses to remove */
    int64_t from;                  /* read on after this id */
    int64_t ahead;                 /* of OUTBOX_CLAIM_MEASURE */
    bool more;                     /* there is probably more to claim */
};
LITE_OP_FITS(struct lite_claim_op);

/* The rows from low to high that are in no range of `except`. */
void lite_claim_around(struct lite_claim_op *claim, struct lite_conn *conn, int64_t low, int64_t high,
                       const struct obx_sql_ranges *except);
void lite_claim_range(struct lite_claim_op *claim, struct lite_conn *conn, int64_t low, int64_t high);
/* A retry: just the rows of args->positions that still exist. */
void lite_claim_positions(struct lite_claim_op *claim, struct lite_conn *conn);

/* Loop thread, while no op of the WRITE lane runs: claims leave out the rows that are in `refused` now. False: no
 * memory, and a rewind may publish them again. */
bool lite_claim_leave_out_refused(struct lite_store *store);

#endif

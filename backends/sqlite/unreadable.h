/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/unreadable.h - a row whose content cannot be read
 *
 * A virtual column whose expression raises, or a damaged value, fails the statement of a claim when it comes to that
 * row. The rows before it are claimed as ever. The row itself comes alone in a batch, without the values that fail, and
 * with the reason: the host rejects it. READ lane.
 *
 * Failure modes: if nothing of the row fails by itself, the claim fails as it would have.
 */
#ifndef OBX_BACKENDS_SQLITE_UNREADABLE_H
#define OBX_BACKENDS_SQLITE_UNREADABLE_H

#include "claim_rows.h"

/* May the content of the row be the reason of this result code? */
bool lite_may_be_content(int code);
/* Adds the first row from low to high to the empty batch of the claim. False: it is not the content of that row. */
bool lite_claim_unreadable(struct lite_claim_op *claim, struct lite_conn *conn, int64_t low, int64_t high);

#endif

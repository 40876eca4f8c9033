/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/gaps/claim_budget.h - how many rows a claim requests, and how large each of them may be
 *
 * Memory must stay bounded, and the size of a row is unknown until it is read. So each row has an equal part of the
 * bytes that the claim allows, and a larger row ends the batch before it. If it comes first, the claim must be made
 * again. Postgres has a statement that counts all rows together for that. Other servers claim fewer rows, down to one,
 * which may have any size; after some claims without such a row, more again.
 */
#ifndef OBX_BACKENDS_SQL_GAPS_CLAIM_BUDGET_H
#define OBX_BACKENDS_SQL_GAPS_CLAIM_BUDGET_H

#include <outbox/plugin.h>

/* Rows of a whole claim; INT64_MAX: no limit. */
uint64_t obx_sql_claim_budget_bytes(const struct outbox_claim *claim);
/* Bytes of one row among so many; INT64_MAX: no limit. */
int64_t obx_sql_claim_budget_per_row(uint64_t bytes, uint32_t rows);

struct obx_sql_claim_budget {
    uint32_t row_limit;             /* of a claim, after an oversize row; 0: no such limit */
    uint32_t claims_since_oversize; /* claims since then without an oversize row */
};

uint32_t obx_sql_claim_budget_rows(const struct obx_sql_claim_budget *budget, const struct outbox_claim *claim);
/* Records a claim for so many bytes. oversize: bytes of the row that ended the batch; 0: there was none. */
void obx_sql_claim_budget_learn(struct obx_sql_claim_budget *budget, const struct outbox_claim *claim, uint64_t bytes,
                                uint64_t oversize);

#endif

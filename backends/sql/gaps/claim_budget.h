/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/gaps/claim_budget.h - how many rows a claim asks for, and how large each of them may be
 *
 * Memory must stay bounded, and how large rows are is known when they have been read. So each row has a share of the
 * bytes that the claim allows, and a row that is larger ends the batch before it. If it comes first, the claim must be
 * made again. Postgres has a statement that counts all rows together for that. Where there is none, the claim is made
 * for fewer rows, down to one, which is given whatever its size is; after some claims that met no large row, for more.
 */
#ifndef OBX_BACKENDS_SQL_GAPS_CLAIM_BUDGET_H
#define OBX_BACKENDS_SQL_GAPS_CLAIM_BUDGET_H

#include <outbox/plugin.h>

/* Of a whole claim; INT64_MAX: as many as there are. */
uint64_t obx_sql_claim_budget_bytes(const struct outbox_claim *claim);
/* Of one row among so many; INT64_MAX: as it likes. */
int64_t obx_sql_claim_budget_share(uint64_t bytes, uint32_t rows);

struct obx_sql_claim_budget {
    uint32_t few;    /* after a large row: no more rows than this in a claim; 0: no such limit */
    uint32_t fitted; /* claims since then that met none */
};

uint32_t obx_sql_claim_budget_rows(const struct obx_sql_claim_budget *portion, const struct outbox_claim *claim);
/* What a claim for so many bytes met: a row of `large` bytes, which ended the batch, or 0: none. */
void obx_sql_claim_budget_learn(struct obx_sql_claim_budget *portion, const struct outbox_claim *claim, uint64_t bytes,
                                uint64_t large);

#endif

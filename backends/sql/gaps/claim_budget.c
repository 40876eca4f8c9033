/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/gaps/claim_budget.c - fewer rows at once after large ones */
#include "sql/gaps/claim_budget.h"

enum { SHARE_MIN = 1024, GROW_AFTER = 16 };

uint64_t obx_sql_claim_budget_bytes(const struct outbox_claim *claim)
{
    return claim->max_bytes && claim->max_bytes < INT64_MAX ? claim->max_bytes : INT64_MAX;
}

int64_t obx_sql_claim_budget_per_row(uint64_t bytes, uint32_t rows)
{
    if (bytes >= INT64_MAX)
        return INT64_MAX;
    return bytes / rows < SHARE_MIN ? SHARE_MIN : (int64_t)(bytes / rows);
}

uint32_t obx_sql_claim_budget_rows(const struct obx_sql_claim_budget *budget, const struct outbox_claim *claim)
{
    if (claim->positions)
        return claim->position_count;
    return budget->row_limit && budget->row_limit < claim->max_rows ? budget->row_limit : claim->max_rows;
}

void obx_sql_claim_budget_learn(struct obx_sql_claim_budget *budget, const struct outbox_claim *claim, uint64_t bytes,
                                uint64_t oversize)
{
    uint64_t fit = oversize ? bytes / oversize : 0;
    if (claim->positions)
        return;
    if (oversize) {
        budget->row_limit = fit < 1 ? 1 : fit < claim->max_rows ? (uint32_t)fit : claim->max_rows;
        budget->claims_since_oversize = 0;
    } else if (budget->row_limit && ++budget->claims_since_oversize % GROW_AFTER == 0) {
        budget->row_limit = budget->row_limit * 2 < claim->max_rows ? budget->row_limit * 2 : 0;
    }
}

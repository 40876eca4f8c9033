/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/gaps/claim_budget.c - fewer rows at once after large ones */
#include "sql/gaps/claim_budget.h"

enum { SHARE_MIN = 1024, GROW_AFTER = 16 };

uint64_t obx_sql_claim_budget_bytes(const struct outbox_claim *claim)
{
    return claim->max_bytes && claim->max_bytes < INT64_MAX ? claim->max_bytes : INT64_MAX;
}

int64_t obx_sql_claim_budget_share(uint64_t bytes, uint32_t rows)
{
    if (bytes >= INT64_MAX)
        return INT64_MAX;
    return bytes / rows < SHARE_MIN ? SHARE_MIN : (int64_t)(bytes / rows);
}

uint32_t obx_sql_claim_budget_rows(const struct obx_sql_claim_budget *portion, const struct outbox_claim *claim)
{
    if (claim->positions)
        return claim->position_count;
    return portion->few && portion->few < claim->max_rows ? portion->few : claim->max_rows;
}

void obx_sql_claim_budget_learn(struct obx_sql_claim_budget *portion, const struct outbox_claim *claim, uint64_t bytes,
                                uint64_t large)
{
    uint64_t fit = large ? bytes / large : 0;
    if (claim->positions)
        return;
    if (large) {
        portion->few = fit < 1 ? 1 : fit < claim->max_rows ? (uint32_t)fit : claim->max_rows;
        portion->fitted = 0;
    } else if (portion->few && ++portion->fitted % GROW_AFTER == 0) {
        portion->few = portion->few * 2 < claim->max_rows ? portion->few * 2 : 0;
    }
}

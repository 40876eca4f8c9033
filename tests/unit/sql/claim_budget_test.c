/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/sql/claim_budget_test.c - large rows lower the row limit of the next claims; small rows raise it again */
#include <criterion/criterion.h>

#include "sql/gaps/claim_budget.h"

static const struct outbox_claim claim = {.max_rows = 1000, .max_bytes = 8000000};

static void fits(struct obx_sql_claim_budget *budget, int claims)
{
    while (claims--)
        obx_sql_claim_budget_learn(budget, &claim, claim.max_bytes, 0);
}

Test(claim_budget, per_row_bytes_divide_the_limit_and_have_a_minimum)
{
    cr_assert_eq(obx_sql_claim_budget_per_row(obx_sql_claim_budget_bytes(&claim), claim.max_rows), 8000);
    cr_assert_eq(obx_sql_claim_budget_per_row(8000000, 1000000), 1024);
    cr_assert_eq(obx_sql_claim_budget_per_row(8000000, 1), 8000000);
}

Test(claim_budget, claim_without_a_byte_limit_has_no_per_row_limit)
{
    struct outbox_claim free = {.max_rows = 1000};
    cr_assert_eq(obx_sql_claim_budget_bytes(&free), INT64_MAX);
    free.max_bytes = UINT64_MAX;
    cr_assert_eq(obx_sql_claim_budget_bytes(&free), INT64_MAX);
    cr_assert_eq(obx_sql_claim_budget_per_row(INT64_MAX, 1000), INT64_MAX);
}

Test(claim_budget, large_row_lowers_the_row_limit)
{
    struct obx_sql_claim_budget budget = {0};
    cr_assert_eq(obx_sql_claim_budget_rows(&budget, &claim), 1000);
    obx_sql_claim_budget_learn(&budget, &claim, claim.max_bytes, 2000000);
    cr_assert_eq(obx_sql_claim_budget_rows(&budget, &claim), 4);
    obx_sql_claim_budget_learn(&budget, &claim, claim.max_bytes, 100000000);
    cr_assert_eq(obx_sql_claim_budget_rows(&budget, &claim), 1, "a row above the byte limit is claimed alone");
    obx_sql_claim_budget_learn(&budget, &claim, claim.max_bytes, 8001);
    cr_assert_eq(obx_sql_claim_budget_rows(&budget, &claim), 999);
}

Test(claim_budget, row_limit_grows_back_in_steps)
{
    struct obx_sql_claim_budget budget = {0};
    obx_sql_claim_budget_learn(&budget, &claim, claim.max_bytes, 20000000);
    fits(&budget, 15);
    cr_assert_eq(obx_sql_claim_budget_rows(&budget, &claim), 1);
    fits(&budget, 1);
    cr_assert_eq(obx_sql_claim_budget_rows(&budget, &claim), 2);
    obx_sql_claim_budget_learn(&budget, &claim, claim.max_bytes, 4000000);
    fits(&budget, 15);
    cr_assert_eq(obx_sql_claim_budget_rows(&budget, &claim), 2, "a large row restarts the count");
    fits(&budget, 16 * 7 + 1);
    cr_assert_eq(obx_sql_claim_budget_rows(&budget, &claim), 512);
    fits(&budget, 16);
    cr_assert_eq(obx_sql_claim_budget_rows(&budget, &claim), 1000);
    cr_assert_eq(budget.row_limit, 0, "no limit of its own");
}

Test(claim_budget, retry_by_position_ignores_the_row_limit)
{
    static const struct outbox_position positions[7] = {{0}};
    const struct outbox_claim retry = {
        .max_rows = 1000, .max_bytes = 1000, .positions = positions, .position_count = 7};
    struct obx_sql_claim_budget budget = {.row_limit = 2};
    cr_assert_eq(obx_sql_claim_budget_rows(&budget, &retry), 7);
    obx_sql_claim_budget_learn(&budget, &retry, 1000, 2000);
    cr_assert_eq(budget.row_limit, 2);
}

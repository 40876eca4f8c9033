/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/sql/portion_test.c - fewer rows at once after large ones, more again when there were none for a while */
#include <criterion/criterion.h>

#include "sql/gaps/claim_budget.h"

static const struct outbox_claim claim = {.max_rows = 1000, .max_bytes = 8000000};

static void fits(struct obx_sql_claim_budget *portion, int claims)
{
    while (claims--)
        obx_sql_claim_budget_learn(portion, &claim, claim.max_bytes, 0);
}

Test(portion, each_row_has_its_share_of_the_bytes_and_never_less_than_a_small_row_needs)
{
    cr_assert_eq(obx_sql_claim_budget_per_row(obx_sql_claim_budget_bytes(&claim), claim.max_rows), 8000);
    cr_assert_eq(obx_sql_claim_budget_per_row(8000000, 1000000), 1024);
    cr_assert_eq(obx_sql_claim_budget_per_row(8000000, 1), 8000000);
}

Test(portion, a_claim_without_a_limit_has_none_for_its_rows)
{
    struct outbox_claim free = {.max_rows = 1000};
    cr_assert_eq(obx_sql_claim_budget_bytes(&free), INT64_MAX);
    free.max_bytes = UINT64_MAX;
    cr_assert_eq(obx_sql_claim_budget_bytes(&free), INT64_MAX);
    cr_assert_eq(obx_sql_claim_budget_per_row(INT64_MAX, 1000), INT64_MAX);
}

Test(portion, after_a_large_row_as_many_are_claimed_as_such_rows_fit)
{
    struct obx_sql_claim_budget portion = {0};
    cr_assert_eq(obx_sql_claim_budget_rows(&portion, &claim), 1000);
    obx_sql_claim_budget_learn(&portion, &claim, claim.max_bytes, 2000000);
    cr_assert_eq(obx_sql_claim_budget_rows(&portion, &claim), 4);
    obx_sql_claim_budget_learn(&portion, &claim, claim.max_bytes, 100000000);
    cr_assert_eq(obx_sql_claim_budget_rows(&portion, &claim), 1, "it is given alone");
    obx_sql_claim_budget_learn(&portion, &claim, claim.max_bytes, 8001);
    cr_assert_eq(obx_sql_claim_budget_rows(&portion, &claim), 999);
}

Test(portion, grows_again_slowly_up_to_what_was_asked_for)
{
    struct obx_sql_claim_budget portion = {0};
    obx_sql_claim_budget_learn(&portion, &claim, claim.max_bytes, 20000000);
    fits(&portion, 15);
    cr_assert_eq(obx_sql_claim_budget_rows(&portion, &claim), 1);
    fits(&portion, 1);
    cr_assert_eq(obx_sql_claim_budget_rows(&portion, &claim), 2);
    obx_sql_claim_budget_learn(&portion, &claim, claim.max_bytes, 4000000);
    fits(&portion, 15);
    cr_assert_eq(obx_sql_claim_budget_rows(&portion, &claim), 2, "a large row begins the count anew");
    fits(&portion, 16 * 7 + 1);
    cr_assert_eq(obx_sql_claim_budget_rows(&portion, &claim), 512);
    fits(&portion, 16);
    cr_assert_eq(obx_sql_claim_budget_rows(&portion, &claim), 1000);
    cr_assert_eq(portion.row_limit, 0, "no limit of its own");
}

Test(portion, rows_that_are_named_are_claimed_all_together_and_teach_nothing)
{
    static const struct outbox_position named[7] = {{0}};
    const struct outbox_claim exact = {.max_rows = 1000, .max_bytes = 1000, .positions = named, .position_count = 7};
    struct obx_sql_claim_budget portion = {.row_limit = 2};
    cr_assert_eq(obx_sql_claim_budget_rows(&portion, &exact), 7);
    obx_sql_claim_budget_learn(&portion, &exact, 1000, 2000);
    cr_assert_eq(portion.row_limit, 2);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/settle_test.c - a settle of many bytes goes as several transactions; all rows go */
#include "fixture.h"

static int64_t commits(struct sql_fixture *fixture)
{
    return fixture_run(fixture, "SHOW GLOBAL STATUS LIKE 'Com_commit'");
}

/* Claim all rows and settle them. Returns the number of transactions. */
static int64_t settle_all(struct sql_fixture *fixture, uint32_t rows)
{
    struct outbox_batch *batch = fixture_claim_batch(fixture, rows, 64 << 20);
    cr_assert_not_null(batch);
    cr_assert_eq(batch->rows, rows);
    int64_t before = commits(fixture);
    fixture_settle_all(fixture, batch);
    return commits(fixture) - before;
}

Test(settle, large_rows_are_settled_in_several_transactions)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "large_pieces", true, "");
    fixture_insert_large(&fixture, 120, 100);
    fixture_run(&fixture, "DELETE FROM %s WHERE id IN (5, 17)"); /* some id ranges fit whole, one does not */
    fixture_begin(&fixture);
    int64_t transactions = settle_all(&fixture, 118);
    cr_assert(transactions >= 3 && transactions <= 4, "%lld transactions", (long long)transactions);
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    fixture_close(&fixture);
}

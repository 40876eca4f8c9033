/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/replaced_table_test.c - a claim returns no rows of a table that replaced the outbox */
#include "fixture.h"

Test(replaced_table, claim_returns_no_row_of_the_new_table)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "swapped_claim", true, "");
    fixture_begin(&fixture);
    fixture_run(&fixture,
                "BEGIN; ALTER TABLE %s RENAME TO %s_old; CREATE TABLE %s (LIKE %s_old INCLUDING ALL); COMMIT");
    fixture_insert(&fixture, fixture.sql, "new");
    cr_assert_eq(fixture_claim(&fixture, 0, 10), OUTBOX_E_FENCED, "%s", fixture.error.text);
    cr_assert_str_eq(fixture.error.text, "table public.swapped_claim is another one than when this relay became its "
                                         "owner: it was renamed or replaced; the relay restarts");
    fixture_close(&fixture);
}

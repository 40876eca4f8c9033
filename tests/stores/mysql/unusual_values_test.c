/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/unusual_values_test.c - unusual settings of the server and unusual ids */
#include "fixture.h"

#include <string.h>

Test(unusual_values, sql_select_limit_does_not_limit_claims)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "few_rows", true, "");
    session_run(fixture.sql, "SET GLOBAL sql_select_limit = 2, GLOBAL max_join_size = 1");
    fixture_begin(&fixture);
    session_run(fixture.sql, "SET GLOBAL sql_select_limit = DEFAULT, GLOBAL max_join_size = DEFAULT");
    for (int i = 0; i < 5; i++)
        fixture_insert(&fixture, fixture.sql, "a");
    fixture_expect_rows(&fixture, IDS(1, 2, 3, 4, 5));
    fixture_close(&fixture);
}

Test(unusual_values, id_above_the_position_range_is_an_error_after_lower_rows)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "high", true, "");
    fixture_run(&fixture, "INSERT INTO %s (id, aggregatetype, aggregateid, type) VALUES (7, 'o', 'a', 't'), "
                          "(9223372036854775807, 'o', 'a', 't'), (9223372036854775808, 'o', 'a', 't')");
    fixture_begin(&fixture);
    fixture_settle_all(&fixture, fixture_claim_batch(&fixture, 10, 1 << 20));
    cr_assert_eq(fixture_claim(&fixture, 0, 10), OUTBOX_E_SCHEMA, "%s", fixture.error.text);
    cr_assert_not_null(strstr(fixture.error.text, ": an id is above 9223372036854775807, "), "%s", fixture.error.text);
    cr_assert_eq(fixture_count_rows(&fixture), 1);
    fixture_close(&fixture);
}

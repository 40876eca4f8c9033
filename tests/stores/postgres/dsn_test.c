/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/dsn_test.c - what of a dsn the store takes as it is, and what it tells that it does not */
#include "fixture.h"

static void open_with(struct sql_fixture *fixture, const char *table, const char *more)
{
    fixture_open(fixture, table, true, "");
    fixture_reconfigure(fixture, &(struct server_place){.more = more}, "");
    fixture_begin(fixture);
}

Test(dsn, an_option_that_has_no_effect_is_told)
{
    static const char finding[] = "client_encoding in the dsn has no effect: the relay takes all texts as UTF-8";
    struct sql_fixture fixture;
    open_with(&fixture, "dsn_latin", "client_encoding=LATIN1");
    struct fixture_findings told = fixture_check(&fixture, finding);
    cr_assert(told.count == 1 && told.level == OUTBOX_LOG_WARN && told.advised);
    fixture_stop(&fixture);
    fixture_reconfigure(&fixture, &(struct server_place){.more = "client_encoding=utf8"}, "");
    fixture_begin(&fixture);
    cr_assert_eq(fixture_check(&fixture, "has no effect").count, 0);
    fixture_close(&fixture);
}

Test(dsn, the_primary_is_taken_whether_it_is_asked_for_or_not)
{
    static const char *const wishes[] = {"", "target_session_attrs=any", "target_session_attrs=primary",
                                         "target_session_attrs=read-write"};
    struct sql_fixture fixture;
    fixture_open(&fixture, "dsn_primary", true, "");
    for (size_t i = 0; i < OBX_COUNT(wishes); i++) {
        fixture_reconfigure(&fixture, &(struct server_place){.more = wishes[i]}, "");
        fixture_begin(&fixture);
        fixture_stop(&fixture);
    }
    fixture_close(&fixture);
}

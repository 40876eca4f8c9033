/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/dsn_test.c - the options of a dsn that the store uses, and a report of those that it ignores */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "../../../backends/postgres/target.h"

static void open_with(struct sql_fixture *fixture, const char *table, const char *more)
{
    fixture_open(fixture, table, true, "");
    fixture_reconfigure(fixture, &(struct server_place){.more = more}, "");
    fixture_begin(fixture);
}

Test(dsn, ignored_option_is_reported)
{
    static const char finding[] = "client_encoding in the dsn has no effect: the relay takes all texts as UTF-8";
    struct sql_fixture fixture;
    open_with(&fixture, "dsn_latin", "client_encoding=LATIN1");
    struct fixture_findings ignored = fixture_check(&fixture, finding);
    cr_assert(ignored.count == 1 && ignored.severity == OUTBOX_SEVERITY_WARNING && ignored.advised);
    fixture_stop(&fixture);
    fixture_reconfigure(&fixture, &(struct server_place){.more = "client_encoding=utf8"}, "");
    fixture_begin(&fixture);
    cr_assert_eq(fixture_check(&fixture, "has no effect").count, 0);
    fixture_close(&fixture);
}

Test(dsn, primary_is_accepted_for_each_target_session_attrs)
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

/* ---- application_name -------------------------------------------------------------------------------------------- */

static int64_t count_named(struct sql_fixture *fixture, const char *name)
{
    char sql[160];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%s'", name);
    return fixture_run(fixture, sql);
}

Test(dsn, application_name_names_the_connections)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "dsn_name", true, "  application_name: shop relay\n");
    fixture_begin(&fixture);
    cr_assert_eq(count_named(&fixture, "shop relay"), 2);
    cr_assert_eq(count_named(&fixture, "outbox test@%:%"), 0);
    fixture_close(&fixture);
}

Test(dsn, connections_are_named_after_the_relay_by_default)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "dsn_name_relay", true, "");
    fixture_begin(&fixture);
    cr_assert_eq(count_named(&fixture, "outbox test@%:%"), 2);
    fixture_close(&fixture);
}

Test(dsn, application_name_in_the_dsn_is_kept)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "dsn_name_kept", true, "");
    fixture_reconfigure(&fixture, &(struct server_place){.more = "application_name=mine"},
                        "  application_name: shop relay\n");
    fixture_begin(&fixture);
    cr_assert_eq(count_named(&fixture, "mine"), 2);
    fixture_close(&fixture);
}

/* ---- where the password goes ------------------------------------------------------------------------------------- */

static const char *sslmode_of(const struct pg_target *target)
{
    for (unsigned i = 0; target->keywords[i]; i++)
        if (!strcmp(target->keywords[i], "sslmode"))
            return target->values[i];
    return "";
}

static void expect_security(const char *dsn, const char *sslmode, bool insecure)
{
    struct pg_target target = {0};
    struct outbox_error error;
    unsetenv("PGSSLMODE");
    cr_assert_eq(pg_target_parse(&target, dsn, NULL, "r", &error), 0, "%s: %s", dsn, error.text);
    cr_assert_eq(pg_target_resolve(&target, &error), 0, "%s: %s", dsn, error.text);
    for (uint32_t i = 0; i < target.candidate_count; i++) {
        pg_target_choose(&target, i, PG_FOR_STATEMENTS);
        cr_expect_str_eq(sslmode_of(&target), sslmode, "%s", dsn);
    }
    cr_expect_eq(target.insecure, insecure, "%s", dsn);
    pg_target_free(&target);
}

Test(dsn, address_decides_whether_a_server_is_on_this_machine)
{
    expect_security("host=127.0.0.1 user=u", "", false);
    expect_security("host=localhost user=u", "", false);
    expect_security("host=/run/postgresql user=u", "", false);
    expect_security("host=db.example hostaddr=127.0.0.1 user=u", "", false);
    expect_security("host=localhost hostaddr=192.0.2.1 user=u", "verify-full", false);
    expect_security("host=127.0.0.1.example hostaddr=192.0.2.1 user=u", "verify-full", false);
    expect_security("host=/run/postgresql hostaddr=192.0.2.1 user=u", "verify-full", false);
    expect_security("host=localhost hostaddr=192.0.2.1 user=u sslmode=prefer", "prefer", true);
    expect_security("host=localhost hostaddr=127.0.0.1 user=u sslmode=disable", "disable", false);
}

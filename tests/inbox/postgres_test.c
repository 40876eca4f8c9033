/* SPDX-License-Identifier: Apache-2.0 */
/* tests/inbox/postgres_test.c - what only Postgres has: the functions, their path, their privileges */
#include "fixture.h"

#define ID ((struct outbox_bytes){"0a1b2c3d-4e5f-6789-abcd-ef0123456789", 36})

static void refused(struct session *session, int code, const char *text)
{
    struct outbox_error error = {0};
    bool is_new = true;
    const struct outbox_bytes id = ID;
    cr_assert_eq(client_take(session, "billing", &id, 1, &is_new, &error), code, "%d: %s", error.code, error.text);
    cr_assert_str_eq(error.text, text);
}

Test(postgres, without_the_function_the_error_names_the_command)
{
    struct session *a = fixture_open();
    run(a, "BEGIN");
    run(a, "DROP FUNCTION outbox_inbox_take");
    refused(a, OUTBOX_E_NOT_FOUND,
            "take the events of consumer billing: there is no function outbox_inbox_take(text, uuid[]) in the search "
            "path (42883); run 'outbox init --inbox'");
    refused(a, OUTBOX_E_INVALID, "take the events of consumer billing: the transaction has failed; roll it back");
    run(a, "ROLLBACK");
    client_close(a);
}

static void other_answer(struct session *a, const char *body, const char *type, const char *fault)
{
    char sql[400], text[300];
    snprintf(text, sizeof text,
             "take the events of consumer billing: the database answered with %s; create the inbox with 'outbox init "
             "--inbox'",
             fault);
    run(a, "BEGIN");
    run(a, "DROP FUNCTION outbox_inbox_take");
    snprintf(sql, sizeof sql,
             "CREATE FUNCTION outbox_inbox_take(consumer text, ids uuid[]) RETURNS %s LANGUAGE sql AS $$ %s $$", type,
             body);
    run(a, sql);
    refused(a, OUTBOX_E_SCHEMA, text);
    run(a, "ROLLBACK");
}

Test(postgres, an_answer_of_another_shape_is_not_believed)
{
    struct session *a = fixture_open();
    other_answer(a, "SELECT '{t,t}'::boolean[]", "boolean[]", "another number of values than ids");
    other_answer(a, "SELECT '{}'::boolean[]", "boolean[]", "another number of values than ids");
    other_answer(a, "SELECT '{{t}}'::boolean[]", "boolean[]", "another number of values than ids");
    other_answer(a, "SELECT '[0:0]={t}'::boolean[]", "boolean[]", "another number of values than ids");
    other_answer(a, "SELECT '{NULL}'::boolean[]", "boolean[]", "another number of values than ids");
    other_answer(a, "SELECT NULL::boolean[]", "boolean[]", "another type than boolean[]");
    other_answer(a, "SELECT true", "boolean", "another type than boolean[]");
    other_answer(a, "SELECT '{t}'::boolean[] FROM generate_series(1, 2)", "SETOF boolean[]",
                 "other than one row of one column");
    client_close(a);
}

Test(postgres, the_functions_use_the_schema_that_they_were_made_in)
{
    struct session *a = fixture_open();
    run(a, "DROP SCHEMA IF EXISTS \"else where\" CASCADE");
    run(a, "CREATE SCHEMA \"else where\"");
    run(a, "CREATE TABLE \"else where\".outbox_inbox (LIKE public.outbox_inbox)");
    run(a, "CREATE TEMP TABLE outbox_inbox (LIKE public.outbox_inbox)");
    run(a, "SET search_path = pg_temp, \"else where\", public");
    run(a, "BEGIN");
    expect_take(a, "billing", "110", 1, 2, 1);
    cr_assert_eq(run(a, "SELECT outbox_inbox_prune()"), 0);
    run(a, "COMMIT");
    cr_assert_eq(run(a, "SELECT COUNT(*) FROM public.outbox_inbox"), 2);
    cr_assert_eq(run(a, "SELECT COUNT(*) FROM \"else where\".outbox_inbox"), 0);
    cr_assert_eq(run(a, "SELECT COUNT(*) FROM pg_temp.outbox_inbox"), 0);
    cr_assert_eq(run(a, "SELECT COUNT(*) FROM pg_proc WHERE proname LIKE 'outbox_inbox_%' AND NOT (proconfig @> "
                        "ARRAY['search_path=public, pg_temp'] AND NOT prosecdef)"),
                 0);
    client_close(a);
}

Test(postgres, the_functions_refuse_wrong_arguments)
{
    struct session *a = fixture_open();
    static const char *const wrong[] = {"SELECT outbox_inbox_take(NULL, '{}')",
                                        "SELECT outbox_inbox_take('', '{}')",
                                        "SELECT outbox_inbox_take(repeat('x', 65), '{}')",
                                        "SELECT outbox_inbox_take('billing', NULL)",
                                        "SELECT outbox_inbox_take('billing', '{NULL}')",
                                        "SELECT outbox_inbox_take('billing', '{{0a1b2c3d4e5f6789abcdef0123456789}}')",
                                        "SELECT outbox_inbox_prune(0)",
                                        "SELECT outbox_inbox_prune(NULL)",
                                        "SELECT outbox_inbox_prune(7, 0)",
                                        "SELECT outbox_inbox_prune(7, NULL)"};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_assert_eq(client_run(a, wrong[i]), INT64_MIN, "%s", wrong[i]);
    cr_assert_eq(run(a, "SELECT cardinality(outbox_inbox_take('billing', '{}'))"), 0);
    client_close(a);
}

Test(postgres, a_prune_is_bounded)
{
    struct session *a = fixture_open();
    run(a, "INSERT INTO outbox_inbox (event_id, consumer, received_on) SELECT gen_random_uuid(), 'old', current_date - "
           "20 FROM generate_series(1, 1000)");
    cr_assert_eq(run(a, "SELECT outbox_inbox_prune(7, 300)"), 300);
    cr_assert_eq(run(a, "SELECT outbox_inbox_prune(30)"), 0);
    cr_assert_eq(run(a, "SELECT outbox_inbox_prune()"), 700);
    client_close(a);
}

Test(postgres, the_printed_grants_are_enough)
{
    struct session *a = fixture_open();
    char grants[2000];
    client_run(a, "DROP OWNED BY consumer");
    client_run(a, "DROP ROLE IF EXISTS consumer");
    run(a, "CREATE ROLE consumer LOGIN");
    run(a, "REVOKE ALL ON SCHEMA public FROM PUBLIC");
    fixture_init("--print-grants", grants, sizeof grants);
    run(a, grants);
    struct session *consumer = client_open("consumer");
    run(consumer, "BEGIN");
    expect_take(consumer, "billing", "10", 1, 1);
    run(consumer, "INSERT INTO outbox_inbox_position (consumer, topic, part, partitions, next_offset, window_offset) "
                  "VALUES ('billing', 'orders', 0, 1, 1, 0)");
    run(consumer, "UPDATE outbox_inbox_position SET next_offset = 2 WHERE consumer = 'billing' AND next_offset = 1");
    run(consumer, "COMMIT");
    cr_assert_eq(client_prune(consumer), 0);
    cr_assert_eq(client_run(consumer, "UPDATE outbox_inbox SET consumer = 'x'"), INT64_MIN);
    client_close(consumer);
    client_close(a);
}

Test(postgres, the_printed_script_makes_the_same_inbox)
{
    struct session *a = fixture_open();
    char script[8000];
    fixture_init("--print-sql", script, sizeof script);
    run(a, "DROP TABLE outbox_inbox, outbox_inbox_position");
    run(a, "DROP FUNCTION outbox_inbox_take");
    run(a, "DROP FUNCTION outbox_inbox_prune");
    run(a, script);
    run(a, "BEGIN");
    expect_take(a, "billing", "10", 1, 1);
    run(a, "COMMIT");
    client_close(a);
}

Test(postgres, a_table_of_another_shape_is_refused_by_init)
{
    struct session *a = fixture_open();
    run(a, "DROP TABLE outbox_inbox");
    run(a, "CREATE TABLE outbox_inbox (id text)");
    char command[300];
    snprintf(command, sizeof command, "'%s' init --inbox -c %s/outbox.yaml >/dev/null 2>&1", getenv("INBOX_OUTBOX"),
             getenv("INBOX_DIR"));
    cr_assert_neq(system(command), 0);
    cr_assert_eq(run(a, "SELECT COUNT(*) FROM pg_class WHERE relname = 'outbox_inbox_received_on'"), 0,
                 "what was done before the failure stayed");
    client_close(a);
}

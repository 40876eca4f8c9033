/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/postgres/search_path_test.c - objects of other roles in the search path, and triggers that need the path
 *
 * The schema `hostile` has an object for each function, operator and common type of pg_catalog, with the same
 * arguments. Each counts its calls in a sequence, which no rollback undoes. The relay's role has this schema before
 * pg_catalog in its search path: so any name without a schema in a statement of the store is found, and counted.
 */
#include <string.h>

#include "fixture.h"

/* ---- the schema -------------------------------------------------------------------------------------------------- */

static const char make_schema[] =
    "CREATE SCHEMA hostile; CREATE SEQUENCE hostile.runs; GRANT USAGE ON SCHEMA hostile TO PUBLIC; "
    "GRANT USAGE ON SEQUENCE hostile.runs TO PUBLIC";

/* Functions that plpgsql cannot have (of \"any\", of internal types) are left out. */
static const char make_functions[] =
    "DO $do$ DECLARE f record; BEGIN FOR f IN SELECT p.proname, pg_get_function_identity_arguments(p.oid) AS args, "
    "CASE WHEN p.proretset THEN 'SETOF ' ELSE '' END || format_type(p.prorettype, NULL) AS result, CASE WHEN "
    "p.proretset OR p.prorettype = 'void'::regtype THEN '' ELSE 'RETURN NULL;' END AS rest FROM pg_proc p WHERE "
    "p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind IN ('f', 'a') AND p.proallargtypes IS NULL LOOP BEGIN "
    "EXECUTE format('CREATE FUNCTION hostile.%I(%s) RETURNS %s LANGUAGE plpgsql AS $f$ BEGIN PERFORM "
    "pg_catalog.nextval(''hostile.runs''); %s END $f$', f.proname, f.args, f.result, f.rest); "
    "EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END $do$";

static const char make_operators[] =
    "DO $do$ DECLARE o record; BEGIN FOR o IN SELECT oid, oprname, format_type(oprleft, NULL) AS l, "
    "format_type(oprright, NULL) AS r, format_type(oprresult, NULL) AS result FROM pg_operator WHERE oprnamespace = "
    "'pg_catalog'::regnamespace AND oprkind = 'b' LOOP BEGIN EXECUTE format('CREATE FUNCTION hostile.op_%s(%s, %s) "
    "RETURNS %s LANGUAGE plpgsql AS $f$ BEGIN PERFORM pg_catalog.nextval(''hostile.runs''); RETURN NULL; END $f$', "
    "o.oid, o.l, o.r, o.result); EXECUTE format('CREATE OPERATOR hostile.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION "
    "= hostile.op_%s)', o.oprname, o.l, o.r, o.oid); EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END $do$";

static const char make_types[] =
    "DO $do$ DECLARE t text; BEGIN FOREACH t IN ARRAY ARRAY['text', 'uuid', 'json', 'jsonb', 'bytea', 'int2', 'int4', "
    "'int8', 'bool', 'oid', 'regclass', 'name', 'date', 'timestamptz', 'timestamp'] LOOP EXECUTE format('CREATE DOMAIN "
    "hostile.%I AS pg_catalog.%I CHECK (pg_catalog.nextval(''hostile.runs'') > 0)', t, t); END LOOP; END $do$";

static void make_hostile(struct sql_fixture *fixture)
{
    if (!fixture_run(fixture, "SELECT COUNT(*) FROM pg_namespace WHERE nspname = 'hostile'")) {
        session_run(fixture->sql, make_schema);
        session_run(fixture->sql, make_functions);
        session_run(fixture->sql, make_operators);
        session_run(fixture->sql, make_types);
        server_make_user(fixture->sql, "careful", "");
        fixture_run(fixture, "CREATE SCHEMA AUTHORIZATION careful");
    }
    cr_assert_gt(fixture_run(fixture, "SELECT COUNT(*) FROM pg_proc WHERE pronamespace = 'hostile'::regnamespace"),
                 2000);
    cr_assert_gt(fixture_run(fixture, "SELECT COUNT(*) FROM pg_operator WHERE oprnamespace = 'hostile'::regnamespace"),
                 500);
    fixture_run(fixture, "ALTER SEQUENCE hostile.runs RESTART");
    fixture_run(fixture, "ALTER ROLE careful SET search_path = hostile, pg_catalog, careful");
    fixture_run(fixture, "SET search_path = careful, public");
}

static int64_t hostile_runs(struct sql_fixture *fixture)
{
    return fixture_run(fixture, "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM hostile.runs");
}

/* ---- the verbs --------------------------------------------------------------------------------------------------- */

static void expect_success(struct sql_fixture *fixture, struct loop_fixture_call *call)
{
    cr_assert_eq(loop_fixture_wait(&fixture->base, call), 0, "%s", call->error.text);
    loop_fixture_reset(call);
}

static void drop_letter(void *arg, const struct outbox_dead_letter *letter)
{
    *(uint64_t *)arg = letter->number;
}

static void run_dead(struct sql_fixture *fixture, uint32_t action, const uint64_t *numbers, uint32_t count)
{
    uint64_t last = 0;
    struct loop_fixture_call call = {0};
    struct outbox_dead dead = {.struct_size = sizeof dead,
                               .action = action,
                               .numbers = numbers,
                               .count = count,
                               .row = drop_letter,
                               .arg = &last};
    loop_fixture_reset(&call);
    obx_store_dead(fixture->store, &call.call, 0, &dead);
    expect_success(fixture, &call);
    cr_assert_gt(dead.affected, 0, "action %u", action);
}

static void add_two(struct sql_fixture *fixture)
{
    const struct outbox_bytes some = {"x", 1};
    const struct outbox_event event = {.struct_size = sizeof event,
                                       .aggregate_type = some,
                                       .aggregate_id = some,
                                       .type = some,
                                       .payload = some,
                                       .headers = {"{}", 2}};
    const struct outbox_event *events[] = {&event, &event};
    cr_assert_eq(loop_fixture_add(&fixture->base, fixture->store, events, 2, &fixture->error), 0, "%s",
                 fixture->error.text);
}

static void begin_administration(struct sql_fixture *fixture)
{
    cr_assert_eq(loop_fixture_store_start(&fixture->base, fixture->store, NULL, 0, &fixture->error), 0, "%s",
                 fixture->error.text);
}

static void initialise(struct sql_fixture *fixture)
{
    struct loop_fixture_call call = {0};
    begin_administration(fixture);
    cr_assert_eq(fixture_setup(fixture, fixture->store), 0, "%s", fixture->error.text);
    loop_fixture_reset(&call);
    obx_store_setup_inbox(fixture->store, &call.call, 0);
    expect_success(fixture, &call);
    fixture_stop(fixture);
}

static void ask(struct sql_fixture *fixture)
{
    struct loop_fixture_call call = {0};
    struct outbox_store_status status = {.struct_size = sizeof status};
    cr_assert_eq(fixture_check(fixture, "row level security").count, 0);
    loop_fixture_reset(&call);
    obx_store_status(fixture->store, &call.call, 0, &status);
    expect_success(fixture, &call);
    cr_assert_eq(status.pending, fixture_count_rows(fixture));
}

/* Claims with gaps, the stray scan, the wake-up, a settle and a move to the dead letters. */
static void relay_rows(struct sql_fixture *fixture)
{
    const struct outbox_dead_row row = {.position = {2, 0}, .attempts = 1, .reason = "too large"};
    struct outbox_claim sleep = {
        .struct_size = sizeof sleep, .flags = OUTBOX_CLAIM_ARM_WAKEUP, .max_rows = 9, .max_bytes = 1 << 20};
    struct outbox_batch *batch = fixture_claim_batch(fixture, 1, 1 << 20);
    cr_assert_not_null(batch);
    fixture_settle_all(fixture, batch);
    fixture_expect_rows(fixture, IDS(2));
    cr_assert_eq(fixture_dead_letter(fixture, &row), 0, "%s", fixture->error.text);
    fixture_run(fixture, "BEGIN");
    fixture_insert(fixture, fixture->sql, "a");
    fixture_run(fixture, "ROLLBACK");
    fixture_insert(fixture, fixture->sql, "a");
    fixture_expect_rows(fixture, IDS(4));
    fixture_expect_no_rows_for(fixture, 100);
    cr_assert_eq(loop_fixture_claim(&fixture->base, fixture->store, &sleep, &fixture->error), 0, "%s",
                 fixture->error.text);
    fixture_insert(fixture, fixture->sql, "a");
    fixture_await_rows(fixture);
}

static void renew_and_stand_by(struct sql_fixture *fixture)
{
    struct loop_fixture_call call = {0};
    struct obx_instance *other = fixture_another(fixture);
    loop_fixture_reset(&call);
    obx_store_renew(fixture->store, &call.call, 0);
    expect_success(fixture, &call);
    cr_assert_eq(fixture_start(fixture, other), 0, "%s", fixture->error.text);
    cr_assert_eq(fixture_acquire(fixture, other, 10000, NULL), OUTBOX_E_STANDBY, "%s", fixture->error.text);
    loop_fixture_stop(&fixture->base, other, &fixture->error);
    obx_instance_free(other);
}

Test(search_path, objects_of_other_roles_run_in_no_statement_of_the_store)
{
    static const uint64_t first[] = {1};
    static const char options[] = "  wakeup: trigger\n  stray_scan_interval: 10ms\n";
    struct sql_fixture fixture;
    fixture_open(&fixture, "careful.shadowed", false, options);
    make_hostile(&fixture);
    fixture_reconfigure(&fixture, &(struct server_place){.user = "careful"}, options);
    initialise(&fixture);
    fixture.table = "shadowed"; /* found by the role's path from here on */
    fixture_reconfigure(&fixture, &(struct server_place){.user = "careful"}, options);
    begin_administration(&fixture);
    add_two(&fixture);
    ask(&fixture);
    fixture_stop(&fixture);
    fixture_begin(&fixture);
    relay_rows(&fixture);
    renew_and_stand_by(&fixture);
    ask(&fixture);
    run_dead(&fixture, OUTBOX_DEAD_LIST, NULL, 0);
    run_dead(&fixture, OUTBOX_DEAD_KEYS, NULL, 0);
    run_dead(&fixture, OUTBOX_DEAD_SHOW, first, 1);
    run_dead(&fixture, OUTBOX_DEAD_REPLAY, first, 1);
    fixture_await_rows(&fixture);
    cr_assert_eq(hostile_runs(&fixture), 0);
    fixture_close(&fixture);
}

Test(search_path, hostile_operators_are_found_where_nothing_is_qualified)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "unqualified", false, "");
    make_hostile(&fixture);
    fixture_run(&fixture, "SET search_path = hostile, pg_catalog");
    session_try(fixture.sql, "SELECT 1 = 1");
    session_try(fixture.sql, "SELECT current_setting('fsync')");
    session_try(fixture.sql, "SELECT 'x'::text");
    fixture_run(&fixture, "RESET search_path");
    cr_assert_eq(hostile_runs(&fixture), 3, "the other case can fail");
    fixture_close(&fixture);
}

/* ---- functions that init makes ----------------------------------------------------------------------------------- */

Test(search_path, functions_that_init_makes_call_nothing_of_other_roles)
{
    static const char plant[] =
        "CREATE SEQUENCE public.runs; CREATE FUNCTION public.spy(text, oid) RETURNS text LANGUAGE plpgsql AS $$ BEGIN "
        "PERFORM pg_catalog.nextval('public.runs'); RETURN ''; END $$; CREATE OPERATOR public.|| (LEFTARG = text, "
        "RIGHTARG = oid, FUNCTION = public.spy); CREATE FUNCTION public.array_agg(uuid) RETURNS uuid[] LANGUAGE "
        "plpgsql AS $$ BEGIN PERFORM pg_catalog.nextval('public.runs'); RETURN NULL; END $$; CREATE FUNCTION "
        "public.cardinality(uuid[]) RETURNS int4 LANGUAGE plpgsql AS $$ BEGIN PERFORM "
        "pg_catalog.nextval('public.runs'); RETURN 1; END $$";
    struct sql_fixture fixture;
    struct loop_fixture_call call = {0};
    struct outbox_claim sleep = {
        .struct_size = sizeof sleep, .flags = OUTBOX_CLAIM_ARM_WAKEUP, .max_rows = 9, .max_bytes = 1 << 20};
    fixture_open(&fixture, "planted", true, "  wakeup: trigger\n");
    fixture_run(&fixture, plant);
    fixture_begin(&fixture);
    loop_fixture_reset(&call);
    obx_store_setup_inbox(fixture.store, &call.call, 0);
    expect_success(&fixture, &call);
    fixture_run(&fixture, "SELECT outbox_inbox_take('c', ARRAY[gen_random_uuid(), gen_random_uuid()])");
    cr_assert_eq(loop_fixture_claim(&fixture.base, fixture.store, &sleep, &fixture.error), 0, "%s", fixture.error.text);
    cr_assert(sleep.flags & OUTBOX_CLAIM_ARM_WAKEUP);
    uint32_t wakes = fixture.base.wakes;
    fixture_insert(&fixture, fixture.sql, "a");
    cr_assert(loop_fixture_until_woken(&fixture.base, wakes));
    cr_assert_eq(fixture_run(&fixture, "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM public.runs"), 0);
    fixture_run(&fixture, "DROP OPERATOR public.|| (text, oid); DROP FUNCTION public.spy, public.array_agg(uuid), "
                          "public.cardinality(uuid[]); DROP SEQUENCE public.runs");
    fixture_close(&fixture);
}

/* ---- triggers of the application --------------------------------------------------------------------------------- */

static void audit_deletes(struct sql_fixture *fixture)
{
    fixture_run(fixture, "CREATE TABLE %s_audit (key text); CREATE FUNCTION %s_note() RETURNS trigger LANGUAGE plpgsql "
                         "AS $$ BEGIN INSERT INTO %s_audit VALUES (OLD.aggregateid); RETURN OLD; END $$; "
                         "CREATE TRIGGER note BEFORE DELETE ON %s FOR EACH ROW EXECUTE FUNCTION %s_note()");
}

Test(search_path, trigger_of_the_application_finds_a_table_that_it_names_without_schema)
{
    const struct outbox_dead_row row = {.position = {2, 0}, .attempts = 1, .reason = "too large"};
    struct sql_fixture fixture;
    fixture_open(&fixture, "path_audited", true, "");
    audit_deletes(&fixture);
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_insert(&fixture, fixture.sql, "b");
    fixture_begin(&fixture);
    fixture_settle_all(&fixture, fixture_claim_batch(&fixture, 1, 1 << 20));
    fixture_expect_rows(&fixture, IDS(2));
    cr_assert_eq(fixture_dead_letter(&fixture, &row), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_run(&fixture, "SELECT COUNT(*) FROM %s_audit"), 2);
    fixture_close(&fixture);
}

Test(search_path, trigger_of_the_application_reads_a_table_with_policies)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "policed", true, "");
    audit_deletes(&fixture);
    fixture_run(&fixture, "CREATE ROLE policed_relay LOGIN PASSWORD 'outbox'; GRANT SELECT, DELETE ON %s TO "
                          "policed_relay; GRANT INSERT ON %s_audit TO policed_relay; ALTER TABLE %s_audit ENABLE ROW "
                          "LEVEL SECURITY; CREATE POLICY all_may ON %s_audit USING (true)");
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_reconfigure(&fixture, &(struct server_place){.user = "policed_relay"}, "");
    fixture_begin(&fixture);
    fixture_settle_all(&fixture, fixture_claim_batch(&fixture, 1, 1 << 20));
    cr_assert_eq(fixture_run(&fixture, "SELECT COUNT(*) FROM %s_audit"), 1);
    fixture_close(&fixture);
}

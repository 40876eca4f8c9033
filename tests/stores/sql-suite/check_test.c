/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/sql-suite/check_test.c - what `outbox check` finds in a table, and that its commands mend it when they
 * are pasted as they are
 */
#include <stdio.h>
#include <string.h>

#include "fixture.h"

static void start_for_verbs(struct sql_fixture *fixture)
{
    cr_assert_eq(loop_fixture_store_start(&fixture->base, fixture->store, NULL, 0, &fixture->error), 0, "%s",
                 fixture->error.text);
}

/* The store is started anew: it reads the table's columns and the user's rights as it starts. */
static struct fixture_findings check_anew(struct sql_fixture *fixture, const char *text)
{
    fixture_stop(fixture);
    start_for_verbs(fixture);
    return fixture_check(fixture, text);
}

static void expect_gone(struct sql_fixture *fixture, const char *text)
{
    struct fixture_findings findings = check_anew(fixture, text);
    cr_assert_eq(findings.count, 0, "%s: %s", text, findings.command);
}

/* One finding with a command, which mends it. */
static void expect_mended(struct sql_fixture *fixture, const char *text, uint32_t severity, const char *command)
{
    struct fixture_findings findings = check_anew(fixture, text);
    cr_assert_eq(findings.count, 1, "%s: %u findings", text, findings.count);
    cr_assert_eq(findings.severity, severity, "%s", text);
    if (command)
        cr_assert_str_eq(findings.command, command);
    fixture_paste(fixture, findings.command);
    expect_gone(fixture, text);
}

Test(check, foreign_key_of_another_table_is_an_error)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "referred", true, "");
    expect_gone(&fixture, "foreign key");
    fixture_run(&fixture, BY_SERVER("CREATE TABLE \"Audit\" (event bigint CONSTRAINT \"to Outbox\" REFERENCES %s)",
                                    "CREATE TABLE `Audit` (event BIGINT UNSIGNED, CONSTRAINT `to Outbox` FOREIGN KEY "
                                    "(event) REFERENCES %s (id))"));
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_run(&fixture,
                BY_SERVER("INSERT INTO \"Audit\" SELECT id FROM %s", "INSERT INTO `Audit` SELECT id FROM %s"));
    struct fixture_findings trial = check_anew(&fixture, "cannot be removed: ");
    cr_assert(trial.count == 1 && trial.severity == OUTBOX_SEVERITY_ERROR && trial.advised);
    expect_mended(&fixture, "foreign key to Outbox of table ", OUTBOX_SEVERITY_ERROR,
                  BY_SERVER("ALTER TABLE public.\"Audit\" DROP CONSTRAINT \"to Outbox\";",
                            "ALTER TABLE `outbox`.`Audit` DROP FOREIGN KEY `to Outbox`;"));
    cr_assert_eq(fixture_count_rows(&fixture), 1, "the trial removes nothing");
    fixture_close(&fixture);
}

Test(check, foreign_key_that_follows_is_a_warning)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "cascaded", true, "");
    fixture_run(&fixture, BY_SERVER("CREATE TABLE follows (event bigint REFERENCES %s ON DELETE CASCADE)",
                                    "CREATE TABLE follows (event BIGINT UNSIGNED, FOREIGN KEY (event) REFERENCES %s "
                                    "(id) ON DELETE CASCADE)"));
    expect_mended(&fixture, "each removal of an event changes that table, too", OUTBOX_SEVERITY_WARNING, NULL);
    fixture_close(&fixture);
}

static void make_trigger(struct sql_fixture *fixture, const char *body)
{
    char sql[500];
    if (server_kind() == POSTGRES) {
        snprintf(sql, sizeof sql, "CREATE FUNCTION %s_f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN %s END $$",
                 fixture->table, body);
        session_run(fixture->sql, sql);
        snprintf(sql, sizeof sql, "CREATE TRIGGER \"Odd One\" BEFORE DELETE ON %s FOR EACH ROW EXECUTE FUNCTION %s_f()",
                 fixture->table, fixture->table);
    } else
        snprintf(sql, sizeof sql, "CREATE TRIGGER `Odd One` BEFORE DELETE ON %s FOR EACH ROW BEGIN %s END",
                 fixture->table, body);
    session_run(fixture->sql, sql);
}

Test(check, trigger_that_raises_for_one_row_is_found)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "raising", true, "");
    make_trigger(&fixture, BY_SERVER("IF old.aggregateid = 'audited' THEN RAISE EXCEPTION 'row is audited'; END IF; "
                                     "RETURN old;",
                                     "IF old.aggregateid = 'audited' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = "
                                     "'row is audited'; END IF;"));
    fixture_insert(&fixture, fixture.sql, "a");
    expect_gone(&fixture, "cannot be removed");
    fixture_insert(&fixture, fixture.sql, "audited");
    struct fixture_findings trial = check_anew(&fixture, "row is audited");
    cr_assert(trial.count == 1 && trial.severity == OUTBOX_SEVERITY_ERROR && trial.advised);
    expect_mended(&fixture, "trigger Odd One of table ", OUTBOX_SEVERITY_WARNING,
                  BY_SERVER("DROP TRIGGER \"Odd One\" ON public.raising;", "DROP TRIGGER `outbox`.`Odd One`;"));
    expect_gone(&fixture, "cannot be removed");
    cr_assert_eq(fixture_count_rows(&fixture), 2, "the trial removes nothing");
    fixture_close(&fixture);
}

/* The trial runs the triggers as they run for the relay: with the path of the role. */
Test(check, trigger_that_names_a_table_without_schema_is_no_obstacle)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "auditing", true, "");
    fixture_run(&fixture, "CREATE TABLE audit_of_events (note TEXT)");
    make_trigger(&fixture, BY_SERVER("INSERT INTO audit_of_events VALUES ('gone'); RETURN old;",
                                     "INSERT INTO audit_of_events VALUES ('gone');"));
    fixture_insert(&fixture, fixture.sql, "a");
    struct fixture_findings trigger = check_anew(&fixture, "trigger Odd One of table ");
    cr_assert_eq(trigger.count, 1);
    expect_gone(&fixture, "cannot be removed");
    cr_assert_eq(fixture_run(&fixture, "SELECT COUNT(*) FROM audit_of_events"), 0, "the trial is undone");
    fixture_paste(&fixture, trigger.command);
    fixture_close(&fixture);
}

Test(check, row_with_id_0_gets_another_id)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "zero_mended", true, "");
    session_run(fixture.sql, BY_SERVER("SELECT 1", "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'"));
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_insert_id(&fixture, fixture.sql, 0);
    expect_mended(&fixture, "ids below 1", OUTBOX_SEVERITY_ERROR, NULL);
    fixture_insert(&fixture, fixture.sql, "a"); /* the counter is behind it */
    fixture_stop(&fixture);
    fixture_begin(&fixture);
    fixture_expect_rows(&fixture, IDS(1, 2, 3));
    fixture_close(&fixture);
}

Test(check, narrow_id_is_widened)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "narrow_id", false, "");
    fixture_run(&fixture, BY_SERVER("CREATE TABLE %s (id serial PRIMARY KEY, event_id uuid, aggregateid text, payload "
                                    "text, created_at timestamptz)",
                                    "CREATE TABLE %s (Id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, event_id CHAR(36), "
                                    "aggregateid TEXT, payload TEXT, created_at TIMESTAMP(6))"));
    expect_mended(&fixture, "the relay needs a ", OUTBOX_SEVERITY_ERROR,
                  BY_SERVER("ALTER TABLE \"public\".\"narrow_id\" ALTER COLUMN \"id\" TYPE bigint;",
                            "ALTER TABLE `outbox`.`narrow_id` MODIFY COLUMN `id` BIGINT UNSIGNED NOT NULL "
                            "AUTO_INCREMENT;"));
    expect_gone(&fixture, "orders its rows");
    fixture_run(&fixture, "INSERT INTO %s (aggregateid, payload) VALUES ('a', 'x')");
    cr_assert_eq(fixture_setup(&fixture, fixture.store), 0, "%s", fixture.error.text);
    fixture_stop(&fixture);
    fixture_begin(&fixture);
    fixture_expect_rows(&fixture, IDS(1));
    fixture_close(&fixture);
}

Test(check, column_is_added_to_an_empty_table_only)
{
    static const char text[] = "column that orders its rows";
    struct sql_fixture fixture;
    fixture_open(&fixture, "unnumbered", false, "");
    fixture_run(&fixture, BY_SERVER("CREATE TABLE %s (id uuid PRIMARY KEY, aggregateid text, payload text)",
                                    "CREATE TABLE %s (id CHAR(36) PRIMARY KEY, aggregateid TEXT, payload TEXT)"));
    struct fixture_findings empty = check_anew(&fixture, text);
    cr_assert(empty.count == 1 && empty.severity == OUTBOX_SEVERITY_ERROR && *empty.command);
    fixture_run(&fixture, "INSERT INTO %s VALUES ('9bb83344-25c7-49d0-b2f1-ed72f8891a5c', 'a', 'x')");
    struct fixture_findings filled = check_anew(&fixture, text);
    cr_assert(filled.count == 1 && filled.severity == OUTBOX_SEVERITY_ERROR && filled.advised);
    cr_assert_str_eq(filled.command, "", "it would number the rows in no order");
    fixture_paste(&fixture, empty.command);
    fixture_reconfigure(&fixture, &(struct server_place){0}, "  columns: { id: seq, event_id: id }\n");
    start_for_verbs(&fixture);
    cr_assert_eq(fixture_check(&fixture, "orders its rows").count, 0);
    fixture_close(&fixture);
}

Test(check, text_is_no_time)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "timeless", true, "");
    expect_gone(&fixture, "the time of an event");
    fixture_run(&fixture, BY_SERVER("ALTER TABLE %s ALTER COLUMN created_at DROP DEFAULT, ALTER COLUMN created_at TYPE "
                                    "varchar(40)",
                                    "ALTER TABLE %s MODIFY created_at VARCHAR(40)"));
    struct fixture_findings findings = check_anew(&fixture, "the time of an event");
    cr_assert(findings.count == 1 && findings.severity == OUTBOX_SEVERITY_WARNING && findings.advised);
    fixture_close(&fixture);
}

static void count_ahead(void *arg, const struct outbox_finding *finding)
{
    if (strstr(finding->reason, "ahead of this machine's clock"))
        ++*(unsigned *)arg;
}

static unsigned findings_of_time(struct sql_fixture *fixture)
{
    unsigned count = 0;
    struct outbox_check check = {
        .struct_size = sizeof check, .report = count_ahead, .arg = &count, .flags = OUTBOX_CHECK_TIMESTAMP};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_check(fixture->store, &call.call, 0, &check);
    cr_assert_eq(loop_fixture_wait(&fixture->base, &call), 0, "%s", call.error.text);
    return count;
}

/* As a local time is that is taken as UTC. */
Test(check, newest_event_is_compared_with_the_clock)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "hours_ahead", true, "");
    start_for_verbs(&fixture);
    cr_assert_eq(findings_of_time(&fixture), 0, "there is no event");
    fixture_insert(&fixture, fixture.sql, "a");
    cr_assert_eq(findings_of_time(&fixture), 0);
    fixture_run(&fixture, BY_SERVER("UPDATE %s SET created_at = now() + interval '2 hours'",
                                    "UPDATE %s SET created_at = DATE_ADD(UTC_TIMESTAMP(), INTERVAL 20 HOUR)"));
    cr_assert_eq(findings_of_time(&fixture), 1);
    fixture_close(&fixture);
}

Test(check, row_that_cannot_be_removed_is_named)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "named_rows", true, "");
    for (int i = 0; i < 9; i++)
        fixture_insert(&fixture, fixture.sql, i == 3 || i == 6 ? "audited" : "a");
    make_trigger(&fixture, BY_SERVER("IF old.aggregateid = 'audited' THEN RAISE EXCEPTION 'row is audited'; END IF; "
                                     "RETURN old;",
                                     "IF old.aggregateid = 'audited' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = "
                                     "'row is audited'; END IF;"));
    cr_assert_eq(check_anew(&fixture, "cannot be removed: ").count, 2);
    cr_assert_eq(check_anew(&fixture, "row 4 of table ").count, 1);
    cr_assert_eq(check_anew(&fixture, "row 7 of table ").count, 1);
    fixture_paste(&fixture, check_anew(&fixture, "trigger Odd One of table ").command);
    expect_gone(&fixture, "cannot be removed");
    cr_assert_eq(fixture_count_rows(&fixture), 9, "the trial removes nothing");
    fixture_close(&fixture);
}

Test(check, table_that_was_never_written_is_compared_with_others)
{
    static const char text[] = "nothing was ever inserted into table ";
    struct sql_fixture fixture;
    fixture_open(&fixture, "never_written", true, "");
    fixture_run(&fixture, "CREATE TABLE AAA_meant (id int, aggregatetype int, aggregateid int)");
    struct fixture_findings findings = check_anew(&fixture, text);
    cr_assert(findings.count >= 1 && findings.severity == OUTBOX_SEVERITY_WARNING && findings.advised);
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_run(&fixture, BY_SERVER("SELECT pg_stat_force_next_flush()", "SELECT 1"));
    expect_gone(&fixture, text);
    fixture_close(&fixture);
}

/* ---- rights of a user whose name has to be quoted ---------------------------------------------------------------- */

Test(check, right_is_granted_to_a_user_with_a_quoted_name)
{
    struct sql_fixture fixture;
    static const char *const user[] = {"\"relay-User\"", "'relay-User'"};
    fixture_open(&fixture, "quoted_user", true, "");
    server_make_user(fixture.sql, user[server_kind() != POSTGRES], "");
    fixture_run(&fixture,
                BY_SERVER("GRANT SELECT ON %s TO \"relay-User\"", "GRANT ALL ON outbox.* TO 'relay-User'@'%'"));
    fixture_reconfigure(&fixture, &(struct server_place){.user = "relay-User"}, "");
    expect_mended(&fixture,
                  BY_SERVER("user relay-User may not delete from table", "cannot see which transactions write"),
                  BY_SERVER(OUTBOX_SEVERITY_ERROR, OUTBOX_SEVERITY_WARNING),
                  BY_KIND("GRANT SELECT, DELETE ON \"public\".\"quoted_user\" TO \"relay-User\";",
                          "GRANT PROCESS ON *.* TO 'relay-User'@'%';",
                          "GRANT SELECT ON performance_schema.metadata_locks TO 'relay-User'@'%';"));
    fixture_close(&fixture);
}

/* ---- what the verb asks for -------------------------------------------------------------------------------------- */

static void note_row(void *arg, const struct outbox_bytes *texts)
{
    char *seen = arg;
    size_t used = strlen(seen);
    for (unsigned i = 0; i < 2; i++)
        used += (size_t)snprintf(seen + used, 200 - used, "%.*s%s", texts[i].data ? (int)texts[i].size : 4,
                                 texts[i].data ? (const char *)texts[i].data : "NULL", i ? ";" : ",");
}

static void ignore(void *arg, const struct outbox_finding *finding)
{
    (void)arg;
    (void)finding;
}

Test(check, each_combination_of_columns_is_reported_once)
{
    static const char *const columns[] = {"aggregatetype", "type", NULL};
    struct sql_fixture fixture;
    char seen[200] = "";
    struct outbox_check check = {
        .struct_size = sizeof check, .report = ignore, .columns = columns, .row = note_row, .row_arg = seen};
    struct loop_fixture_call call = {0};
    fixture_open(&fixture, "combined", true, "");
    fixture_run(&fixture, "INSERT INTO %s (aggregatetype, aggregateid, type, payload) VALUES ('Order', '1', 't', 'x'), "
                          "('Order', '2', 't', 'x'), ('order', '3', 't', 'x')");
    start_for_verbs(&fixture);
    loop_fixture_reset(&call);
    obx_store_check(fixture.store, &call.call, 0, &check);
    cr_assert_eq(loop_fixture_wait(&fixture.base, &call), 0, "%s", call.error.text);
    cr_assert(!strcmp(seen, "Order,t;order,t;") || !strcmp(seen, "order,t;Order,t;"), "%s", seen);
    fixture_close(&fixture);
}

static void read_identity(struct sql_fixture *fixture, char identity[static 160])
{
    struct outbox_store_status status;
    start_for_verbs(fixture);
    cr_assert_eq(fixture_status(fixture, fixture->store, &status), 0, "%s", fixture->error.text);
    memcpy(identity, status.identity, sizeof status.identity);
    fixture_stop(fixture);
}

Test(check, table_has_one_identity_under_all_its_names)
{
    struct sql_fixture fixture;
    char plain[160], full[160], other[160];
    fixture_open(&fixture, "identified", true, "");
    read_identity(&fixture, plain);
    fixture.table = BY_SERVER("public.identified", "outbox.identified");
    fixture_reconfigure(&fixture, &(struct server_place){0}, "");
    read_identity(&fixture, full);
    fixture.table = "identified_too";
    fixture_run(&fixture,
                BY_SERVER("CREATE TABLE %s (LIKE identified INCLUDING ALL)", "CREATE TABLE %s LIKE identified"));
    fixture_reconfigure(&fixture, &(struct server_place){0}, "");
    read_identity(&fixture, other);
    cr_assert(*plain);
    cr_assert_str_eq(plain, full);
    cr_assert_str_neq(plain, other);
    fixture_close(&fixture);
}

/* ---- init -------------------------------------------------------------------------------------------------------- */

/* Becomes a store of a user who may use the tables, and create none. */
static void become_relay(struct sql_fixture *fixture, const char *user)
{
    server_make_user(fixture->sql, user, "");
    fixture_reconfigure(fixture, &(struct server_place){.user = user}, "");
}

static void grant_as_relay(struct sql_fixture *fixture, const char *user)
{
    char table[100];
    server_grant(fixture->sql, "SELECT, DELETE", fixture->table, user);
    snprintf(table, sizeof table, "%s_dead", fixture->table);
    server_grant(fixture->sql, "SELECT, INSERT, DELETE", table, user);
    snprintf(table, sizeof table, "%s_relay", fixture->table);
    if (server_kind() != POSTGRES)
        server_grant(fixture->sql, "SELECT, UPDATE", table, user);
}

Test(check, setup_needs_no_right_where_all_tables_are_there)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "all_there", true, "");
    become_relay(&fixture, "only_relays");
    grant_as_relay(&fixture, "only_relays");
    start_for_verbs(&fixture);
    cr_assert_eq(fixture_setup(&fixture, fixture.store), 0, "%s", fixture.error.text);
    fixture_close(&fixture);
}

Test(check, setup_without_the_right_to_create_names_the_owner)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "half_there", true, "");
    become_relay(&fixture, "relays_too");
    grant_as_relay(&fixture, "relays_too");
    fixture_run(&fixture, "DROP TABLE half_there_dead");
    start_for_verbs(&fixture);
    cr_assert_eq(fixture_setup(&fixture, fixture.store), OUTBOX_E_PERMISSION, "%s", fixture.error.text);
    cr_assert_not_null(strstr(fixture.error.text,
                              "; run 'outbox init' as the owner of the tables, or let the owner run "
                              "what 'outbox init --print-sql' prints"),
                       "%s", fixture.error.text);
    cr_assert_null(strstr(fixture.error.text, "--print-grants"), "%s", fixture.error.text);
    fixture_close(&fixture);
}

Test(check, setup_ignores_a_table_of_a_like_name_in_another_schema)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "alike_elsewhere", false, "");
    session_run(fixture.sql, BY_SERVER("CREATE SCHEMA elsewhere", "CREATE DATABASE elsewhere"));
    session_run(fixture.sql, "CREATE TABLE elsewhere.AlikeElsewhere (id INT PRIMARY KEY)");
    start_for_verbs(&fixture);
    cr_assert_eq(fixture_setup(&fixture, fixture.store), 0, "%s", fixture.error.text);
    fixture_close(&fixture);
}

Test(check, setup_refuses_an_empty_table_beside_a_table_of_a_like_name)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "order_events", false, "");
    fixture_run(&fixture,
                BY_SERVER("CREATE TABLE \"OrderEvents\" (id bigint)", "CREATE TABLE OrderEvents (id BIGINT)"));
    start_for_verbs(&fixture);
    cr_assert_eq(fixture_setup(&fixture, fixture.store), OUTBOX_E_CONFIG, "%s", fixture.error.text);
    cr_assert_not_null(strstr(fixture.error.text, BY_SERVER("there is no table order_events, but there is "
                                                            "public.OrderEvents; set table: public.OrderEvents",
                                                            "there is no table order_events, but there is "
                                                            "outbox.OrderEvents; set table: outbox.OrderEvents")),
                       "%s", fixture.error.text);
    cr_assert(!session_try(fixture.sql, "SELECT * FROM order_events"), "nothing was made");
    fixture_close(&fixture);
}

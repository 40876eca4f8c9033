/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/capture_lost_test.c - positions that are lost, statements in place of rows */
#include "capture_fixture.h"

#include <mysql.h>
#include <string.h>

#define EVENT(key) "INSERT INTO %s (aggregatetype, aggregateid, type, payload) VALUES ('t', '" key "', 'e', 'x')"

/* The last transaction of this session counts as passed, and those before it. */
static void pass_last(struct capture *capture)
{
    fixture_run(&capture->base, BY_KIND("", "UPDATE %s_position SET log_position = @@gtid_binlog_pos, log_index = 0",
                                        "UPDATE %s_position SET log_position = @@global.gtid_executed, log_index = 0"));
}

/* M6 */
Test(capture_lost, statement_that_names_the_table_fails_the_claim)
{
    struct capture capture;
    capture_open(&capture, "stated");
    capture_run(&capture, EVENT("a"));
    capture_expect(&capture, "a");
    capture_run(&capture,
                "SET binlog_format = STATEMENT; INSERT INTO %s (event_id, aggregatetype, aggregateid, type) VALUES "
                "('x', 't', 'b', 'e'); SET binlog_format = ROW");
    capture_expect_failure(&capture, OUTBOX_E_SCHEMA,
                           "a session with binlog_format STATEMENT or MIXED wrote a statement (INSERT, schema outbox");
    capture_expect_failure(&capture, OUTBOX_E_SCHEMA, "are not in the log"); /* and stays */
    cr_assert_neq(capture_claim(&capture, 0, 1000), 0);
    cr_assert_eq(capture.rows, 1); /* the log was not read again under other numbers */
    pass_last(&capture);           /* as docs/CAPTURE-MYSQL.md says */
    capture_run(&capture, EVENT("c"));
    capture_restart(&capture);
    capture_expect(&capture, "c");
    capture_close(&capture);
}

static unsigned long long count_files(struct capture *capture)
{
    MYSQL *mysql = session_handle(capture->base.sql);
    cr_assert_eq(mysql_query(mysql, "SHOW BINARY LOGS"), 0, "%s", mysql_error(mysql));
    MYSQL_RES *result = mysql_store_result(mysql);
    unsigned long long count = mysql_num_rows(result);
    mysql_free_result(result);
    return count;
}

/* A server keeps files that a stream still reads, and MariaDB those that InnoDB has not confirmed. */
static void purge(struct capture *capture)
{
    session_try(capture->base.sql, "SET GLOBAL slave_connections_needed_for_purge = 0"); /* of MariaDB: 1 at first */
    for (int i = 0; i < 2000 && count_files(capture) > 1; i++)
        fixture_run(&capture->base, i % 2 ? "PURGE BINARY LOGS BEFORE '2038-01-01'" : "DO SLEEP(0.01)");
    cr_assert_eq(count_files(capture), 1);
}

/* M10 */
Test(capture_lost, purged_log_is_named)
{
    struct capture capture;
    capture_open(&capture, "purged");
    capture_run(&capture, EVENT("a"));
    capture_expect(&capture, "a");
    capture_settle_all(&capture);
    fixture_stop(&capture.base);
    capture_run(&capture, EVENT("b") "; FLUSH BINARY LOGS; " EVENT("c") "; FLUSH BINARY LOGS");
    purge(&capture);
    fixture_begin(&capture.base);
    capture_expect_failure(&capture, OUTBOX_E_SCHEMA, "A position that is lost");
    capture_close(&capture);
}

/* What `outbox init` does. */
static void init(struct capture *capture)
{
    struct sql_fixture *base = &capture->base;
    cr_assert_eq(loop_fixture_store_start(&base->base, base->store, NULL, 0, &base->error), 0, "%s", base->error.text);
    cr_assert_eq(fixture_setup(base, base->store), 0, "%s", base->error.text);
    fixture_stop(base);
}

/* A dead letter counts as done, and so do the events up to it: a new position must not give their numbers again. */
Test(capture_lost, new_position_row_takes_no_number_of_a_dead_letter)
{
    struct capture capture;
    capture_open(&capture, "renumbered");
    capture_run(&capture, EVENT("x") "; " EVENT("y") "; " EVENT("z"));
    capture_expect(&capture, "x y z");
    uint64_t last = capture.last;
    cr_assert_eq(last, (UINT64_C(1) << 62) + 3);
    cr_assert_eq(capture_settle(&capture, 0, 2, last - 1), 0, "%s", capture.base.error.text);
    cr_assert_eq(capture_spool(&capture, 2, 1, last), 0, "%s", capture.base.error.text);
    struct outbox_dead_row row = {.position = {.major = last}, .attempts = 1, .reason = "too bad"};
    cr_assert_eq(fixture_dead_letter(&capture.base, &row), 0, "%s", capture.base.error.text);
    capture_forget(&capture);
    fixture_stop(&capture.base);
    capture_run(&capture, "DROP TABLE %s_position");
    init(&capture);
    capture_run(&capture, EVENT("a") "; " EVENT("b") "; " EVENT("c") "; " EVENT("d"));
    fixture_begin(&capture.base);
    capture_expect(&capture, "a b c d");
    cr_assert_eq(capture.last, last + 4);
    cr_assert_eq(fixture_run(&capture.base, "SELECT outbox_id - (1 << 62) FROM %s_dead"), 3);
    capture_close(&capture);
}

/* M11 */
Test(capture_lost, position_that_the_server_has_not_executed_is_refused)
{
    struct capture capture;
    capture_open(&capture, "ahead");
    capture_run(&capture, EVENT("a"));
    capture_expect(&capture, "a");
    capture_settle_all(&capture);
    fixture_run(&capture.base,
                BY_KIND("", "UPDATE %s_position SET log_position = '0-1-99999999'",
                        "UPDATE %s_position SET log_position = '99999999-0000-0000-0000-000000000000:1-5'"));
    capture_restart(&capture);
    capture_expect_failure(&capture, OUTBOX_E_SCHEMA, "it was restored from a backup, or is another server");
    capture_close(&capture);
}

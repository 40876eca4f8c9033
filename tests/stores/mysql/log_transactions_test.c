/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/log_transactions_test.c - which transactions and rows of one table the binlog of a server has */
#include "log_fixture.h"

#include <stdlib.h>

static void begin(struct log_fixture *fixture, const char *engine)
{
    log_open(fixture, "events");
    log_run(fixture,
            "DROP TABLE IF EXISTS events; DROP TABLE IF EXISTS other; CREATE TABLE other (n INT) ENGINE = InnoDB");
    log_run(fixture, engine);
    log_want(fixture, "k", MYS_LOG_AS_TEXT, false);
    log_want(fixture, "v", MYS_LOG_AS_TEXT, true);
    log_mark(fixture);
}
#define BLACKHOLE "CREATE TABLE events (k VARCHAR(20), v BIGINT UNSIGNED) ENGINE = BLACKHOLE CHARSET utf8mb4"
#define INNODB "CREATE TABLE events (k VARCHAR(20), v BIGINT UNSIGNED) ENGINE = InnoDB CHARSET utf8mb4"

/* M1 */
Test(log_transactions, rows_of_a_blackhole_table_are_atomic_with_those_of_innodb)
{
    struct log_fixture fixture;
    begin(&fixture, BLACKHOLE);
    log_run(&fixture, "BEGIN; INSERT INTO other VALUES (1); INSERT INTO events VALUES ('a', 1), ('b', 2); COMMIT;"
                      "BEGIN; INSERT INTO events VALUES ('never', 1); INSERT INTO other VALUES (1); ROLLBACK;"
                      "BEGIN; INSERT INTO other VALUES (2); SAVEPOINT s; INSERT INTO events VALUES ('never', 2);"
                      "ROLLBACK TO SAVEPOINT s; INSERT INTO events VALUES ('c', 3); COMMIT;"
                      "INSERT INTO events VALUES ('d', 18446744073709551615);"
                      "UPDATE events SET v = 1; DELETE FROM events");
    log_expect(&fixture, "begin; row 'a', 1; row 'b', 2; commit; begin; row 'c', 3; commit; "
                         "begin; row 'd', '18446744073709551615'; commit; ");
    log_close(&fixture);
}

Test(log_transactions, updates_and_deletes_of_an_innodb_table_are_no_events)
{
    struct log_fixture fixture;
    begin(&fixture, INNODB);
    log_run(&fixture, "INSERT INTO events VALUES ('a', 1), ('b', 2); UPDATE events SET v = 3; DELETE FROM events;"
                      "BEGIN; INSERT INTO events VALUES ('c', 1); DELETE FROM events; COMMIT");
    log_expect(&fixture,
               "begin; row 'a', 1; row 'b', 2; commit; begin; commit; begin; commit; begin; row 'c', 1; commit; ");
    log_close(&fixture);
}

/* M6 */
Test(log_transactions, statement_that_names_the_table_is_loud)
{
    struct log_fixture fixture;
    begin(&fixture, INNODB);
    log_run(&fixture, "SET binlog_format = STATEMENT; INSERT INTO other VALUES (7); SET binlog_format = ROW");
    log_expect(&fixture, "begin; statement INSERT; commit; ");
    log_mark(&fixture);
    log_run(&fixture, "SET binlog_format = STATEMENT; INSERT INTO events VALUES ('lost', 1); SET binlog_format = ROW");
    cr_assert_eq(log_read(&fixture), OUTBOX_E_SCHEMA);
    cr_assert_eq(strncmp(fixture.error.text,
                         "read the binlog: a session with binlog_format STATEMENT or MIXED wrote a statement (INSERT, "
                         "schema outbox, transaction ",
                         118),
                 0, "%s", fixture.error.text);
    cr_assert_not_null(strstr(fixture.error.text,
                              ") in place of the rows of table events: the events of this statement are not in the "
                              "log. Find the session, set binlog_format = ROW, add the lost events again, then pass "
                              "the statement: see CAPTURE-MYSQL.md"));
    cr_assert_null(strstr(fixture.error.text, "lost', 1"), "data of the application");
    log_close(&fixture);
}

static void expect_loud(struct log_fixture *fixture, const char *sql)
{
    log_run(fixture, "SET binlog_format = STATEMENT");
    log_mark(fixture);
    log_run(fixture, sql);
    cr_assert_eq(log_read(fixture), OUTBOX_E_SCHEMA, "%s", sql);
    log_run(fixture, "SET binlog_format = ROW");
}

Test(log_transactions, statement_is_loud_whatever_precedes_it)
{
    struct log_fixture fixture;
    begin(&fixture, INNODB);
    expect_loud(&fixture, "-- a comment\nINSERT INTO events VALUES ('lost', 1)");
    expect_loud(&fixture, "# a comment\n  /* and one */ INSERT INTO events VALUES ('lost', 1)");
    if (fixture.mariadb)
        expect_loud(&fixture, "SET STATEMENT max_statement_time = 100 FOR INSERT INTO events VALUES ('lost', 1)");
    log_close(&fixture);
}

/* MariaDB logs the DROP within the transaction. */
Test(log_transactions, temporary_table_does_not_end_the_transaction)
{
    struct log_fixture fixture;
    begin(&fixture, INNODB);
    if (fixture.mariadb)
        log_run(&fixture, "SET binlog_format = STATEMENT");
    log_run(&fixture, "CREATE TEMPORARY TABLE scratch (n INT)");
    if (fixture.mariadb)
        log_run(&fixture, "SET binlog_format = ROW");
    log_mark(&fixture);
    log_run(&fixture, "BEGIN; INSERT INTO events VALUES ('a', 1); DROP TEMPORARY TABLE scratch; "
                      "INSERT INTO events VALUES ('b', 2); COMMIT");
    log_expect(&fixture, "begin; row 'a', 1; row 'b', 2; commit; ");
    log_close(&fixture);
}

Test(log_transactions, rows_of_create_table_select_are_in_its_transaction)
{
    struct log_fixture fixture;
    begin(&fixture, INNODB);
    log_run(&fixture, "DROP TABLE events");
    log_mark(&fixture);
    log_run(&fixture, "CREATE TABLE events ENGINE = InnoDB SELECT CAST('a' AS CHAR(20)) AS k, 5 AS v");
    log_expect(&fixture, "begin; row 'a', 5; commit; ");
    log_close(&fixture);
}

/* M7 */
Test(log_transactions, xa_transactions_are_prepared_and_decided)
{
    struct log_fixture fixture;
    begin(&fixture, INNODB);
    log_run(&fixture,
            "XA START 'one'; INSERT INTO events VALUES ('a', 1); XA END 'one'; XA PREPARE 'one';"
            "XA COMMIT 'one';"
            "XA START 'two', 'branch', 7; INSERT INTO events VALUES ('b', 2); XA END 'two', 'branch', 7;"
            "XA PREPARE 'two', 'branch', 7; XA ROLLBACK 'two', 'branch', 7;"
            "XA START 'three'; INSERT INTO events VALUES ('c', 3); XA END 'three'; XA COMMIT 'three' ONE PHASE");
    log_expect(&fixture, "begin; row 'a', 1; prepared x'6f6e65',x'',1; begin; xa commit x'6f6e65',x'',1; "
                         "begin; row 'b', 2; prepared x'74776f',x'6272616e6368',7; "
                         "begin; xa rollback x'74776f',x'6272616e6368',7; begin; row 'c', 3; commit; ");
    log_close(&fixture);
}

/* M8: without names the columns are known by their place. */
Test(log_transactions, minimal_metadata_is_matched_by_place_and_number_of_columns)
{
    struct log_fixture fixture;
    begin(&fixture, BLACKHOLE);
    log_run(&fixture,
            fixture.mariadb ? "SET GLOBAL binlog_row_metadata = NO_LOG" : "SET GLOBAL binlog_row_metadata = MINIMAL");
    log_run(&fixture, "INSERT INTO events VALUES ('a', 18446744073709551615)");
    log_expect(&fixture, "begin; row 'a', '18446744073709551615'; commit; ");
    log_run(&fixture, "ALTER TABLE events ADD COLUMN w INT");
    log_mark(&fixture);
    log_run(&fixture, "INSERT INTO events VALUES ('b', 2, 3)");
    cr_assert_eq(log_read(&fixture), OUTBOX_E_SCHEMA);
    cr_assert_str_eq(
        fixture.error.text,
        "read the binlog: the table had 3 columns when these events were written and has 2 now, and the log "
        "has no names of columns; set binlog_row_metadata to FULL before a table is altered");
    log_close(&fixture);
}

Test(log_transactions, alter_in_the_stream_is_followed_by_names)
{
    struct log_fixture fixture;
    begin(&fixture, BLACKHOLE);
    log_run(&fixture, "INSERT INTO events VALUES ('a', 1); ALTER TABLE events ADD COLUMN first INT FIRST;"
                      "INSERT INTO events VALUES (9, 'b', 2); ALTER TABLE events DROP COLUMN v;"
                      "INSERT INTO events VALUES (9, 'c'); ALTER TABLE events MODIFY k BIGINT;"
                      "INSERT INTO events VALUES (9, 4)");
    log_expect(&fixture, "begin; row 'a', 1; commit; begin; altered ALTER TABLE events ADD COLUMN first INT FIRST; "
                         "begin; row 'b', 2; commit; begin; altered ALTER TABLE events DROP COLUMN v; "
                         "begin; row 'c', null; commit; begin; altered ALTER TABLE events MODIFY k BIGINT; "
                         "begin; row 4, null; commit; ");
    log_close(&fixture);
}

Test(log_transactions, row_image_minimal_leaves_columns_out)
{
    struct log_fixture fixture;
    begin(&fixture, INNODB);
    log_run(&fixture, "SET binlog_row_image = MINIMAL; INSERT INTO events (v) VALUES (5); SET binlog_row_image = FULL");
    log_expect(&fixture, "begin; row null, 5; commit; ");
    log_close(&fixture);
}

/* M9 */
Test(log_transactions, compressed_events_of_both_servers)
{
    struct log_fixture fixture;
    begin(&fixture, BLACKHOLE);
    if (fixture.mariadb)
        log_run(&fixture, "SET GLOBAL log_bin_compress = ON; SET GLOBAL log_bin_compress_min_len = 10");
    else
        log_run(&fixture, "SET SESSION binlog_transaction_compression = ON");
    log_run(&fixture,
            "BEGIN; INSERT INTO other VALUES (1), (2); INSERT INTO events VALUES ('aaaaaaaaaaaaaaaaaaaa', 1), "
            "('aaaaaaaaaaaaaaaaaaab', 2); INSERT INTO events VALUES ('aaaaaaaaaaaaaaaaaaac', 3); COMMIT");
    log_run(&fixture, "CREATE TABLE aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa (aaaaaaaaaaaaaaaaaa INT); "
                      "DROP TABLE aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    if (fixture.mariadb)
        log_run(&fixture, "SET GLOBAL log_bin_compress = OFF");
    log_expect(&fixture, "begin; row 'aaaaaaaaaaaaaaaaaaaa', 1; row 'aaaaaaaaaaaaaaaaaaab', 2; "
                         "row 'aaaaaaaaaaaaaaaaaaac', 3; commit; begin; commit; begin; commit; ");
    log_close(&fixture);
}

Test(log_transactions, compressed_transaction_larger_than_the_buffers)
{
    struct log_fixture fixture;
    begin(&fixture, BLACKHOLE);
    if (!fixture.mariadb) {
        log_run(&fixture,
                "SET SESSION binlog_transaction_compression = ON, cte_max_recursion_depth = 100000; "
                "INSERT INTO events WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
                "50000) SELECT CONCAT('key', i), i FROM n");
        cr_assert_eq(log_read(&fixture), 0, "%s", fixture.error.text);
        cr_assert_not_null(strstr(fixture.text, "row 'key1', 1; row 'key2', 2; "));
        cr_assert_not_null(strstr(fixture.text, "row 'key50000', 50000; commit; "));
    }
    log_close(&fixture);
}

/* 40 MiB of rows of another table: the reader gives the loop back every 4 MiB. */
Test(log_transactions, compressed_transaction_is_unpacked_in_slices)
{
    struct log_fixture fixture;
    begin(&fixture, BLACKHOLE);
    if (!fixture.mariadb) {
        log_run(&fixture, "CREATE TABLE others (v LONGTEXT); SET SESSION binlog_transaction_compression = ON");
        log_mark(&fixture);
        log_run(&fixture,
                "BEGIN; INSERT INTO others WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
                "i < 800) SELECT REPEAT('x', 50000) FROM n; INSERT INTO events VALUES ('a', 1); COMMIT");
        log_expect(&fixture, "begin; row 'a', 1; commit; ");
        cr_assert(fixture.turns >= 8 && fixture.turns <= 10, "%u", fixture.turns);
    }
    log_close(&fixture);
}

Test(log_transactions, sets_of_transactions_are_those_of_the_server)
{
    struct log_fixture fixture;
    struct obx_sql_text text = {.host = &log_host};
    begin(&fixture, BLACKHOLE);
    const char *executed = fixture.mariadb ? "SELECT @@gtid_binlog_pos" : "SELECT @@global.gtid_executed";
    char *before = log_ask(&fixture, executed);
    cr_assert(mys_gtid_set_parse(&fixture.seen, before), "%s", before);
    if (!fixture.mariadb)
        log_run(&fixture,
                "SET gtid_next = '11111111-2222-3333-4444-555555555555:7'; INSERT INTO events VALUES ('x', 1); "
                "SET gtid_next = 'AUTOMATIC:orders'; INSERT INTO events VALUES ('y', 1); "
                "INSERT INTO events VALUES ('y', 2); SET gtid_next = 'AUTOMATIC'");
    log_run(&fixture, "INSERT INTO events VALUES ('z', 1); INSERT INTO other VALUES (1)");
    if (fixture.mariadb)
        log_run(&fixture, "SET gtid_domain_id = 5; INSERT INTO events VALUES ('z', 2); SET gtid_domain_id = 0");
    char *after = log_ask(&fixture, executed);
    cr_assert_eq(log_read(&fixture), 0, "%s", fixture.error.text);
    struct mys_gtid_set server;
    mys_gtid_set_init(&server, &log_host, fixture.mariadb);
    cr_assert(mys_gtid_set_parse(&server, after));
    mys_gtid_set_print(&fixture.seen, &text);
    cr_assert(mys_gtid_set_covers(&server, &fixture.seen), "%s in %s", obx_sql_text_get(&text), after);
    cr_assert(mys_gtid_set_covers(&fixture.seen, &server), "%s has %s", obx_sql_text_get(&text), after);
    mys_gtid_set_free(&server);
    obx_sql_text_free(&text);
    free(before);
    free(after);
    log_close(&fixture);
}

Test(log_transactions, load_data_is_a_change_that_names_the_table)
{
    static const char body[] =
        "\0\0\0\0\0\0\0\0\6\0\0\1\0fileplacesize\1outbox\0LOAD DATA INFILE 'f' INTO TABLE events";
    const struct mys_log_name name = {.schema = "outbox", .table = "events"};
    struct mys_cursor cursor = {.at = (const unsigned char *)body,
                                .end = (const unsigned char *)body + sizeof body - 1};
    struct mys_statement statement = mys_load_read(cursor, &name);
    cr_assert_eq(statement.kind, MYS_QUERY_CHANGES);
    cr_assert(statement.names_table);
    struct outbox_bytes verb = mys_query_verb(&statement);
    cr_assert(verb.size == 4 && !memcmp(verb.data, "LOAD", 4), "%.*s", (int)verb.size, (const char *)verb.data);
    cursor.end = cursor.at + 20;
    cr_assert_eq(mys_load_read(cursor, &name).kind, MYS_QUERY_BAD);
}

Test(log_transactions, rows_without_columns_are_refused)
{
    static const unsigned char body[] = {7, 0, 0, 0, 0, 0, 0, 0, 2, 0, 'r'};
    struct outbox_error error;
    struct mys_rows rows;
    uint64_t id;
    struct mys_cursor cursor = {.at = body, .end = body + sizeof body};
    cr_assert_eq(mys_rows_open(&rows, cursor, false, &id, &error), OUTBOX_E_SCHEMA);
    cursor.end--;
    cr_assert_eq(mys_rows_open(&rows, cursor, false, &id, &error), 0);
    cr_assert(mys_rows_end(&rows));
}

Test(log_transactions, damaged_byte_is_found_by_its_checksum)
{
    struct log_fixture fixture;
    unsigned char event[] = {0, 0, 0, 0, MYS_EV_XID, 1, 0, 0, 0, 31, 0, 0, 0, 0, 0, 0,
                             0, 0, 0, 1, 2,          3, 4, 5, 6, 7,  8, 0, 0, 0, 0};
    struct mys_event opened;
    begin(&fixture, BLACKHOLE);
    cr_assert_eq(mys_event_open((struct outbox_bytes){event, sizeof event}, true, &opened, &fixture.error),
                 OUTBOX_E_SCHEMA);
    cr_assert_not_null(strstr(fixture.error.text, "the log or the network is damaged"));
    log_close(&fixture);
}

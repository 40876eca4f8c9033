/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/capture_spool_test.c - what the spool takes as the log had it, and what it refuses */
#include "capture_fixture.h"

#include <stdio.h>
#include <string.h>

#define EVENT(key) "INSERT INTO %s (aggregatetype, aggregateid, type, payload) VALUES ('t', '" key "', 'e', 'x')"
#define BOTH(change) "ALTER TABLE %s " change "; ALTER TABLE %s_spool " change

static int64_t spooled(struct capture *capture, const char *where)
{
    char sql[500];
    snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM %%s_spool WHERE %s", where);
    return fixture_run(&capture->base, sql);
}

Test(capture_spool, date_of_no_calendar_is_taken_as_it_was)
{
    struct capture capture;
    capture_open(&capture, "zero_dates");
    capture_run(&capture, "SET sql_mode = 'ALLOW_INVALID_DATES'; " BOTH(
                              "ADD COLUMN d DATETIME NOT NULL, ADD COLUMN t TIMESTAMP NOT NULL "
                              "DEFAULT CURRENT_TIMESTAMP, ADD COLUMN n DATETIME NULL, ADD COLUMN "
                              "y DATE NOT NULL, ADD COLUMN f DATETIME(3) NOT NULL"));
    capture_restart(&capture);
    capture_run(&capture, "INSERT INTO %s (aggregatetype, aggregateid, type, d, t, n, y, f) VALUES ('t', 'a', 'e', "
                          "'2026-00-10 01:02:03', '0000-00-00', '0000-00-00', '0000-00-00', '2026-02-31 "
                          "01:02:03.25'); " EVENT("b"));
    capture_expect(&capture, "a b");
    cr_assert_eq(capture_spool(&capture, 0, 2, capture.last), 0, "%s", capture.base.error.text);
    cr_assert_eq(spooled(&capture, "aggregateid = 'a' AND CONCAT_WS(' ', d, t, n, y, f) = '2026-00-10 01:02:03 "
                                   "0000-00-00 00:00:00 0000-00-00 00:00:00 0000-00-00 2026-02-31 01:02:03.250'"),
                 1);
    cr_assert_eq(spooled(&capture, "aggregateid = 'b'"), 1);
    capture_close(&capture);
}

Test(capture_spool, times_are_those_of_the_log)
{
    struct capture capture;
    capture_open(&capture, "far_times");
    capture_run(&capture, BOTH("ADD COLUMN d DATETIME(6)"));
    capture_restart(&capture);
    capture_run(&capture,
                "INSERT INTO %s (aggregatetype, aggregateid, type, d) VALUES "
                "('t', 'a', 'e', '0001-03-01 00:00:00.000001'), ('t', 'b', 'e', '1969-12-31 23:59:59.999999'), "
                "('t', 'c', 'e', '9999-12-31 23:59:59.999999'), ('t', 'd', 'e', '2024-02-29 12:00:00')");
    capture_expect(&capture, "a b c d");
    cr_assert_eq(capture_spool(&capture, 0, 4, capture.last), 0, "%s", capture.base.error.text);
    cr_assert_eq(spooled(&capture, "CONCAT(aggregateid, d) IN ('a0001-03-01 00:00:00.000001', 'b1969-12-31 "
                                   "23:59:59.999999', 'c9999-12-31 23:59:59.999999', 'd2024-02-29 12:00:00.000000')"),
                 4);
    capture_close(&capture);
}

/* binlog_row_image MINIMAL leaves out what the INSERT did not name. */
Test(capture_spool, column_that_the_log_lacks_has_its_default)
{
    struct capture capture;
    capture_open(&capture, "left_out");
    capture_run(&capture, "ALTER TABLE %s ENGINE = InnoDB; " BOTH("ADD COLUMN v INT NOT NULL DEFAULT 7"));
    capture_run(&capture, "SET GLOBAL binlog_row_image = MINIMAL; SET binlog_row_image = MINIMAL");
    capture_restart(&capture);
    capture_run(&capture, "INSERT INTO %s (event_id, aggregatetype, aggregateid, type) VALUES ('i', 't', 'a', 'e')");
    capture_expect(&capture, "a");
    cr_assert_eq(capture_spool(&capture, 0, 1, capture.last), 0, "%s", capture.base.error.text);
    cr_assert_eq(spooled(&capture, "v = 7 AND aggregateid = 'a' AND payload IS NULL"), 1);
    capture_run(&capture, "SET GLOBAL binlog_row_image = FULL");
    capture_close(&capture);
}

/* MariaDB: check_constraint_checks = 0 lets an application insert it. MySQL has no such JSON. */
Test(capture_spool, json_that_was_not_checked_is_taken)
{
    struct capture capture;
    capture_open(&capture, "unchecked");
    cr_assert_not(session_try(capture.base.sql, "INSERT INTO unchecked (aggregatetype, aggregateid, type, headers) "
                                                "VALUES ('t', 'a', 'e', '[1]')"));
    if (server_kind() == MARIADB) {
        capture_run(&capture, "SET check_constraint_checks = 0; INSERT INTO %s (aggregatetype, aggregateid, type, "
                              "headers) VALUES ('t', 'a', 'e', 'no json')");
        capture_expect(&capture, "a");
        cr_assert_eq(capture_spool(&capture, 0, 1, capture.last), 0, "%s", capture.base.error.text);
        cr_assert_eq(spooled(&capture, "headers = 'no json'"), 1);
    }
    capture_close(&capture);
}

/* The spool was altered by hand, and the values of some events do not fit. */
Test(capture_spool, refused_events_are_dead_letters_and_the_others_are_spooled)
{
    struct capture capture;
    capture_open(&capture, "refusing");
    capture_run(&capture, "ALTER TABLE %s ADD COLUMN v BIGINT, ADD COLUMN b VARBINARY(9); ALTER TABLE %s_spool MODIFY "
                          "aggregateid VARCHAR(2) NOT NULL, ADD COLUMN v BIGINT, ADD COLUMN b VARBINARY(9)");
    capture_restart(&capture);
    capture_run(&capture, "INSERT INTO %s (aggregatetype, aggregateid, type, payload, headers, v, b) VALUES ('t', 'a', "
                          "'e', 'x', NULL, 1, NULL), ('t', 'long', 'e', x'00ff', '{\"h\": 1}', -5, x'00ff'), ('t', "
                          "'b', 'e', 'x', NULL, 2, NULL), ('t', 'longer', 'e', 'x', NULL, 3, NULL), ('t', 'c', 'e', "
                          "'x', NULL, 4, NULL)");
    capture_expect(&capture, "a long b longer c");
    uint64_t last = capture.last, refused = 0;
    cr_assert_eq(capture_spool_counting(&capture, 0, 5, last, &refused), 0, "%s", capture.base.error.text);
    cr_assert_eq(refused, 2);
    cr_assert_eq(spooled(&capture, "aggregateid IN ('a', 'b', 'c')"), 3);
    cr_assert_eq(fixture_run(&capture.base,
                             "SELECT COUNT(*) FROM %s_dead WHERE aggregateid = 'long' AND payload = x'00ff' AND "
                             "JSON_EXTRACT(headers, '$.h') = 1 AND reason LIKE '%%Data too long for column%%' AND "
                             "reason LIKE CONCAT(event_id, '%%')"),
                 1);
    cr_assert_eq(fixture_run(&capture.base, "SELECT COUNT(*) FROM %s_dead"), 2);
    capture_restart(&capture);
    capture_expect(&capture, "a b c");
    cr_assert_eq(capture_settle(&capture, 0, 3, 0), 0, "%s", capture.base.error.text);
    capture_replay(&capture);
    capture_expect_rewound(&capture, "long longer");
    cr_assert_eq(capture.last, last + 2);
    capture_close(&capture);
}

/* The relay died after the dead letter was committed, before the position was: the next one knows the event as done. */
Test(capture_spool, refused_event_is_one_dead_letter)
{
    struct capture capture;
    capture_open(&capture, "once");
    capture_run(&capture, "ALTER TABLE %s_spool MODIFY aggregateid VARCHAR(2) NOT NULL");
    capture_restart(&capture);
    capture_run(&capture, EVENT("long") "; " EVENT("b"));
    capture_expect(&capture, "long b");
    uint64_t last = capture.last;
    fixture_run(&capture.base, "CREATE TABLE %s_before AS SELECT * FROM %s_position");
    cr_assert_eq(capture_spool(&capture, 0, 1, last - 1), 0, "%s", capture.base.error.text);
    fixture_run(&capture.base, "UPDATE %s_position p JOIN %s_before b SET p.log_position = b.log_position, p.log_index "
                               "= b.log_index, p.sequence = b.sequence");
    capture_restart(&capture);
    capture_expect(&capture, "b");
    cr_assert_eq(capture_settle(&capture, 0, 1, last), 0, "%s", capture.base.error.text);
    capture_restart(&capture);
    capture_expect(&capture, "");
    cr_assert_eq(fixture_run(&capture.base, "SELECT COUNT(*) FROM %s_dead"), 1);
    fixture_run(&capture.base, "DROP TABLE %s_before");
    capture_close(&capture);
}

/* A BLACKHOLE table enforces no unique key; its spool does. Neither event is lost. */
Test(capture_spool, unique_key_of_the_spool_drops_no_event)
{
    struct capture capture;
    capture_open(&capture, "unique_ids");
    capture_run(&capture, "ALTER TABLE %s_spool ADD UNIQUE KEY (event_id)");
    capture_restart(&capture);
    capture_run(&capture, "INSERT INTO %s (event_id, aggregatetype, aggregateid, type) VALUES ('i', 't', 'a', 'e'), "
                          "('i', 't', 'b', 'e'), ('k', 't', 'c', 'e')");
    capture_expect(&capture, "a b c");
    cr_assert_eq(capture_spool(&capture, 0, 3, capture.last), 0, "%s", capture.base.error.text);
    cr_assert_eq(spooled(&capture, "aggregateid IN ('a', 'c')"), 2);
    cr_assert_eq(fixture_run(&capture.base, "SELECT COUNT(*) FROM %s_dead WHERE aggregateid = 'b' AND reason LIKE "
                                            "'%%another event in the spool has the same value in a unique key%%'"),
                 1);
    capture_close(&capture);
}

Test(capture_spool, event_that_the_dead_letters_refuse_as_well_keeps_the_log)
{
    struct capture capture;
    capture_open(&capture, "both_refuse");
    capture_run(&capture, "ALTER TABLE %s_spool MODIFY aggregateid VARCHAR(2) NOT NULL; ALTER TABLE %s_dead MODIFY "
                          "aggregateid VARCHAR(2)");
    capture_restart(&capture);
    capture_run(&capture, EVENT("a") "; " EVENT("long") "; " EVENT("b"));
    capture_expect(&capture, "a long b");
    cr_assert_eq(capture_spool(&capture, 0, 3, capture.last), OUTBOX_E_AGAIN, "%s", capture.base.error.text);
    cr_assert_not_null(strstr(capture.base.error.text, "the spool and the dead-letter table refuse event "), "%s",
                       capture.base.error.text);
    capture_run(&capture, "ALTER TABLE %s_dead MODIFY aggregateid VARCHAR(255)");
    cr_assert_eq(capture_spool(&capture, 0, 3, capture.last), 0, "%s", capture.base.error.text);
    cr_assert_eq(spooled(&capture, "aggregateid IN ('a', 'b')"), 2);
    capture_restart(&capture);
    capture_expect(&capture, "a b");
    capture_close(&capture);
}

/* A failure that is not a value's is no reason for dead letters. */
Test(capture_spool, missing_spool_makes_no_dead_letters)
{
    struct capture capture;
    capture_open(&capture, "renamed_spool");
    capture_run(&capture, EVENT("a") "; " EVENT("b"));
    capture_expect(&capture, "a b");
    capture_run(&capture, "RENAME TABLE %s_spool TO %s_away");
    cr_assert_neq(capture_spool(&capture, 0, 2, capture.last), 0);
    cr_assert_eq(fixture_run(&capture.base, "SELECT COUNT(*) FROM %s_dead"), 0);
    capture_run(&capture, "RENAME TABLE %s_away TO %s_spool");
    capture_close(&capture);
}

/* In hexadecimal digits it would not fit into a packet, which the application's INSERT did. */
Test(capture_spool, event_of_more_than_half_a_packet_is_spooled)
{
    struct capture capture;
    capture_open(&capture, "heavy");
    fixture_run(&capture.base, "SET GLOBAL max_allowed_packet = 4194304");
    capture_restart(&capture);
    fixture_run(&capture.base, "INSERT INTO %s (aggregatetype, aggregateid, type, payload) VALUES ('t', 'a', 'e', "
                               "REPEAT(x'00275c41424344454647', 280000))");
    capture_expect(&capture, "a");
    cr_assert_eq(capture_spool(&capture, 0, 1, capture.last), 0, "%s", capture.base.error.text);
    cr_assert_eq(spooled(&capture, "payload = REPEAT(x'00275c41424344454647', 280000)"), 1);
    fixture_run(&capture.base, "SET GLOBAL max_allowed_packet = DEFAULT");
    capture_close(&capture);
}

static int64_t copies(struct capture *capture)
{
    return fixture_run(&capture->base, "SELECT COUNT(*) FROM %s_spool");
}

/* A relay died between the copy of b and the record of the position, which is before a. The next one publishes b. If
 * it removed the copy then and died, nothing would show that a and b are done. */
Test(capture_spool, copy_stays_until_the_position_has_passed_it)
{
    struct capture capture;
    struct outbox_refused refused = {.struct_size = sizeof refused};
    capture_open(&capture, "proving");
    capture_run(&capture, EVENT("a") "; " EVENT("b") "; " EVENT("c"));
    capture_expect(&capture, "a b c");
    uint64_t last = capture.last;
    fixture_run(&capture.base, "CREATE TABLE %s_before AS SELECT * FROM %s_position");
    cr_assert_eq(capture_settle(&capture, 0, 1, last - 2), 0, "%s", capture.base.error.text);
    cr_assert_eq(capture_spool(&capture, 1, 1, last - 1), 0, "%s", capture.base.error.text);
    fixture_run(&capture.base, "UPDATE %s_position p JOIN %s_before b SET p.log_position = b.log_position, p.log_index "
                               "= b.log_index, p.sequence = b.sequence");
    capture_restart(&capture);
    capture_await(&capture, OUTBOX_CLAIM_REWIND, 1);
    cr_assert(capture.rows == 1 && capture.spooled == 1 && capture.last == last - 1);
    cr_assert_eq(capture_settle_asking(&capture, 0, 1, 0, &refused), 0, "%s", capture.base.error.text);
    cr_assert_eq(refused.locked, 1);
    cr_assert(refused.position_count == 1 && refused.positions[0].major == last - 1);
    cr_assert_eq(copies(&capture), 1);
    capture_restart(&capture); /* it dies */
    capture_expect(&capture, "b c");
    cr_assert_eq(capture.spooled, 1);
    cr_assert_eq(capture_settle_asking(&capture, 0, 2, last, &refused), 0, "%s", capture.base.error.text);
    cr_assert_eq(capture_settle_asking(&capture, 0, 0, last, &refused), 0, "%s", capture.base.error.text);
    cr_assert(refused.locked == 0 && refused.position_count == 0);
    cr_assert_eq(copies(&capture), 0);
    capture_expect_rewound(&capture, "");
    fixture_run(&capture.base, "DROP TABLE %s_before");
    capture_close(&capture);
}

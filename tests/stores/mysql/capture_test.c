/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/capture_test.c - events of the binlog: order, positions, restarts, the spool */
#include "capture_fixture.h"

#include <stdlib.h>
#include <string.h>

#define EVENT(key) "INSERT INTO %s (aggregatetype, aggregateid, type, payload) VALUES ('t', '" key "', 'e', 'x')"

Test(capture, committed_events_come_in_the_order_of_their_commits)
{
    struct capture capture;
    capture_open(&capture, "flow");
    capture_run(&capture, EVENT("a") "; BEGIN; " EVENT("b") "; " EVENT("c") "; COMMIT; BEGIN; " EVENT(
                              "never") "; ROLLBACK; " EVENT("d"));
    capture_expect(&capture, "a b c d");
    cr_assert_eq(capture.last, (UINT64_C(1) << 62) + 4);
    capture_settle_all(&capture);
    capture_expect(&capture, "");
    capture_run(&capture, EVENT("e"));
    capture_expect(&capture, "e");
    cr_assert_eq(fixture_count_rows(&capture.base), 0); /* of the table, which keeps nothing */
    capture_close(&capture);
}

Test(capture, events_between_init_and_the_first_start_are_relayed)
{
    struct capture capture;
    memset(&capture, 0, sizeof capture);
    fixture_open(&capture.base, "early", true, "  capture: binlog\n");
    capture_run(&capture, EVENT("a") "; " EVENT("b"));
    fixture_begin(&capture.base);
    capture_expect(&capture, "a b");
    capture_close(&capture);
}

Test(capture, restart_continues_after_what_was_settled)
{
    struct capture capture;
    capture_open(&capture, "again");
    capture_run(&capture, EVENT("a") "; " EVENT("b") "; BEGIN; " EVENT("c") "; " EVENT("d") "; " EVENT(
                              "e") "; COMMIT; " EVENT("f"));
    capture_expect(&capture, "a b c d e f");
    uint64_t base = capture.last - 6;
    cr_assert_eq(capture_settle(&capture, 0, 4, base + 4), 0, "%s", capture.base.error.text); /* in a transaction */
    capture_restart(&capture);
    capture_expect(&capture, "e f");
    cr_assert_eq(capture.last, base + 6); /* the same numbers */
    capture_settle_all(&capture);
    capture_restart(&capture);
    capture_expect(&capture, "");
    capture_close(&capture);
}

Test(capture, rewind_gives_what_is_not_settled)
{
    struct capture capture;
    capture_open(&capture, "rewound");
    capture_run(&capture, EVENT("a") "; " EVENT("b") "; " EVENT("c"));
    capture_expect(&capture, "a b c");
    cr_assert_eq(capture_settle(&capture, 0, 1, capture.last - 2), 0, "%s", capture.base.error.text);
    capture_expect_rewound(&capture, "b c");
    capture_close(&capture);
}

Test(capture, spooled_event_leaves_the_log_and_comes_by_position)
{
    struct capture capture;
    capture_open(&capture, "spooling");
    capture_run(&capture, EVENT("a") "; " EVENT("b") "; " EVENT("c"));
    capture_expect(&capture, "a b c");
    uint64_t last = capture.last;
    cr_assert_eq(capture_spool(&capture, 1, 1, last - 1), 0, "%s", capture.base.error.text);
    cr_assert_eq(fixture_run(&capture.base,
                             "SELECT COUNT(*) FROM %s_spool WHERE aggregateid = 'b' AND event_id <> '' AND "
                             "payload = 'x'"),
                 1);
    capture_settle(&capture, 2, 1, last);
    capture_restart(&capture);
    capture_expect(&capture, "b");
    cr_assert_eq(capture.spooled, 1);
    cr_assert_eq(capture.last, last - 1);
    cr_assert_eq(capture_settle(&capture, 0, 1, 0), 0, "%s", capture.base.error.text);
    cr_assert_eq(fixture_run(&capture.base, "SELECT COUNT(*) FROM %s_spool"), 0);
    capture_expect_rewound(&capture, "");
    capture_close(&capture);
}

Test(capture, values_of_a_spooled_event_stay_the_same)
{
    struct capture capture;
    capture_open(&capture, "kept");
    capture_run(
        &capture,
        "ALTER TABLE %s ADD COLUMN n DECIMAL(10, 3), ADD COLUMN r DOUBLE, ADD COLUMN b VARBINARY(20), ADD COLUMN d "
        "DATETIME(6); ALTER TABLE %s_spool ADD COLUMN n DECIMAL(10, 3), ADD COLUMN r DOUBLE, ADD COLUMN b "
        "VARBINARY(20), ADD COLUMN d DATETIME(6)");
    capture_restart(&capture);
    capture_run(&capture,
                "INSERT INTO %s (aggregatetype, aggregateid, type, payload, headers, n, r, b, d) VALUES ('t', "
                "'it''s \xc3\xbc', 'e', x'00ff', '{\"a\": [1, 2.5, \"\\\\u00e9\"]}', -1.5, 0.1, x'00ff00', "
                "'2026-11-29 17:00:00.123456')");
    capture_expect(&capture, "it's \xc3\xbc");
    cr_assert_eq(capture_spool(&capture, 0, 1, capture.last), 0, "%s", capture.base.error.text);
    cr_assert_eq(
        fixture_run(&capture.base,
                    "SELECT COUNT(*) FROM %s_spool WHERE aggregateid = 'it''s \xc3\xbc' AND payload = x'00ff' AND "
                    "JSON_EXTRACT(headers, '$.a[1]') = 2.5 AND n = -1.5 AND r = 0.1 AND b = x'00ff00' AND d = "
                    "'2026-11-29 17:00:00.123456'"),
        1);
    capture_close(&capture);
}

Test(capture, dead_letter_is_moved_from_the_spool_and_replayed_into_the_log)
{
    struct capture capture;
    capture_open(&capture, "dying");
    capture_run(&capture, EVENT("a") "; " EVENT("b"));
    capture_expect(&capture, "a b");
    uint64_t last = capture.last;
    cr_assert_eq(capture_spool(&capture, 0, 1, last - 1), 0, "%s", capture.base.error.text);
    struct outbox_dead_row row = {.position = {.major = last - 1}, .attempts = 1, .reason = "too bad"};
    cr_assert_eq(fixture_dead_letter(&capture.base, &row), 0, "%s", capture.base.error.text);
    cr_assert_eq(fixture_run(&capture.base, "SELECT COUNT(*) FROM %s_spool"), 0);
    cr_assert_eq(fixture_run(&capture.base, "SELECT COUNT(*) FROM %s_dead WHERE aggregateid = 'a'"), 1);
    capture_close(&capture);
}

/* M3, M4 */
Test(capture, event_id_is_filled_in_or_taken_as_given)
{
    struct capture capture;
    capture_open(&capture, "ids");
    capture_run(&capture, EVENT("a") "; INSERT INTO %s (event_id, aggregatetype, aggregateid, type) VALUES "
                                     "('11111111-2222-3333-4444-555555555555', 't', 'b', 'e')");
    capture_expect(&capture, "a b");
    const struct outbox_batch *batch = capture.batches[0];
    cr_assert_eq(batch->values[0].size, 36);
    const struct outbox_batch *second = batch->rows > 1 ? batch : capture.batches[1];
    const struct outbox_value *given = &second->values[batch->rows > 1 ? batch->columns : 0];
    cr_assert_eq(given->size, 36);
    cr_assert_eq(memcmp(given->as.data, "11111111-2222-3333-4444-555555555555", 36), 0);
    capture_close(&capture);
}

/* M7: held until the decision, over a restart. */
Test(capture, xa_transaction_is_relayed_when_it_is_committed)
{
    struct capture capture;
    capture_open(&capture, "xa");
    struct session *one = session_open(), *two = session_open(), *other = session_open();
    session_run(one, "XA START 'one'");
    fixture_insert(&capture.base, one, "a");
    session_run(one, "XA END 'one'");
    session_run(one, "XA PREPARE 'one'");
    session_run(two, "XA START 'two'");
    fixture_insert(&capture.base, two, "never");
    session_run(two, "XA END 'two'");
    session_run(two, "XA PREPARE 'two'");
    fixture_insert(&capture.base, other, "b");
    fixture_insert(&capture.base, other, "c");
    capture_expect(&capture, "b c");
    capture_settle_all(&capture);
    char *position = capture_position(&capture);
    cr_assert_not_null(strstr(position, " from "), "%s", position);
    free(position);
    capture_restart(&capture);
    capture_expect(&capture, "");
    session_run(two, "XA ROLLBACK 'two'");
    session_run(one, "XA COMMIT 'one'");
    capture_expect(&capture, "a");
    cr_assert_eq(capture.last, (UINT64_C(1) << 62) + 3);
    capture_settle_all(&capture);
    position = capture_position(&capture);
    cr_assert_null(strstr(position, " from "), "%s", position);
    free(position);
    capture_restart(&capture);
    fixture_insert(&capture.base, other, "d");
    capture_expect(&capture, "d");
    session_close(one);
    session_close(two);
    session_close(other);
    capture_close(&capture);
}

/* The relay died after the last event of a transaction was passed, and before the transaction was. */
Test(capture, index_of_a_passed_transaction_is_not_that_of_the_next)
{
    struct capture capture;
    capture_open(&capture, "indexed");
    capture_run(&capture, EVENT("a"));
    capture_expect(&capture, "a");
    capture_run(&capture, "UPDATE %s_position SET log_index = 1, sequence = sequence + 1");
    capture_restart(&capture);
    capture_run(&capture, EVENT("b"));
    capture_expect(&capture, "b");
    cr_assert_eq(capture_settle(&capture, 0, 0, capture.last - 1), 0, "%s", capture.base.error.text);
    capture_expect_rewound(&capture, "b");
    capture_close(&capture);
}

Test(capture, record_that_failed_is_made_by_the_repetition)
{
    struct capture capture;
    capture_open(&capture, "unrecorded");
    struct session *other = session_open();
    capture_run(&capture, EVENT("a") "; " EVENT("b"));
    capture_expect(&capture, "a b");
    session_run(other, "BEGIN");
    session_run(other, "SELECT id FROM unrecorded_position FOR UPDATE");
    cr_assert_eq(capture_settle(&capture, 0, 1, capture.last - 1), OUTBOX_E_AGAIN, "%s", capture.base.error.text);
    session_run(other, "ROLLBACK");
    cr_assert_eq(capture_settle(&capture, 0, 1, capture.last - 1), 0, "%s", capture.base.error.text);
    capture_restart(&capture);
    capture_expect(&capture, "b");
    session_close(other);
    capture_close(&capture);
}

/* MariaDB without gtid_strict_mode: what was passed is not all with a lower number. */
Test(capture, lower_number_in_a_domain_is_no_old_transaction)
{
    struct capture capture;
    capture_open(&capture, "unordered");
    if (server_kind() == MARIADB) {
        capture_run(&capture,
                    "SET GLOBAL gtid_strict_mode = OFF; SET gtid_domain_id = 77, gtid_seq_no = 100; " EVENT("a"));
        capture_expect(&capture, "a");
        capture_settle_all(&capture);
        capture_run(&capture, "SET gtid_domain_id = 77, gtid_seq_no = 50; " EVENT(
                                  "b") "; SET gtid_seq_no = 101; " EVENT("c") "; SET gtid_domain_id = 0");
        capture_expect(&capture, "b c"); /* later readers begin after c: the server refuses to begin after b */
    }
    capture_close(&capture);
}

/* M16 */
Test(capture, huge_transaction_is_claimed_in_parts_and_resumed_inside)
{
    enum { ROWS = 60000 };
    struct capture capture;
    capture_open(&capture, "huge");
    fixture_run(&capture.base, "CREATE TABLE IF NOT EXISTS numbers (n INT PRIMARY KEY)");
    fixture_run(&capture.base,
                "INSERT IGNORE INTO numbers WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r "
                "WHERE n < 300) SELECT n FROM r");
    fixture_run(&capture.base,
                "INSERT INTO %s (aggregatetype, aggregateid, type, payload) SELECT 't', a.n, 'e', REPEAT('x', "
                "200) FROM numbers a JOIN numbers b WHERE b.n <= 200");
    uint32_t rows = 0;
    while (rows < 30000) {
        cr_assert_eq(capture_claim(&capture, 0, 1000), 0, "%s", capture.base.error.text);
        rows += capture.rows;
        cr_assert_eq(capture_settle(&capture, 0, capture.rows, capture.last), 0, "%s", capture.base.error.text);
        capture_forget(&capture);
    }
    cr_assert_eq(capture.last, (UINT64_C(1) << 62) + rows);
    capture_restart(&capture);
    while (rows < ROWS) {
        cr_assert_eq(capture_claim(&capture, 0, 1000), 0, "%s", capture.base.error.text);
        rows += capture.rows;
        cr_assert_eq(capture.last, (UINT64_C(1) << 62) + rows);
        capture_settle_all(&capture);
    }
    capture_expect(&capture, "");
    capture_close(&capture);
}

/* M8: without names the columns are read again. */
Test(capture, alter_without_names_in_the_log_is_followed)
{
    struct capture capture;
    capture_open(&capture, "altered_table");
    fixture_run(&capture.base,
                BY_KIND("", "SET GLOBAL binlog_row_metadata = NO_LOG", "SET GLOBAL binlog_row_metadata = MINIMAL"));
    capture_run(&capture, EVENT("a"));
    capture_expect(&capture, "a");
    capture_settle_all(&capture);
    capture_run(&capture, "ALTER TABLE %s ADD COLUMN more INT FIRST; " EVENT("b"));
    capture_expect_failure(&capture, OUTBOX_E_NOT_CONNECTED, "was altered, and the log has no names of columns");
    capture_restart(&capture);
    capture_expect(&capture, "b");
    fixture_run(&capture.base, "SET GLOBAL binlog_row_metadata = FULL");
    capture_close(&capture);
}

Test(capture, event_of_several_packets_is_whole)
{
    enum { SIZE = 17 << 20 };
    struct capture capture;
    capture_open(&capture, "large");
    fixture_run(&capture.base, "SET GLOBAL max_allowed_packet = 67108864");
    session_close(capture.base.sql);
    capture.base.sql = session_open();
    fixture_run(&capture.base,
                "INSERT INTO %s (aggregatetype, aggregateid, type, payload) VALUES ('t', 'a', 'e', REPEAT('x', "
                "17 << 20))");
    capture_run(&capture, EVENT("b"));
    capture_await(&capture, 0, 1);
    cr_assert_eq(capture.rows, 1);
    cr_assert_eq(capture.batches[0]->values[2].size, (uint32_t)SIZE);
    capture_forget(&capture);
    capture_expect(&capture, "b");
    capture_close(&capture);
}

/* M17 */
Test(capture, own_records_are_no_reason_to_record)
{
    struct capture capture;
    capture_open(&capture, "echo");
    capture_run(&capture, EVENT("a"));
    capture_expect(&capture, "a");
    capture_settle_all(&capture);
    int64_t writes = fixture_run(&capture.base, "SELECT writes FROM %s_position");
    for (int i = 0; i < 20; i++) {
        capture_expect(&capture, "");
        cr_assert_eq(capture_settle(&capture, 0, 0, capture.last), 0, "%s", capture.base.error.text);
    }
    cr_assert_eq(fixture_run(&capture.base, "SELECT writes FROM %s_position"), writes);
    capture_close(&capture);
}

/* M13 */
Test(capture, former_owner_can_neither_record_nor_spool)
{
    struct capture capture;
    capture_open(&capture, "owners");
    capture_run(&capture, EVENT("a") "; " EVENT("b"));
    capture_expect(&capture, "a b");
    fixture_run(&capture.base, "UPDATE %s_position SET epoch = epoch + 1");
    cr_assert_eq(capture_settle(&capture, 0, 1, capture.last - 1), OUTBOX_E_FENCED, "%s", capture.base.error.text);
    capture_restart(&capture);
    capture_expect(&capture, "a b");
    fixture_run(&capture.base, "UPDATE %s_relay SET epoch = epoch + 1");
    cr_assert_eq(capture_spool(&capture, 0, 1, capture.last - 1), OUTBOX_E_FENCED, "%s", capture.base.error.text);
    cr_assert_eq(fixture_run(&capture.base, "SELECT COUNT(*) FROM %s_spool"), 0);
    capture_close(&capture);
}

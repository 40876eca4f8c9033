/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/mysql/capture_layout_test.c - M8: a log without names of columns, and a table that is altered
 *
 * Two columns of one type change their places: rows from before are read rightly, or not at all.
 */
#include "capture_fixture.h"

#include <string.h>

#define EVENT(key) "INSERT INTO %s (aggregatetype, aggregateid, type, payload) VALUES ('t', '" key "', 'e', 'x')"
#define SWAP                                                                \
    "ALTER TABLE %s CHANGE aggregateid type VARCHAR(255) NOT NULL, CHANGE " \
    "type aggregateid VARCHAR(255) NOT NULL"

static void open_without_names(struct capture *capture, const char *table)
{
    capture_open(capture, table);
    fixture_run(&capture->base,
                BY_KIND("", "SET GLOBAL binlog_row_metadata = NO_LOG", "SET GLOBAL binlog_row_metadata = MINIMAL"));
}

static void close(struct capture *capture)
{
    fixture_run(&capture->base, "SET GLOBAL binlog_row_metadata = FULL");
    capture_close(capture);
}

/* The log is searched up to where the columns were read, and nothing is there. */
Test(capture_layout, backlog_is_relayed_if_nothing_was_altered)
{
    struct capture capture;
    open_without_names(&capture, "unaltered");
    fixture_stop(&capture.base);
    capture_run(
        &capture,
        EVENT("a") "; BEGIN; " EVENT("b") "; " EVENT(
            "c") "; COMMIT; OPTIMIZE TABLE %s; GRANT SELECT "
                 "ON %s TO outbox; ALTER TABLE %s COMMENT = 'an outbox'; CREATE TABLE IF NOT EXISTS %s (n INT); " EVENT(
                     "d"));
    fixture_begin(&capture.base);
    capture_expect(&capture, "a b c d");
    cr_assert_eq(capture_settle(&capture, 0, 2, capture.last - 2), 0, "%s", capture.base.error.text);
    capture_restart(&capture); /* within the transaction */
    capture_expect(&capture, "c d");
    capture_run(&capture, EVENT("e"));
    capture_expect(&capture, "e");
    capture_settle_all(&capture);
    close(&capture);
}

/* Events before the ALTER were not read, and the columns are those after it. */
Test(capture_layout, backlog_before_an_alter_is_refused)
{
    struct capture capture;
    open_without_names(&capture, "swapped");
    fixture_stop(&capture.base);
    capture_run(&capture, EVENT("a") "; " SWAP "; " EVENT("b"));
    fixture_begin(&capture.base);
    capture_expect_failure(&capture, OUTBOX_E_SCHEMA, "table outbox.swapped was altered by transaction ");
    cr_assert_eq(capture.rows, 0);
    close(&capture);
}

Test(capture_layout, backlog_after_an_alter_is_relayed)
{
    struct capture capture;
    open_without_names(&capture, "swapped_first");
    fixture_stop(&capture.base);
    capture_run(&capture, SWAP "; " EVENT("b"));
    fixture_begin(&capture.base);
    capture_expect(&capture, "b");
    close(&capture);
}

Test(capture_layout, table_that_was_replaced_is_refused)
{
    struct capture capture;
    open_without_names(&capture, "replaced");
    fixture_stop(&capture.base);
    capture_run(&capture, EVENT("a") "; RENAME TABLE %s TO %s_old; CREATE TABLE %s LIKE %s_old; " EVENT("b"));
    fixture_begin(&capture.base);
    capture_expect_failure(&capture, OUTBOX_E_SCHEMA, "table outbox.replaced was altered by transaction ");
    fixture_run(&capture.base, "DROP TABLE %s_old");
    close(&capture);
}

/* With names in the log all of it is read. */
Test(capture_layout, names_in_the_log_are_enough)
{
    struct capture capture;
    capture_open(&capture, "named");
    fixture_stop(&capture.base);
    capture_run(&capture, EVENT("a") "; " SWAP "; " EVENT("b"));
    fixture_begin(&capture.base);
    capture_expect(&capture, "a b");
    capture_close(&capture);
}

/* The columns are read again only when nothing from before the ALTER has to be read again. */
Test(capture_layout, events_before_an_alter_are_passed_first)
{
    struct capture capture;
    open_without_names(&capture, "swapped_live");
    capture_run(&capture, EVENT("a") "; " EVENT("b"));
    capture_expect(&capture, "a b");
    uint64_t last = capture.last;
    capture_run(&capture, SWAP "; " EVENT("c"));
    capture_expect(&capture, "");
    cr_assert_eq(capture_settle(&capture, 0, 1, last - 1), 0, "%s", capture.base.error.text);
    capture_expect(&capture, "");
    capture_expect_rewound(&capture, "b"); /* as it was written */
    cr_assert_eq(capture_settle(&capture, 0, 1, last), 0, "%s", capture.base.error.text);
    capture_forget(&capture);
    capture_expect_failure(&capture, OUTBOX_E_NOT_CONNECTED, "was altered, and the log has no names of columns");
    capture_restart(&capture);
    capture_expect(&capture, "c");
    cr_assert_eq(capture.last, last + 1);
    close(&capture);
}

/* A relay that read on with events left would lose the connection, and the next one would refuse those. */
Test(capture_layout, settle_before_the_last_one_reads_nothing_after_an_alter)
{
    struct capture capture;
    open_without_names(&capture, "swapped_waiting");
    capture_run(&capture, EVENT("a") "; " EVENT("b") "; " EVENT("c"));
    capture_expect(&capture, "a b c");
    uint64_t last = capture.last;
    capture_run(&capture, SWAP "; " EVENT("d"));
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert_eq(capture_settle(&capture, i, 1, last - 2 + i), 0, "%s", capture.base.error.text);
        capture_expect(&capture, "");
    }
    cr_assert_eq(capture_settle(&capture, 2, 1, last), 0, "%s", capture.base.error.text);
    capture_forget(&capture);
    capture_expect_failure(&capture, OUTBOX_E_NOT_CONNECTED, "was altered, and the log has no names of columns");
    capture_restart(&capture);
    capture_expect(&capture, "d"); /* the key: 'e' with the columns of before */
    cr_assert_eq(capture.last, last + 1);
    close(&capture);
}

/* Names were in the log when the table was altered, and are not any more. */
Test(capture_layout, names_that_end_after_an_alter_make_it_read_the_columns_again)
{
    struct capture capture;
    capture_open(&capture, "unnamed");
    capture_run(&capture, EVENT("a"));
    capture_expect(&capture, "a");
    capture_settle_all(&capture);
    capture_run(&capture, SWAP "; " EVENT("b"));
    capture_expect(&capture, "b");
    capture_settle_all(&capture);
    fixture_run(&capture.base,
                BY_KIND("", "SET GLOBAL binlog_row_metadata = NO_LOG", "SET GLOBAL binlog_row_metadata = MINIMAL"));
    capture_run(&capture, EVENT("c"));
    capture_expect_failure(&capture, OUTBOX_E_NOT_CONNECTED, "was altered, and the log has no names of columns");
    capture_restart(&capture);
    capture_expect(&capture, "c");
    close(&capture);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/check_test.c - what `outbox check` finds in a server's settings */
#include "bed.h"

Test(check, events_that_go_to_the_binlog_twice_are_told_of)
{
    struct bed bed;
    bed_open(&bed, "twice", true, "");
    bed_begin(&bed);
    struct bed_findings full = bed_look_for(&bed, "binlog_row_image is FULL");
    bed_run(&bed, "SET GLOBAL binlog_row_image = MINIMAL");
    struct bed_findings minimal = bed_look_for(&bed, "binlog_row_image");
    bed_run(&bed, "SET GLOBAL binlog_row_image = FULL");
    cr_assert_eq(full.count, 1);
    cr_assert_eq(full.level, OUTBOX_LOG_INFO);
    cr_assert(full.advised);
    cr_assert_eq(minimal.count, 0);
    bed_close(&bed);
}

Test(check, a_binlog_of_statements_is_an_error)
{
    struct bed bed;
    bed_open(&bed, "statements", true, "");
    bed_begin(&bed);
    cr_assert_eq(bed_look_for(&bed, "binlog_format").count, 0);
    bed_run(&bed, "SET GLOBAL binlog_format = STATEMENT");
    struct bed_findings statement = bed_look_for(&bed, "binlog_format is STATEMENT");
    bed_run(&bed, "SET GLOBAL binlog_format = ROW");
    cr_assert_eq(statement.count, 1);
    cr_assert_eq(statement.level, OUTBOX_LOG_ERROR);
    bed_close(&bed);
}

Test(check, who_may_read_the_binlog_is_told)
{
    struct bed bed;
    bed_open(&bed, "belled", true, "");
    bed_begin(&bed);
    struct bed_findings could = bed_look_for(&bed, "may read the binlog");
    bed_stop(&bed);
    server_make_user(bed.sql, "bellless", "");
    server_grant(bed.sql, "ALL", "*", "bellless");
    bed_reconfigure(&bed, &(struct server_place){.user = "bellless"}, "  wakeup: binlog\n");
    bed_begin(&bed);
    struct bed_findings lacks = bed_look_for(&bed, "user bellless@% was not granted what wakeup: binlog needs");
    bed_run(&bed, "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO bellless@'%'");
    struct bed_findings works = bed_look_for(&bed, "the binlog can be read: commits wake an idle relay");
    cr_assert(could.count == 1 && could.level == OUTBOX_LOG_INFO && could.advised);
    cr_assert(lacks.count == 1 && lacks.level == OUTBOX_LOG_WARN && lacks.advised);
    cr_assert(works.count == 1 && works.level == OUTBOX_LOG_INFO && !works.advised);
    bed_close(&bed);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/binlog_test.c - which events of a binlog mean that rows may have been added to a table */
#include <criterion/criterion.h>
#include <string.h>

#include "binlog.h"

enum {
    QUERY = 2,
    XID = 16,
    TABLE_MAP = 19,
    WRITE_ROWS = 30,
    GTID = 33,
    DELETE_ROWS = 32,
    XA_PREPARE = 38,
    PAYLOAD = 40
};

static bool hears(struct mys_binlog_matcher *ear, unsigned char type, const void *body, size_t size)
{
    unsigned char event[256] = {0};
    event[4] = type;
    memcpy(event + 19, body, size);
    return mys_binlog_matcher_feed(ear, (struct outbox_bytes){event, 19 + size});
}

#define HEARS(type, body) hears(&ear, type, body, sizeof(body) - 1)
#define MAP_OURS "\7\0\0\0\0\0\0\0\4shop\0\6outbox\0"
#define MAP_OTHER "\10\0\0\0\0\0\0\0\4shop\0\6orders\0"
#define ROWS(id) id "\0\0\0\0\0\0\0rows"
#define SQL(text) "\0\0\0\0\0\0\0\0\4\0\0\2\0stshop\0" text

static struct mys_binlog_matcher listening(void)
{
    return (struct mys_binlog_matcher){.schema = "shop", .table = "outbox"};
}

Test(binlog, rows_for_the_table_and_then_a_commit)
{
    struct mys_binlog_matcher ear = listening();
    cr_assert_not(HEARS(TABLE_MAP, MAP_OTHER));
    cr_assert_not(HEARS(TABLE_MAP, MAP_OURS));
    cr_assert_not(HEARS(WRITE_ROWS, ROWS("\10")));
    cr_assert_not(HEARS(WRITE_ROWS, ROWS("\7")));
    cr_assert(HEARS(XID, "12345678"));
    cr_assert_not(HEARS(XID, "12345678"));
}

Test(binlog, rows_of_others_and_rows_that_go)
{
    struct mys_binlog_matcher ear = listening();
    HEARS(TABLE_MAP, MAP_OTHER);
    HEARS(WRITE_ROWS, ROWS("\10"));
    cr_assert_not(HEARS(XID, "12345678"));
    HEARS(TABLE_MAP, MAP_OURS);
    HEARS(DELETE_ROWS, ROWS("\7"));
    cr_assert_not(HEARS(XID, "12345678"));
    HEARS(WRITE_ROWS, ROWS("\7")); /* the number is from a transaction before */
    cr_assert_not(HEARS(XID, "12345678"));
}

Test(binlog, statements_that_name_the_table)
{
    struct mys_binlog_matcher ear = listening();
    HEARS(QUERY, SQL("BEGIN"));
    HEARS(QUERY, SQL("INSERT INTO outbox_dead SELECT * FROM my_outbox"));
    cr_assert_not(HEARS(XID, "12345678"));
    HEARS(QUERY, SQL("INSERT INTO `Outbox` VALUES (1)"));
    cr_assert(HEARS(XID, "12345678"));
    HEARS(QUERY, SQL("INSERT INTO outbox"));
    cr_assert_not(HEARS(QUERY, SQL("ROLLBACK")));
    cr_assert_not(HEARS(QUERY, SQL("COMMIT")));
    HEARS(QUERY, SQL("INSERT INTO outbox"));
    cr_assert(HEARS(QUERY, SQL("COMMIT")));
    HEARS(QUERY, SQL("ALTER TABLE outbox ADD COLUMN more INT"));
    HEARS(GTID, "rest");
    cr_assert_not(HEARS(XID, "12345678"));
}

Test(binlog, a_prepared_transaction_counts_when_it_is_committed)
{
    struct mys_binlog_matcher ear = listening();
    HEARS(TABLE_MAP, MAP_OURS);
    HEARS(WRITE_ROWS, ROWS("\7"));
    cr_assert_not(HEARS(XA_PREPARE, "\0rest"));
    cr_assert(HEARS(QUERY, SQL("XA COMMIT X'61',X'',1")));
    HEARS(TABLE_MAP, MAP_OURS);
    HEARS(WRITE_ROWS, ROWS("\7"));
    cr_assert(HEARS(XA_PREPARE, "\1rest"));
}

Test(binlog, what_cannot_be_understood_may_be_anything)
{
    struct mys_binlog_matcher ear = listening();
    cr_assert(mys_binlog_matcher_feed(&ear, (struct outbox_bytes){0}));
    cr_assert(mys_binlog_matcher_feed(&ear, (struct outbox_bytes){"short", 5}));
    cr_assert(HEARS(PAYLOAD, "zstd"));
    cr_assert(HEARS(QUERY, "short"));
    cr_assert_not(HEARS(TABLE_MAP, "\7\0\0\0\0\0\0\0\4sh"));
    cr_assert_not(HEARS(WRITE_ROWS, "\7"));
}

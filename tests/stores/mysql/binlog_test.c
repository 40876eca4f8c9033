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

static bool feed(struct mys_binlog_matcher *matcher, unsigned char type, const void *body, size_t size)
{
    unsigned char event[256] = {0};
    event[4] = type;
    memcpy(event + 19, body, size);
    return mys_binlog_matcher_feed(matcher, (struct outbox_bytes){event, 19 + size});
}

#define FEED(type, body) feed(&matcher, type, body, sizeof(body) - 1)
#define MAP_OURS "\7\0\0\0\0\0\0\0\4shop\0\6outbox\0"
#define MAP_OTHER "\10\0\0\0\0\0\0\0\4shop\0\6orders\0"
#define ROWS(id) id "\0\0\0\0\0\0\0rows"
#define SQL(text) "\0\0\0\0\0\0\0\0\4\0\0\2\0stshop\0" text

static struct mys_binlog_matcher new_matcher(void)
{
    return (struct mys_binlog_matcher){.schema = "shop", .table = "outbox"};
}

Test(binlog, commit_after_rows_of_the_table_notifies)
{
    struct mys_binlog_matcher matcher = new_matcher();
    cr_assert_not(FEED(TABLE_MAP, MAP_OTHER));
    cr_assert_not(FEED(TABLE_MAP, MAP_OURS));
    cr_assert_not(FEED(WRITE_ROWS, ROWS("\10")));
    cr_assert_not(FEED(WRITE_ROWS, ROWS("\7")));
    cr_assert(FEED(XID, "12345678"));
    cr_assert_not(FEED(XID, "12345678"));
}

Test(binlog, other_tables_and_deletes_do_not_notify)
{
    struct mys_binlog_matcher matcher = new_matcher();
    FEED(TABLE_MAP, MAP_OTHER);
    FEED(WRITE_ROWS, ROWS("\10"));
    cr_assert_not(FEED(XID, "12345678"));
    FEED(TABLE_MAP, MAP_OURS);
    FEED(DELETE_ROWS, ROWS("\7"));
    cr_assert_not(FEED(XID, "12345678"));
    FEED(WRITE_ROWS, ROWS("\7")); /* the number is from a transaction before */
    cr_assert_not(FEED(XID, "12345678"));
}

Test(binlog, statement_that_names_the_table_notifies_at_commit)
{
    struct mys_binlog_matcher matcher = new_matcher();
    FEED(QUERY, SQL("BEGIN"));
    FEED(QUERY, SQL("INSERT INTO outbox_dead SELECT * FROM my_outbox"));
    cr_assert_not(FEED(XID, "12345678"));
    FEED(QUERY, SQL("INSERT INTO `Outbox` VALUES (1)"));
    cr_assert(FEED(XID, "12345678"));
    FEED(QUERY, SQL("INSERT INTO outbox"));
    cr_assert_not(FEED(QUERY, SQL("ROLLBACK")));
    cr_assert_not(FEED(QUERY, SQL("COMMIT")));
    FEED(QUERY, SQL("INSERT INTO outbox"));
    cr_assert(FEED(QUERY, SQL("COMMIT")));
    FEED(QUERY, SQL("ALTER TABLE outbox ADD COLUMN more INT"));
    FEED(GTID, "rest");
    cr_assert_not(FEED(XID, "12345678"));
}

Test(binlog, prepared_transaction_notifies_at_its_commit)
{
    struct mys_binlog_matcher matcher = new_matcher();
    FEED(TABLE_MAP, MAP_OURS);
    FEED(WRITE_ROWS, ROWS("\7"));
    cr_assert_not(FEED(XA_PREPARE, "\0rest"));
    cr_assert(FEED(QUERY, SQL("XA COMMIT X'61',X'',1")));
    FEED(TABLE_MAP, MAP_OURS);
    FEED(WRITE_ROWS, ROWS("\7"));
    cr_assert(FEED(XA_PREPARE, "\1rest"));
}

Test(binlog, unknown_event_notifies)
{
    struct mys_binlog_matcher matcher = new_matcher();
    cr_assert(mys_binlog_matcher_feed(&matcher, (struct outbox_bytes){0}));
    cr_assert(mys_binlog_matcher_feed(&matcher, (struct outbox_bytes){"short", 5}));
    cr_assert(FEED(PAYLOAD, "zstd"));
    cr_assert(FEED(QUERY, "short"));
    cr_assert_not(FEED(TABLE_MAP, "\7\0\0\0\0\0\0\0\4sh"));
    cr_assert_not(FEED(WRITE_ROWS, "\7"));
}

/* tests/mysql/holes_test.c - rows that commit late, not at all, or out of all order: each is claimed once */
#include <stdio.h>

#include "bed.h"

Test(mysql_holes, a_lower_id_that_commits_later_is_claimed)
{
    struct bed bed;
    MYSQL *late = bed_connect();
    bed_open(&bed, "late", true, "");
    bed_begin(&bed);
    bed_exec(&bed, late, "BEGIN");
    bed_insert(&bed, late, "a"); /* 1 */
    bed_insert(&bed, bed.sql, "b");
    bed_insert(&bed, bed.sql, "c");
    bed_expect(&bed, IDS(2, 3));
    bed_expect(&bed, 0, NULL);
    bed_exec(&bed, late, "COMMIT");
    bed_expect(&bed, IDS(1));
    bed_expect(&bed, 0, NULL);
    mysql_close(late);
    bed_close(&bed);
}

Test(mysql_holes, the_first_row_may_come_last)
{
    struct bed bed;
    MYSQL *late = bed_connect();
    bed_open(&bed, "first", true, "");
    bed_exec(&bed, late, "BEGIN");
    bed_insert(&bed, late, "a");
    bed_insert(&bed, bed.sql, "b");
    bed_begin(&bed); /* the relay knows nothing of what was before */
    bed_expect(&bed, IDS(2));
    bed_exec(&bed, late, "COMMIT");
    bed_expect(&bed, IDS(1));
    mysql_close(late);
    bed_close(&bed);
}

Test(mysql_holes, a_rolled_back_insert_of_many_rows_holds_nothing_up)
{
    struct bed bed;
    bed_open(&bed, "rollback", true, "");
    bed_begin(&bed);
    for (int i = 0; i < 20; i++) {
        bed_exec(&bed, bed.sql, "BEGIN");
        bed_exec(&bed, bed.sql,
                 "INSERT INTO %s (aggregatetype, aggregateid, type) VALUES ('o', 'a', 't'), ('o', 'b', 't'), ('o', 'c', 't')");
        bed_exec(&bed, bed.sql, "ROLLBACK");
        bed_insert(&bed, bed.sql, "b");
        cr_assert_eq(bed_claim(&bed, 0, 100), 0, "%s", bed.error.text);
        cr_assert_eq(bed.count, 1);
    }
    bed_close(&bed);
}

/* Long enough for holes to be judged, whatever they are judged by. */
static void claim_for(struct bed *bed, int milliseconds)
{
    for (int i = 0; i < milliseconds / 5; i++) {
        bed_expect(bed, 0, NULL);
        bed_exec(bed, bed->sql, "DO SLEEP(0.005)");
    }
}

Test(mysql_holes, a_transaction_stays_open_for_long)
{
    struct bed bed;
    MYSQL *late = bed_connect();
    bed_open(&bed, "longest", true, "");
    bed_begin(&bed);
    bed_exec(&bed, late, "BEGIN");
    bed_insert(&bed, late, "a");
    bed_insert(&bed, bed.sql, "b");
    bed_expect(&bed, IDS(2));
    claim_for(&bed, 400);
    bed_exec(&bed, late, "COMMIT");
    bed_expect(&bed, IDS(1));
    mysql_close(late);
    bed_close(&bed);
}

static void make_user(struct bed *bed, const char *user)
{
    char sql[200];
    snprintf(sql, sizeof sql, "CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY 'outbox'", user);
    cr_assert_eq(mysql_query(bed->sql, sql), 0, "%s", mysql_error(bed->sql));
    snprintf(sql, sizeof sql, "GRANT ALL ON outbox.* TO %s@'%%'", user);
    cr_assert_eq(mysql_query(bed->sql, sql), 0, "%s", mysql_error(bed->sql));
}

static void use_plain_user(struct bed *bed)
{
    make_user(bed, "plain");
    bed_configure(bed, "plain", "  hole_grace: 50ms\n  sweep: 50ms\n");
    obx_instance_free(bed->store);
    bed->store = bed_another(bed);
}

Test(mysql_holes, without_a_view_of_the_locks_rows_in_flight_keep_their_holes)
{
    struct bed bed;
    MYSQL *late = bed_connect();
    bed_open(&bed, "plain", true, "");
    use_plain_user(&bed);
    bed_begin(&bed);
    bed_exec(&bed, late, "BEGIN");
    bed_insert(&bed, late, "a");
    bed_exec(&bed, bed.sql, "BEGIN");
    bed_insert(&bed, bed.sql, "gone");
    bed_exec(&bed, bed.sql, "ROLLBACK");
    bed_insert(&bed, bed.sql, "b");
    bed_expect(&bed, IDS(3));
    claim_for(&bed, 300);
    bed_exec(&bed, late, "COMMIT");
    bed_expect(&bed, IDS(1));
    mysql_close(late);
    bed_close(&bed);
}

static bool claims_one_within(struct bed *bed, int milliseconds)
{
    for (int i = 0; i < milliseconds / 5; i++) {
        if (bed_claim(bed, 0, 10) || bed->count)
            return bed->count == 1;
        bed_exec(bed, bed->sql, "DO SLEEP(0.005)");
    }
    return false;
}

Test(mysql_holes, a_row_below_all_that_was_read_is_found_by_the_sweep)
{
    struct bed bed;
    bed_open(&bed, "swept", true, "");
    use_plain_user(&bed);
    bed_exec(&bed, bed.sql, "INSERT INTO %s (id, aggregatetype, aggregateid, type) VALUES (100, 'o', 'a', 't')");
    bed_begin(&bed);
    bed_expect(&bed, IDS(100));
    claim_for(&bed, 1200); /* the hole from 1 to 99 is forgotten */
    bed_exec(&bed, bed.sql, "INSERT INTO %s (id, aggregatetype, aggregateid, type) VALUES (7, 'o', 'a', 't')");
    cr_assert(claims_one_within(&bed, 20000));
    cr_assert_eq(bed.ids[0], 7);
    bed_expect(&bed, 0, NULL);
    bed_close(&bed);
}

Test(mysql_holes, settling_waits_for_no_writer)
{
    struct bed bed;
    MYSQL *writer = bed_connect();
    bed_open(&bed, "waits", true, "");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    bed_insert(&bed, bed.sql, "b");
    bed_exec(&bed, writer, "BEGIN");
    bed_insert(&bed, writer, "late"); /* 3, between */
    bed_insert(&bed, bed.sql, "c");
    bed_exec(&bed, writer, "INSERT INTO %s (aggregatetype, aggregateid, type) VALUES ('o', 'x', 't')"); /* 5, behind */
    int64_t waits = bed_number(&bed, "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_waits'");
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    cr_assert_eq(batch->rows, 3);
    cr_assert_eq(bed_settle(&bed, batch, 0, 3), 0, "%s", bed.error.text);
    obx_store_release(bed.store, batch);
    cr_assert_eq(bed_number(&bed, "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_waits'"), waits);
    cr_assert_eq(bed_number(&bed, "SELECT COUNT(*) FROM %s"), 0);
    bed_exec(&bed, writer, "COMMIT");
    bed_expect(&bed, IDS(3, 5));
    mysql_close(writer);
    bed_close(&bed);
}

Test(mysql_holes, ids_with_steps_between_are_all_read_and_settled)
{
    struct bed bed;
    bed_open(&bed, "steps", true, "");
    bed_begin(&bed);
    bed_exec(&bed, bed.sql, "SET SESSION auto_increment_increment = 3");
    for (int i = 0; i < 600; i++) /* more runs than go into one packet */
        bed_insert(&bed, bed.sql, "a");
    struct outbox_batch *batch = bed_batch(&bed, 1000, 1 << 20);
    cr_assert_eq(batch->rows, 600);
    cr_assert_eq(bed_settle(&bed, batch, 0, 600), 0, "%s", bed.error.text);
    obx_store_release(bed.store, batch);
    cr_assert_eq(bed_number(&bed, "SELECT COUNT(*) FROM %s"), 0);
    bed_close(&bed);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/ids_test.c - rows that commit late, not at all, or long after: each is claimed once, nobody
 * waits */
#include <pthread.h>
#include <stdatomic.h>

#include "bed.h"

Test(ids, a_lower_id_that_commits_later_is_claimed)
{
    struct bed bed;
    struct session *late = session_open();
    bed_open(&bed, "late", true, "");
    bed_begin(&bed);
    session_run(late, "BEGIN");
    bed_insert(&bed, late, "a"); /* 1 */
    bed_insert(&bed, bed.sql, "b");
    bed_insert(&bed, bed.sql, "c");
    bed_expect(&bed, IDS(2, 3));
    bed_expect(&bed, 0, NULL);
    session_run(late, "COMMIT");
    bed_expect(&bed, IDS(1));
    bed_expect(&bed, 0, NULL);
    session_close(late);
    bed_close(&bed);
}

Test(ids, the_first_row_may_come_last)
{
    struct bed bed;
    struct session *late = session_open();
    bed_open(&bed, "first", true, "");
    session_run(late, "BEGIN");
    bed_insert(&bed, late, "a");
    bed_insert(&bed, bed.sql, "b");
    bed_begin(&bed); /* the relay knows nothing of what was before */
    bed_expect(&bed, IDS(2));
    session_run(late, "COMMIT");
    bed_expect(&bed, IDS(1));
    session_close(late);
    bed_close(&bed);
}

Test(ids, a_rollback_holds_nothing_up)
{
    struct bed bed;
    bed_open(&bed, "rollback", true, "");
    bed_begin(&bed);
    for (int i = 0; i < 20; i++) {
        session_run(bed.sql, "BEGIN");
        bed_insert(&bed, bed.sql, "a");
        session_run(bed.sql, "ROLLBACK");
        bed_insert(&bed, bed.sql, "b");
        bed_expect(&bed, IDS(2 * i + 2));
    }
    bed_close(&bed);
}

Test(ids, a_rolled_back_insert_of_many_rows_holds_nothing_up)
{
    struct bed bed;
    bed_open(&bed, "rollbacks", true, "");
    bed_begin(&bed);
    for (int i = 0; i < 20; i++) {
        session_run(bed.sql, "BEGIN");
        bed_run(&bed, "INSERT INTO %s (aggregatetype, aggregateid, type) VALUES ('o', 'a', 't'), ('o', 'b', 't'), "
                      "('o', 'c', 't')");
        session_run(bed.sql, "ROLLBACK");
        bed_insert(&bed, bed.sql, "b");
        cr_assert_eq(bed_claim(&bed, 0, 100), 0, "%s", bed.error.text);
        cr_assert_eq(bed.count, 1);
    }
    bed_close(&bed);
}

Test(ids, a_prepared_transaction_is_waited_for)
{
    struct bed bed;
    struct session *preparer = session_open();
    bed_open(&bed, "prepared", true, "");
    bed_begin(&bed);
    server_begin(preparer, "outbox-test");
    bed_insert(&bed, preparer, "a");
    server_prepare(preparer, "outbox-test");
    bed_insert(&bed, bed.sql, "b");
    bed_expect(&bed, IDS(2));
    for (int i = 0; i < 60; i++) { /* long enough for looks at the locks */
        bed_insert(&bed, bed.sql, "c");
        bed_expect(&bed, IDS(3 + i));
        bed_expect_nothing_for(&bed, 1);
    }
    server_end(preparer, "outbox-test", true, true);
    bed_expect(&bed, IDS(1));
    session_close(preparer);
    bed_close(&bed);
}

Test(ids, a_long_transaction_delays_nobody_but_itself)
{
    struct bed bed;
    struct session *longest = session_open();
    bed_open(&bed, "longest", true, "");
    bed_begin(&bed);
    session_run(longest, "BEGIN");
    bed_insert(&bed, longest, "a");
    int64_t id = 1;
    for (int i = 0; i < 600; i++) { /* well over the second after which holes go cold */
        session_run(bed.sql, "BEGIN");
        bed_insert(&bed, bed.sql, "b");
        session_run(bed.sql, "ROLLBACK");
        bed_insert(&bed, bed.sql, "c");
        id += 2;
        bed_expect(&bed, IDS(id));
        bed_expect_nothing_for(&bed, 2);
    }
    bed_insert(&bed, longest, "d");
    session_run(longest, "COMMIT");
    bed_insert(&bed, bed.sql, "e");
    bed_expect(&bed, IDS(1, id + 1, id + 2));
    session_close(longest);
    bed_close(&bed);
}

Test(ids, a_claim_that_is_full_reads_on_from_its_last_row)
{
    struct bed bed;
    struct session *late = session_open();
    bed_open(&bed, "pages", true, "");
    bed_begin(&bed);
    session_run(late, "BEGIN");
    bed_insert(&bed, late, "a");
    for (int i = 0; i < 5; i++)
        bed_insert(&bed, bed.sql, "b");
    for (int64_t id = 2; id <= 3; id++) {
        cr_assert_eq(bed_claim(&bed, 0, 1), 0);
        cr_assert(bed.count == 1 && bed.ids[0] == id);
    }
    session_run(late, "COMMIT");
    cr_assert_eq(bed_claim(&bed, 0, 2), 0);
    cr_assert(bed.count == 2 && bed.ids[0] == 1 && bed.ids[1] == 4);
    bed_expect(&bed, IDS(5, 6));
    session_close(late);
    bed_close(&bed);
}

/* ---- INSERT .. SELECT beside single inserts ---------------------------------------------------------------------- */

struct slow_writer {
    pthread_t thread;
    struct bed *bed;
    struct session *session;
    atomic_bool done;
};

/* Forty rows, one in ten milliseconds, in one statement: ids are drawn while it runs. */
static void *write_slowly(void *arg)
{
    struct slow_writer *writer = arg;
    bed_run_on(
        writer->bed, writer->session,
        BY_SERVER("INSERT INTO %s (aggregatetype, aggregateid, type) SELECT 'o', 'slow', 't' FROM "
                  "generate_series(1, 40), LATERAL (SELECT pg_sleep(0.01) WHERE generate_series > 0) AS pause",
                  "INSERT INTO %s (aggregatetype, aggregateid, type) SELECT 'o', CONCAT('slow', SLEEP(0.01)), 't' "
                  "FROM (WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 40) SELECT i "
                  "FROM n) AS rows_to_be"));
    writer->done = true;
    return NULL;
}

Test(ids, an_insert_from_a_select_beside_single_inserts)
{
    static bool seen[BED_IDS];
    struct bed bed;
    struct slow_writer writer = {.bed = &bed, .session = session_open()};
    int64_t inserts = 0, claims = 0;
    bed_open(&bed, "selected", true, "");
    bed_begin(&bed);
    cr_assert_eq(pthread_create(&writer.thread, NULL, write_slowly, &writer), 0);
    for (bool last = false; !last;) {
        last = writer.done;
        bed_insert(&bed, bed.sql, "single"); /* a server with a lock on the counter lets it wait for the slow one */
        inserts++;
        cr_assert_eq(bed_claim(&bed, 0, 1000), 0, "%s", bed.error.text);
        for (uint32_t i = 0; i < bed.count; i++, claims++) {
            cr_assert(bed.ids[i] < BED_IDS && !seen[bed.ids[i]], "id %lld was claimed twice", (long long)bed.ids[i]);
            seen[bed.ids[i]] = true;
        }
    }
    pthread_join(writer.thread, NULL);
    cr_assert_eq(bed_rows(&bed), inserts + 40);
    cr_assert_eq(claims, inserts + 40);
    session_close(writer.session);
    bed_close(&bed);
}

/* ---- settling ---------------------------------------------------------------------------------------------------- */

static int64_t lock_waits(struct bed *bed)
{
    return BY_SERVER(0, bed_run(bed, "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_waits'"));
}

Test(ids, settling_waits_for_no_writer)
{
    struct bed bed;
    struct session *writer = session_open();
    bed_open(&bed, "waits", true, "");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    bed_insert(&bed, bed.sql, "b");
    session_run(writer, "BEGIN");
    bed_insert(&bed, writer, "late"); /* 3, between */
    bed_insert(&bed, bed.sql, "c");
    bed_insert(&bed, writer, "late"); /* 5, behind */
    int64_t waits = lock_waits(&bed);
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    cr_assert_eq(batch->rows, 3);
    bed_settle_all(&bed, batch); /* and does not run into a timeout: the writer waits for us */
    cr_assert_eq(lock_waits(&bed), waits);
    cr_assert_eq(bed_rows(&bed), 0);
    session_run(writer, "COMMIT");
    bed_expect(&bed, IDS(3, 5));
    session_close(writer);
    bed_close(&bed);
}

Test(ids, with_steps_between_all_are_read_and_settled)
{
    struct bed bed;
    bed_open(&bed, "steps", true, "");
    bed_begin(&bed);
    bed_run(&bed,
            BY_SERVER("ALTER TABLE %s ALTER COLUMN id SET INCREMENT BY 3", "SET SESSION auto_increment_increment = 3"));
    for (int i = 0; i < 600; i++) /* more runs than go into one packet */
        bed_insert(&bed, bed.sql, "a");
    struct outbox_batch *batch = bed_batch(&bed, 1000, 1 << 20);
    cr_assert_eq(batch->rows, 600);
    bed_settle_all(&bed, batch);
    cr_assert_eq(bed_rows(&bed), 0);
    bed_close(&bed);
}

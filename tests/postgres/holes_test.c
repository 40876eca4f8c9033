/* tests/postgres/holes_test.c - rows that commit late, not at all, or long after: each is claimed once, in order */
#include <stdio.h>

#include "bed.h"

Test(postgres_holes, a_lower_id_that_commits_later_is_claimed)
{
    struct bed bed;
    PGconn *late = bed_connect();
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
    PQfinish(late);
    bed_close(&bed);
}

Test(postgres_holes, the_first_row_may_come_last)
{
    struct bed bed;
    PGconn *late = bed_connect();
    bed_open(&bed, "first", true, "");
    bed_exec(&bed, late, "BEGIN");
    bed_insert(&bed, late, "a");
    bed_insert(&bed, bed.sql, "b");
    bed_begin(&bed); /* the relay knows nothing of what was before */
    bed_expect(&bed, IDS(2));
    bed_exec(&bed, late, "COMMIT");
    bed_expect(&bed, IDS(1));
    PQfinish(late);
    bed_close(&bed);
}

Test(postgres_holes, a_rollback_holds_nothing_up)
{
    struct bed bed;
    bed_open(&bed, "rollback", true, "");
    bed_begin(&bed);
    for (int i = 0; i < 20; i++) {
        bed_exec(&bed, bed.sql, "BEGIN");
        bed_insert(&bed, bed.sql, "a");
        bed_exec(&bed, bed.sql, "ROLLBACK");
        bed_insert(&bed, bed.sql, "b");
        bed_expect(&bed, IDS(2 * i + 2));
    }
    bed_close(&bed);
}

Test(postgres_holes, a_prepared_transaction_is_waited_for)
{
    struct bed bed;
    bed_open(&bed, "prepared", true, "");
    bed_begin(&bed);
    bed_exec(&bed, bed.sql, "BEGIN");
    bed_insert(&bed, bed.sql, "a");
    bed_exec(&bed, bed.sql, "PREPARE TRANSACTION 'outbox-test'");
    bed_insert(&bed, bed.sql, "b");
    bed_expect(&bed, IDS(2));
    for (int i = 0; i < 60; i++) { /* long enough for looks at the locks */
        bed_insert(&bed, bed.sql, "c");
        bed_expect(&bed, IDS(3 + i));
        PQclear(PQexec(bed.sql, "SELECT pg_sleep(0.001)"));
    }
    bed_exec(&bed, bed.sql, "COMMIT PREPARED 'outbox-test'");
    bed_expect(&bed, IDS(1));
    bed_close(&bed);
}

Test(postgres_holes, a_long_transaction_delays_nobody_but_itself)
{
    struct bed bed;
    PGconn *longest = bed_connect();
    bed_open(&bed, "longest", true, "");
    bed_begin(&bed);
    bed_exec(&bed, longest, "BEGIN");
    bed_insert(&bed, longest, "a");
    int64_t id = 1;
    for (int i = 0; i < 1500; i++) { /* well over the second after which holes go cold */
        bed_exec(&bed, bed.sql, "BEGIN");
        bed_insert(&bed, bed.sql, "b");
        bed_exec(&bed, bed.sql, "ROLLBACK");
        bed_insert(&bed, bed.sql, "c");
        id += 2;
        bed_expect(&bed, IDS(id));
        PQclear(PQexec(bed.sql, "SELECT pg_sleep(0.0005)"));
    }
    bed_insert(&bed, longest, "d");
    bed_exec(&bed, longest, "COMMIT");
    bed_insert(&bed, bed.sql, "e");
    bed_expect(&bed, IDS(1, id + 1, id + 2));
    PQfinish(longest);
    bed_close(&bed);
}

Test(postgres_holes, who_draws_before_he_has_a_transaction_id_is_followed)
{
    struct bed bed;
    PGconn *slow = bed_connect();
    bed_open(&bed, "slow", true, "");
    bed_begin(&bed);
    bed_exec(&bed, slow, "BEGIN");
    bed_exec(&bed, slow, "SELECT nextval(pg_get_serial_sequence('%s', 'id'))"); /* 1; a lock on the sequence alone */
    bed_insert(&bed, bed.sql, "b");
    bed_expect(&bed, IDS(2));
    for (int i = 0; i < 60; i++) {
        bed_expect(&bed, 0, NULL);
        PQclear(PQexec(bed.sql, "SELECT pg_sleep(0.001)"));
    }
    bed_exec(&bed, slow,
             "INSERT INTO %s (id, aggregatetype, aggregateid, type) OVERRIDING SYSTEM VALUE VALUES (1, 'o', 'a', 't')");
    bed_exec(&bed, slow, "COMMIT");
    bed_expect(&bed, IDS(1));
    PQfinish(slow);
    bed_close(&bed);
}

Test(postgres_holes, a_claim_that_is_full_reads_on_from_its_last_row)
{
    struct bed bed;
    PGconn *late = bed_connect();
    bed_open(&bed, "pages", true, "");
    bed_begin(&bed);
    bed_exec(&bed, late, "BEGIN");
    bed_insert(&bed, late, "a");
    for (int i = 0; i < 5; i++)
        bed_insert(&bed, bed.sql, "b");
    for (int64_t id = 2; id <= 3; id++) {
        cr_assert_eq(bed_claim(&bed, 0, 1), 0);
        cr_assert(bed.count == 1 && bed.ids[0] == id);
    }
    bed_exec(&bed, late, "COMMIT");
    cr_assert_eq(bed_claim(&bed, 0, 2), 0);
    cr_assert(bed.count == 2 && bed.ids[0] == 1 && bed.ids[1] == 4);
    bed_expect(&bed, IDS(5, 6));
    PQfinish(late);
    bed_close(&bed);
}

/* tests/mysql/grace_test.c - a user who may not see the locks: holes are judged by their age and by rows in flight */
#include "bed.h"

static void open_plain(struct bed *bed, const char *table, const char *user)
{
    bed_open(bed, table, true, "");
    server_make_user(bed->sql, user, "");
    server_grant(bed->sql, "ALL", "*", user);
    bed_reconfigure(bed, &(struct server_place){.user = user}, "  hole_grace: 50ms\n  sweep: 50ms\n");
}

Test(grace, without_a_view_of_locks_rows_in_flight_keep_their_holes)
{
    struct bed bed;
    struct session *late = session_open();
    open_plain(&bed, "plain", "plain");
    bed_begin(&bed);
    session_run(late, "BEGIN");
    bed_insert(&bed, late, "a");
    session_run(bed.sql, "BEGIN");
    bed_insert(&bed, bed.sql, "gone");
    session_run(bed.sql, "ROLLBACK");
    bed_insert(&bed, bed.sql, "b");
    bed_expect(&bed, IDS(3));
    bed_expect_nothing_for(&bed, 300);
    session_run(late, "COMMIT");
    bed_expect(&bed, IDS(1));
    session_close(late);
    bed_close(&bed);
}

Test(grace, a_row_below_all_that_was_read_is_found_by_the_sweep)
{
    struct bed bed;
    open_plain(&bed, "swept", "swept");
    bed_insert_id(&bed, bed.sql, 100);
    bed_begin(&bed);
    bed_expect(&bed, IDS(100));
    bed_expect_nothing_for(&bed, 1200); /* the hole from 1 to 99 is forgotten */
    bed_insert_id(&bed, bed.sql, 7);
    bed_claim_some(&bed);
    cr_assert(bed.count == 1 && bed.ids[0] == 7, "%u rows", bed.count);
    bed_expect(&bed, 0, NULL);
    bed_close(&bed);
}

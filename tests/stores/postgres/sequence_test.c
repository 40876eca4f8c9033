/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/sequence_test.c - who has drawn from the sequence, but has no transaction id yet */
#include "bed.h"

Test(sequence, who_draws_before_he_has_a_transaction_id_is_followed)
{
    struct bed bed;
    struct session *slow = session_open();
    bed_open(&bed, "slow", true, "");
    bed_begin(&bed);
    session_run(slow, "BEGIN");
    bed_run_on(&bed, slow, "SELECT nextval(pg_get_serial_sequence('%s', 'id'))"); /* 1; a lock on the sequence alone */
    bed_insert(&bed, bed.sql, "b");
    bed_expect(&bed, IDS(2));
    bed_expect_nothing_for(&bed, 100);
    bed_insert_id(&bed, slow, 1);
    session_run(slow, "COMMIT");
    bed_expect(&bed, IDS(1));
    session_close(slow);
    bed_close(&bed);
}

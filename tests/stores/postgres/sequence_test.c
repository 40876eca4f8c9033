/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/sequence_test.c - a writer that has drawn an id, but has no transaction id yet */
#include "fixture.h"

Test(sequence, id_drawn_before_the_transaction_id_keeps_its_gap)
{
    struct sql_fixture fixture;
    struct session *slow = session_open();
    fixture_open(&fixture, "slow", true, "");
    fixture_begin(&fixture);
    session_run(slow, "BEGIN");
    fixture_run_on(&fixture, slow,
                   "SELECT nextval(pg_get_serial_sequence('%s', 'id'))"); /* 1; a lock on the sequence alone */
    fixture_insert(&fixture, fixture.sql, "b");
    fixture_expect_rows(&fixture, IDS(2));
    fixture_expect_no_rows_for(&fixture, 100);
    fixture_insert_id(&fixture, slow, 1);
    session_run(slow, "COMMIT");
    fixture_expect_rows(&fixture, IDS(1));
    session_close(slow);
    fixture_close(&fixture);
}

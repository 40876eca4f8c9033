/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/capture_position_test.c - `capture: wal`: the position row, the spool, and rows of the table */
#include "capture.h"

/* ---- the position ------------------------------------------------------------------------------------------------ */

Test(capture, reading_begins_after_the_last_settled_event)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_position");
    fixture_begin(&fixture);
    fixture_run(&fixture, "BEGIN");
    emit(&fixture, "a");
    emit(&fixture, "b");
    emit(&fixture, "c");
    fixture_run(&fixture, "COMMIT");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 10);
    cr_assert(batch->rows == 3 && (int64_t)batch->positions[0].major == BASE + 1 && batch->positions[2].minor == 0);
    cr_assert_eq(settle(&fixture, &(struct outbox_span){batch, 0, 2}, BASE + 2), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    cr_assert_eq(sequence(&fixture), 2);
    fixture_begin_again(&fixture);
    batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 10);
    cr_assert(batch->rows == 1 && (int64_t)batch->positions[0].major == BASE + 3);
    cr_assert_eq(settle(&fixture, &(struct outbox_span){batch, 0, 1}, BASE + 3), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    emit(&fixture, "d");
    fixture_begin_again(&fixture);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "d");
    close_capture(&fixture);
}

Test(capture, a_rewind_returns_what_is_not_settled)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_rewind");
    fixture_begin(&fixture);
    emit(&fixture, "a");
    emit(&fixture, "b");
    emit(&fixture, "c");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 10);
    while (batch->rows < 3) { /* the three commits may have come in two batches */
        obx_store_release(fixture.store, batch);
        batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 10);
    }
    cr_assert_eq(settle(&fixture, &(struct outbox_span){batch, 1, 1}, 0), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "ac");
    cr_assert_eq(settle(&fixture, NULL, BASE + 1), 0, "%s", fixture.error.text);
    cr_assert_eq(sequence(&fixture), 2); /* b was settled before */
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "c");
    close_capture(&fixture);
}

/* An open transaction's first event is older than the position: it is found again after a restart. */
Test(capture, a_transaction_that_was_open_at_the_position_comes_whole)
{
    struct sql_fixture fixture;
    struct session *other = session_open();
    open_capture(&fixture, "cap_open");
    fixture_begin(&fixture);
    session_run(other, "BEGIN");
    emit_on(&fixture, other, "x");
    emit(&fixture, "a");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 10);
    cr_assert_eq(settle(&fixture, &(struct outbox_span){batch, 0, 1}, BASE + 1), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    fixture_stop(&fixture);
    emit_on(&fixture, other, "y");
    session_run(other, "COMMIT");
    fixture_begin(&fixture);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "xy");
    session_close(other);
    close_capture(&fixture);
}

Test(capture, the_server_is_killed_and_no_event_is_lost_or_repeated)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_kill");
    fixture_run(&fixture, "SET synchronous_commit = on");
    fixture_begin(&fixture);
    emit(&fixture, "a");
    emit(&fixture, "b");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 1);
    cr_assert_eq(settle(&fixture, &(struct outbox_span){batch, 0, 1}, BASE + 1), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    fixture_run(&fixture, "BEGIN");
    emit(&fixture, "x"); /* its transaction ends without a record */
    server_do("kill");
    server_do("restart");
    session_close(fixture.sql);
    fixture.sql = session_open();
    emit(&fixture, "c");
    fixture_begin_again(&fixture);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "bc");
    close_capture(&fixture);
}

Test(capture, a_position_of_another_server_is_refused)
{
    struct sql_fixture fixture;
    struct outbox_claim claim = {.struct_size = sizeof claim, .flags = OUTBOX_CLAIM_REWIND, .max_rows = 10};
    open_capture(&fixture, "cap_identity");
    fixture_run(&fixture, "UPDATE %s_position SET log_identity = '12345'");
    fixture_begin(&fixture);
    cr_assert_eq(loop_fixture_claim(&fixture.base, fixture.store, &claim, &fixture.error), OUTBOX_E_SCHEMA);
    cr_assert(strstr(fixture.error.text, "the position is of server 12345"), "%s", fixture.error.text);
    close_capture(&fixture);
}

Test(capture, a_position_that_the_log_does_not_have_is_refused)
{
    struct sql_fixture fixture;
    struct outbox_claim claim = {.struct_size = sizeof claim, .flags = OUTBOX_CLAIM_REWIND, .max_rows = 10};
    open_capture(&fixture, "cap_removed");
    drop_slot(&fixture);
    for (int i = 0; i < 6; i++) {
        fixture_run(&fixture, "SELECT pg_logical_emit_message(true, 'other', 'x')");
        fixture_run(&fixture, "SELECT 1 FROM pg_switch_wal()");
        fixture_run(&fixture, "CHECKPOINT");
    }
    fixture_begin(&fixture);
    cr_assert_eq(loop_fixture_claim(&fixture.base, fixture.store, &claim, &fixture.error), OUTBOX_E_SCHEMA);
    cr_assert(strstr(fixture.error.text, BY_CAPTURE("has already been removed", "there is no slot outbox_")), "%s",
              fixture.error.text);
    close_capture(&fixture);
}

Test(capture, another_owner_fences_the_position)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_fence");
    fixture_begin(&fixture);
    emit(&fixture, "a");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 10);
    fixture_run(&fixture, "UPDATE %s_position SET epoch = epoch + 1");
    cr_assert_eq(settle(&fixture, &(struct outbox_span){batch, 0, 1}, BASE + 1), OUTBOX_E_FENCED);
    obx_store_release(fixture.store, batch);
    cr_assert_eq(sequence(&fixture), 0);
    close_capture(&fixture);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

Test(capture, a_spooled_event_is_a_row_and_does_not_come_from_the_log)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_spool");
    fixture_begin(&fixture);
    fixture_run(&fixture, "BEGIN");
    fixture_run(&fixture, "SELECT %s_emit('order', 'a', 'placed', 'one'::text, '{\"h\": 1}')");
    emit(&fixture, "b");
    fixture_run(&fixture, "COMMIT");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 10);
    cr_assert_eq(batch->rows, 2);
    cr_assert_eq(spool(&fixture, &(struct outbox_span){batch, 0, 1}, BASE + 1), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    cr_assert_eq(fixture_run(&fixture, "SELECT id FROM %s WHERE aggregateid = 'a' AND payload = 'one' AND "
                                       "headers->>'h' = '1' AND created_at > now() - interval '1 hour'"),
                 BASE + 1);
    cr_assert_eq(sequence(&fixture), 1);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "ab");
    batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 10);
    cr_assert(batch->rows == 1 && batch->flags & OUTBOX_BATCH_SPOOLED);
    cr_assert_eq(settle(&fixture, &(struct outbox_span){batch, 0, 1}, 0), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "b");
    close_capture(&fixture);
}

/* The relay died between the two. */
Test(capture, an_event_that_was_spooled_before_the_position_passed_it_comes_once)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_between");
    fixture_run(&fixture, "BEGIN");
    emit(&fixture, "a");
    emit(&fixture, "b");
    fixture_run(&fixture, "COMMIT");
    fixture_run(&fixture, "INSERT INTO %s (id, aggregatetype, aggregateid, type) OVERRIDING SYSTEM VALUE VALUES "
                          "(4611686018427387905, 'order', 'a', 'placed')");
    fixture_begin(&fixture);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "ab");
    cr_assert_eq(settle(&fixture, NULL, BASE + 2), 0, "%s", fixture.error.text);
    cr_assert_eq(sequence(&fixture), 2);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "a");
    close_capture(&fixture);
}

/* The relay had settled event 1 and copied event 2 of the same key, and died before it recorded the position. */
Test(capture, events_before_a_copy_are_settled_and_do_not_come_after_it)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_before_copy");
    fixture_run(&fixture, "BEGIN");
    emit(&fixture, "a");
    emit(&fixture, "b");
    emit(&fixture, "c");
    fixture_run(&fixture, "COMMIT");
    fixture_run(&fixture, "INSERT INTO %s (id, aggregatetype, aggregateid, type) OVERRIDING SYSTEM VALUE VALUES "
                          "(4611686018427387906, 'order', 'b', 'placed')");
    fixture_begin(&fixture);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "bc");
    cr_assert_eq(settle(&fixture, NULL, 0), 0, "%s", fixture.error.text);
    cr_assert_eq(sequence(&fixture), 2);
    close_capture(&fixture);
}

/* The same. The next relay has published the copy of event 2, and the position has not passed it. */
static struct outbox_batch *open_published_copy(struct sql_fixture *fixture, const char *table)
{
    open_capture(fixture, table);
    fixture_run(fixture, "BEGIN");
    emit(fixture, "a");
    emit(fixture, "b");
    emit(fixture, "c");
    fixture_run(fixture, "COMMIT");
    fixture_run(fixture, "INSERT INTO %s (id, aggregatetype, aggregateid, type) OVERRIDING SYSTEM VALUE VALUES "
                         "(4611686018427387906, 'order', 'b', 'placed')");
    fixture_begin(fixture);
    struct outbox_batch *batch = claim_events(fixture, OUTBOX_CLAIM_REWIND, 10);
    cr_assert(batch->rows == 1 && batch->flags & OUTBOX_BATCH_SPOOLED);
    cr_assert_eq(settle(fixture, &(struct outbox_span){batch, 0, 1}, 0), 0, "%s", fixture->error.text);
    cr_assert_eq(fixture_count_rows(fixture), 1);
    return batch;
}

/* If the relay dies now, the next one knows by the copy that event 1 is settled. */
Test(capture, a_copy_stays_until_the_position_has_passed_it)
{
    struct sql_fixture fixture;
    struct outbox_batch *batch = open_published_copy(&fixture, "cap_proof");
    obx_store_release(fixture.store, batch);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "c");
    cr_assert_eq(settle(&fixture, NULL, BASE + 3), 0, "%s", fixture.error.text);
    cr_assert_eq(sequence(&fixture), 3);
    cr_assert_eq(settle(&fixture, NULL, BASE + 3), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    close_capture(&fixture);
}

Test(capture, a_rewind_returns_the_copies_around_a_published_one)
{
    struct sql_fixture fixture;
    struct outbox_batch *batch = open_published_copy(&fixture, "cap_around");
    obx_store_release(fixture.store, batch);
    fixture_run(&fixture, "INSERT INTO %s (id, aggregatetype, aggregateid, type) OVERRIDING SYSTEM VALUE VALUES "
                          "(4611686018427387905, 'order', 'x', 'placed'), (4611686018427387907, 'order', 'y', "
                          "'placed'), (4611686018427387908, 'order', 'z', 'placed')");
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "xyzc");
    close_capture(&fixture);
}

Test(capture, a_published_copy_is_removed_after_a_removal_that_failed)
{
    struct sql_fixture fixture;
    struct outbox_batch *batch = open_published_copy(&fixture, "cap_removal");
    obx_store_release(fixture.store, batch);
    expect_keys(&fixture, 0, "c");
    cr_assert_eq(settle(&fixture, NULL, BASE + 3), 0, "%s", fixture.error.text);
    server_end_owner(fixture.sql, fixture.table);
    cr_assert_neq(settle(&fixture, NULL, BASE + 3), 0);
    cr_assert(fixture_begin_again(&fixture) & OUTBOX_ACQUIRED_SAME);
    cr_assert_eq(settle(&fixture, NULL, BASE + 3), 0, "%s", fixture.error.text);
    cr_assert_eq(fixture_count_rows(&fixture), 0);
    close_capture(&fixture);
}

/* ---- numbers and dead letters ------------------------------------------------------------------------------------ */

#define LETTER(topic, attempts)                                                                     \
    "INSERT INTO %s_dead (outbox_id, topic, reason, attempts) VALUES (4611686018427387909, '" topic \
    "', 'test', " attempts ")"

/* Back to polling, and then to capture: the position was dropped, and the letters of refused copies are there. */
Test(capture, numbers_of_dead_letters_are_not_given_again)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_numbers");
    fixture_run(&fixture, LETTER("", "0"));
    fixture_run(&fixture, "DELETE FROM %s_position");
    init_again(&fixture);
    cr_assert_eq(sequence(&fixture), 5);
    emit(&fixture, "a");
    fixture_begin(&fixture);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "a");
    close_capture(&fixture);
}

/* An earlier version gave the numbers twice. */
Test(capture, a_dead_letter_of_a_row_proves_nothing)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_letter");
    fixture_run(&fixture, LETTER("orders", "3"));
    emit(&fixture, "a");
    fixture_begin(&fixture);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "a");
    close_capture(&fixture);
}

Test(capture, without_a_dead_letter_table_there_are_no_letters)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_no_dead");
    fixture_run(&fixture, "DROP TABLE %s_dead");
    emit(&fixture, "a");
    fixture_begin(&fixture);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "a");
    close_capture(&fixture);
}

/* ---- rows of the table ------------------------------------------------------------------------------------------- */

Test(capture, rows_of_the_table_come_first_and_later_ones_are_found)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_table");
    emit(&fixture, "b");
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_begin(&fixture);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "ab");
    fixture_insert(&fixture, fixture.sql, "c");
    fixture_await_rows(&fixture);
    cr_assert(fixture.count == 1 && fixture.ids[0] < BASE);
    close_capture(&fixture);
}

/* Delivered rows are settled by the positions that the relay knows, and then never come again. */
Test(capture, a_broken_session_costs_no_duplicates)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_session");
    fixture_begin(&fixture);
    fixture_run(&fixture, "BEGIN");
    emit(&fixture, "a");
    emit(&fixture, "b");
    emit(&fixture, "c");
    fixture_run(&fixture, "COMMIT");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 10);
    server_end_owner(fixture.sql, fixture.table);
    cr_assert(fixture_begin_again(&fixture) & OUTBOX_ACQUIRED_SAME);
    cr_assert_eq(settle(&fixture, &(struct outbox_span){batch, 0, 2}, 0), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    cr_assert_eq(sequence(&fixture), 2);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "c");
    close_capture(&fixture);
}

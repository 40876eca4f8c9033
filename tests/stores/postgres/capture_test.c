/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/capture_test.c - `capture: wal`: events of a real server's WAL, their positions, and the spool
 */
#include <libpq-fe.h>

#include <outbox/postgres.h>

#include "capture.h"

/* ---- which events come ------------------------------------------------------------------------------------------- */

Test(capture, events_from_init_on_come_in_commit_order)
{
    struct sql_fixture fixture;
    struct session *other = session_open();
    open_capture(&fixture, "cap_order");
    session_run(other, "BEGIN");
    emit_on(&fixture, other, "b");
    emit(&fixture, "a");
    emit_on(&fixture, other, "c");
    session_run(other, "COMMIT");
    fixture_begin(&fixture);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "abc");
    emit(&fixture, "d");
    expect_keys(&fixture, 0, "d");
    session_close(other);
    close_capture(&fixture);
}

Test(capture, rolled_back_work_does_not_come)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_rollback");
    fixture_begin(&fixture);
    fixture_run(&fixture, "BEGIN");
    emit(&fixture, "x");
    fixture_run(&fixture, "ROLLBACK");
    fixture_run(&fixture, "BEGIN");
    fixture_run(&fixture, "SAVEPOINT s");
    emit(&fixture, "a");
    fixture_run(&fixture, "SAVEPOINT t");
    emit(&fixture, "x");
    fixture_run(&fixture, "ROLLBACK TO t");
    fixture_run(&fixture, "RELEASE s");
    emit(&fixture, "b");
    fixture_run(&fixture, "SAVEPOINT u");
    emit(&fixture, "c");
    fixture_run(&fixture, "COMMIT");
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "abc");
    close_capture(&fixture);
}

Test(capture, prepared_transactions_come_when_they_are_committed)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_prepared");
    fixture_begin(&fixture);
    fixture_run(&fixture, "BEGIN");
    emit(&fixture, "p");
    fixture_run(&fixture, "PREPARE TRANSACTION 'one'");
    fixture_run(&fixture, "BEGIN");
    emit(&fixture, "x");
    fixture_run(&fixture, "PREPARE TRANSACTION 'two'");
    emit(&fixture, "a");
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "a");
    fixture_run(&fixture, "ROLLBACK PREPARED 'two'");
    fixture_run(&fixture, "COMMIT PREPARED 'one'");
    expect_keys(&fixture, 0, "p");
    close_capture(&fixture);
}

Test(capture, messages_of_others_do_not_come)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_others");
    fixture_begin(&fixture);
    fixture_run(&fixture, "SELECT pg_logical_emit_message(false, 'outbox:%s', 'x')");
    fixture_run(&fixture, "SELECT pg_logical_emit_message(true, 'outbox:%s_', 'x')");
    fixture_run(&fixture, "SELECT pg_logical_emit_message(true, 'outbox', 'x')");
    emit(&fixture, "a");
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "a");
    close_capture(&fixture);
}

Test(capture, a_message_that_is_no_event_is_given_alone_and_unreadable)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_unreadable");
    fixture_begin(&fixture);
    emit(&fixture, "a");
    fixture_run(&fixture, "SELECT pg_logical_emit_message(true, 'outbox:%s', 'hello')");
    emit(&fixture, "b");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 10);
    cr_assert(batch->rows == 1 && !batch->unreadable);
    obx_store_release(fixture.store, batch);
    batch = claim_events(&fixture, 0, 10);
    cr_assert(batch->rows == 1 && batch->unreadable && strstr(batch->unreadable[0], "unknown version"));
    cr_assert_eq(spool(&fixture, &(struct outbox_span){batch, 0, 1}, BASE + 2), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    cr_assert_eq(fixture_run(&fixture, "SELECT count(*) FROM %s WHERE payload = 'hello'::bytea"), 1);
    expect_keys(&fixture, 0, "b");
    close_capture(&fixture);
}

Test(capture, a_log_file_that_is_switched_is_followed)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_switch");
    fixture_begin(&fixture);
    emit(&fixture, "a");
    fixture_run(&fixture, "SELECT 1 FROM pg_switch_wal()");
    emit(&fixture, "b");
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "ab");
    fixture_run(&fixture, "SELECT 1 FROM pg_switch_wal()");
    fixture_run(&fixture, "CHECKPOINT");
    emit(&fixture, "c");
    expect_keys(&fixture, 0, "c");
    close_capture(&fixture);
}

Test(capture, a_large_transaction_keeps_its_place_in_bounded_memory)
{
    struct sql_fixture fixture;
    struct session *other = session_open();
    open_capture(&fixture, "cap_large");
    fixture_begin(&fixture);
    emit(&fixture, "a");
    session_run(other, "BEGIN");
    fixture_run_on(&fixture, other,
                   "SELECT count(%s_emit('o', 'k' || n, 't', repeat('x', 20000))) FROM generate_series(1, 1500) n");
    emit(&fixture, "b");
    session_run(other, "SAVEPOINT s");
    emit_on(&fixture, other, "l");
    session_run(other, "ROLLBACK TO s");
    emit_on(&fixture, other, "m");
    session_run(other, "COMMIT");
    emit(&fixture, "c");
    uint32_t flags = OUTBOX_CLAIM_REWIND, large = 0;
    char order[16] = "";
    for (unsigned used = 0; used < 4;) {
        struct outbox_batch *batch = claim_events(&fixture, flags, 1000);
        flags = 0;
        for (uint32_t i = 0; i < batch->rows; i++) {
            const struct outbox_value *key = &batch->values[i * batch->columns + 1];
            if (key->size > 1)
                large++;
            else
                order[used++] = *(const char *)key->as.data;
            cr_assert(key->size == 1 || used == 2, "the large transaction comes after a, b and before m, c");
        }
        obx_store_release(fixture.store, batch);
    }
    cr_assert_str_eq(order, "abmc");
    cr_assert_eq(large, 1500);
    session_close(other);
    close_capture(&fixture);
}

Test(capture, the_library_writes_events)
{
    struct sql_fixture fixture;
    static const char payload[] = "\0\xff";
    struct outbox_event event = {.struct_size = sizeof event,
                                 .aggregate_type = {"order", 5},
                                 .aggregate_id = {"a", 1},
                                 .type = {"placed", 6},
                                 .payload = {payload, 2},
                                 .headers = {"{\"h\": 1}", 8}};
    PGconn *pg;
    open_capture(&fixture, "cap_library");
    pg = session_handle(fixture.sql);
    cr_assert_eq(outbox_pg_emit(pg, "cap_library", &event, &fixture.error), 0, "%s", fixture.error.text);
    event.event_id = (struct outbox_bytes){"00112233-4455-6677-8899-aabbccddeeff", 36};
    event.payload = event.headers = (struct outbox_bytes){0};
    cr_assert_eq(outbox_pg_emit(pg, "public.cap_library", &event, NULL), 0);
    cr_assert_eq(outbox_pg_emit(pg, "cap_missing", &event, &fixture.error), OUTBOX_E_NOT_FOUND, "%s",
                 fixture.error.text);
    fixture_begin(&fixture);
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 1);
    cr_assert(batch->values[2].size == 2 && !memcmp(batch->values[2].as.data, payload, 2));
    obx_store_release(fixture.store, batch);
    batch = claim_events(&fixture, 0, 1);
    cr_assert(batch->values[2].type == OUTBOX_NULL && ((const char *)batch->values[0].as.data)[1] == 0x11);
    obx_store_release(fixture.store, batch);
    close_capture(&fixture);
}

/* ---- visibility -------------------------------------------------------------------------------------------------- */

/* A statement that commits; false: it waits for a standby. */
static bool ends(struct sql_fixture *fixture, struct session *writer, const char *statement)
{
    PGconn *pg = session_handle(writer);
    bool waits = false;
    cr_assert(PQsendQuery(pg, statement));
    while (!waits && PQconsumeInput(pg) && PQisBusy(pg))
        waits = fixture_run(fixture, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == 1;
    for (PGresult *result; !waits && (result = PQgetResult(pg));)
        PQclear(result);
    return !waits;
}

static void set_standbys(struct sql_fixture *fixture, const char *setting)
{
    fixture_run(fixture, "SET synchronous_commit = local");
    fixture_run(fixture, setting);
    fixture_run(fixture, "SELECT pg_reload_conf()");
}

/* A commit that waits for a synchronous standby is in the log, and must not be published. */
Test(capture, emit_refuses_headers_that_the_relay_cannot_read)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_headers");
    fixture_run(&fixture, "SELECT %s_emit('o', 'a', 't', 'x'::text, h) FROM (VALUES (NULL::jsonb), ('null'), ('[]'), "
                          "('{\"a\": [1]}')) v(h)");
    cr_assert_not(session_try(fixture.sql, "SELECT cap_headers_emit('o', 'a', 't', 'x'::text, '[1]')"));
    cr_assert_not(session_try(fixture.sql, "SELECT cap_headers_emit('o', 'a', 't', 'x'::text, '\"{}\"')"));
    fixture_begin(&fixture);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "aaaa");
    close_capture(&fixture);
}

Test(capture, an_event_comes_when_its_commit_is_visible)
{
    struct sql_fixture fixture;
    struct session *writer = session_open();
    PGconn *pg = session_handle(writer);
    open_capture(&fixture, "cap_visible");
    fixture_begin(&fixture);
    set_standbys(&fixture, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    while (ends(&fixture, writer, "SELECT pg_logical_emit_message(true, 'other', 'x')"))
        ; /* until the server has read the setting */
    PGcancel *cancel = PQgetCancel(pg);
    char text[256];
    cr_assert(PQcancel(cancel, text, sizeof text));
    PQfreeCancel(cancel);
    for (PGresult *result; (result = PQgetResult(pg));)
        PQclear(result);
    cr_assert(!ends(&fixture, writer, "SELECT cap_visible_emit('order', 'a', 'placed', 'x'::text)"));
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "");
    set_standbys(&fixture, "ALTER SYSTEM RESET synchronous_standby_names");
    for (PGresult *result; (result = PQgetResult(pg));)
        PQclear(result);
    expect_keys(&fixture, 0, "a");
    session_close(writer);
    close_capture(&fixture);
}

/* ---- what the table refuses -------------------------------------------------------------------------------------- */

#define SHORT " ALTER aggregateid TYPE varchar(2)"

/* The table was altered by hand, and the value of an event does not fit. */
Test(capture, refused_events_are_dead_letters_and_the_others_are_spooled)
{
    struct sql_fixture fixture;
    uint64_t refused = 0;
    open_capture(&fixture, "cap_refused");
    fixture_run(&fixture, "ALTER TABLE %s" SHORT);
    fixture_begin(&fixture);
    fixture_run(&fixture, "BEGIN"); /* so that one batch has all of them */
    emit(&fixture, "a");
    emit(&fixture, "long");
    emit(&fixture, "b");
    fixture_run(&fixture, "COMMIT");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 10);
    cr_assert_eq(batch->rows, 3);
    const struct outbox_span all = {batch, 0, 3};
    cr_assert_eq(spool_counting(&fixture, &all, BASE + 3, &refused), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    cr_assert_eq(refused, 1);
    cr_assert_eq(fixture_run(&fixture, "SELECT count(*) FROM %s_dead WHERE aggregateid = 'long' AND payload = 'x' AND "
                                       "reason ~ concat('^', event_id, ': .*value too long')"),
                 1);
    cr_assert_eq(fixture_run(&fixture, "SELECT count(*) FROM %s_dead"), 1);
    fixture_begin_again(&fixture);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "ab");
    close_capture(&fixture);
}

/* The relay died after the dead letter was committed, before the position was: the next one knows the event as done. */
Test(capture, a_refused_event_is_one_dead_letter)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_once");
    fixture_run(&fixture, "ALTER TABLE %s" SHORT);
    fixture_begin(&fixture);
    emit(&fixture, "long");
    emit(&fixture, "b");
    fixture_run(&fixture, "CREATE TABLE %s_before AS SELECT * FROM %s_position");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 10);
    cr_assert_eq(spool(&fixture, &(struct outbox_span){batch, 0, 1}, BASE + 1), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    fixture_stop(&fixture);
    fixture_run(&fixture, "UPDATE %s_position p SET log_position = b.log_position, log_index = b.log_index, sequence = "
                          "b.sequence FROM %s_before b");
    fixture_begin(&fixture);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "b");
    cr_assert_eq(fixture_run(&fixture, "SELECT count(*) FROM %s_dead"), 1);
    fixture_run(&fixture, "DROP TABLE %s_before");
    close_capture(&fixture);
}

Test(capture, an_event_that_the_dead_letters_refuse_as_well_keeps_the_log)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_both");
    fixture_run(&fixture, "ALTER TABLE %s" SHORT);
    fixture_run(&fixture, "ALTER TABLE %s_dead" SHORT);
    fixture_begin(&fixture);
    emit(&fixture, "long");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 1);
    const struct outbox_span all = {batch, 0, 1};
    cr_assert_eq(spool(&fixture, &all, BASE + 1), OUTBOX_E_AGAIN, "%s", fixture.error.text);
    cr_assert(strstr(fixture.error.text, "the spool and the dead-letter table refuse event "), "%s",
              fixture.error.text);
    cr_assert_eq(sequence(&fixture), 0);
    fixture_run(&fixture, "ALTER TABLE %s_dead ALTER aggregateid TYPE text");
    cr_assert_eq(spool(&fixture, &all, BASE + 1), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "");
    close_capture(&fixture);
}

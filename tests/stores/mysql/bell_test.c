/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/bell_test.c - commits that the binlog tells of wake a relay that is parked */
#include <stdio.h>

#include "bell.h"

#define BINLOG "  wakeup: binlog\n"

static void bed_renew(struct bed *bed)
{
    struct harness_call call = {0};
    harness_reset(&call);
    obx_store_renew(bed->store, &call.call, 0);
    cr_assert_eq(harness_wait(&bed->harness, &call), 0, "%s", call.error.text);
}

/* All streams: that of a test before may still be there for a moment. */
static void end_streams(struct bed *bed)
{
    char sql[160];
    for (int64_t id = 0; id >= 0;) {
        snprintf(sql, sizeof sql,
                 "SELECT MIN(id) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%%' AND id > %lld",
                 (long long)id);
        id = session_run(bed->sql, sql);
        snprintf(sql, sizeof sql, "KILL %lld", (long long)id);
        if (id >= 0)
            session_try(bed->sql, sql); /* it may have ended by itself */
    }
}

Test(bell, a_commit_wakes_a_relay_that_is_parked)
{
    bell_expect_woken_by_commits("rung", BINLOG);
}

/* The binlog tells of a commit before it can be seen. */
Test(bell, nobody_is_parked_for_a_while_after_a_ring)
{
    struct bed bed;
    bell_open_parked(&bed, "rung_early", BINLOG);
    int64_t before = bed_now_ms();
    bell_wake_by_insert(&bed);
    bell_park(&bed);
    cr_assert_geq(bed_now_ms() - before, 200);
    bed_close(&bed);
}

/* The stream has an order: what would have rung before has done so when the one ring that is meant comes. */
Test(bell, what_is_rolled_back_or_goes_elsewhere_does_not)
{
    struct bed bed;
    bell_open_parked(&bed, "undisturbed", BINLOG);
    uint32_t wakes = bed.harness.wakes;
    bed_run(&bed, "CREATE TABLE noise LIKE %s");
    session_run(bed.sql, "INSERT INTO noise (aggregatetype, aggregateid, type) VALUES ('o', 'a', 't')");
    session_run(bed.sql, "BEGIN");
    bed_insert(&bed, bed.sql, "a");
    session_run(bed.sql, "ROLLBACK");
    for (int i = 0; i < 20; i++) /* the loop turns */
        bed_renew(&bed);
    cr_assert_eq(bed.harness.wakes, wakes);
    bell_wake_by_insert(&bed);
    cr_assert_eq(bed.harness.wakes, wakes + 1);
    bed_close(&bed);
}

Test(bell, a_prepared_transaction_rings_when_it_is_committed)
{
    struct bed bed;
    struct session *writer = session_open();
    bell_open_parked(&bed, "bell_prepared", BINLOG);
    server_begin(writer, "ring");
    bed_insert(&bed, writer, "a");
    server_prepare(writer, "ring");
    uint32_t wakes = bed.harness.wakes;
    server_end(writer, "ring", true, true);
    cr_assert(harness_until_woken(&bed.harness, wakes));
    bed_claim_some(&bed);
    cr_assert_eq(bed.count, 1);
    session_close(writer);
    bed_close(&bed);
}

Test(bell, statements_in_the_binlog_ring_as_rows_do)
{
    struct bed bed;
    bell_open_parked(&bed, "stated", BINLOG);
    bed_run(&bed, "SET SESSION binlog_format = 'STATEMENT'");
    uint32_t wakes = bed.harness.wakes;
    bed_run(&bed, "INSERT INTO %s (event_id, aggregatetype, aggregateid, type) VALUES ('e', 'o', 'a', 't')");
    cr_assert(harness_until_woken(&bed.harness, wakes));
    bed_close(&bed);
}

Test(bell, a_stream_that_ends_wakes_the_relay_and_comes_back)
{
    struct bed bed;
    bell_open_parked(&bed, "cut", BINLOG);
    uint32_t wakes = bed.harness.wakes;
    end_streams(&bed);
    cr_assert(harness_until_woken(&bed.harness, wakes));
    bell_park(&bed);
    bell_wake_by_insert(&bed);
    bed_claim_some(&bed);
    cr_assert_eq(bed.count, 1);
    bed_close(&bed);
}

/* With the server paused, the thread of the bell waits in a read that nobody answers, or in a connect. */
/* The server is paused, and goes on afterwards. */
static void stop_while_it_hangs(struct bed *bed)
{
    struct harness_call call = {0};
    harness_reset(&call);
    obx_instance_stop(bed->store, &call.call, 200); /* its last words are heard by nobody */
    int code = harness_wait(&bed->harness, &call);
    server_do("resume");
    cr_assert_eq(code, 0, "%s", call.error.text);
    cr_assert_eq(obx_instance_in_flight(bed->store), 0);
    bed_begin_again(bed);
}

Test(bell, a_relay_stops_while_the_server_hangs)
{
    struct bed bed;
    bell_open_parked(&bed, "bell_hung", BINLOG);
    server_do("pause");
    stop_while_it_hangs(&bed);
    bell_park(&bed);
    bell_wake_by_insert(&bed);
    bed_close(&bed);
}

Test(bell, a_relay_stops_while_the_bell_connects_to_a_server_that_hangs)
{
    struct bed bed;
    bell_open_parked(&bed, "bell_hung_up", BINLOG);
    uint32_t wakes = bed.harness.wakes;
    end_streams(&bed);
    server_do("pause"); /* it connects again within 0.1 s, or has done so */
    cr_assert(harness_until_woken(&bed.harness, wakes));
    stop_while_it_hangs(&bed);
    bed_close(&bed);
}

Test(bell, nobody_rings_who_was_not_asked_to)
{
    struct bed bed;
    bed_open(&bed, "silent", true, "");
    bed_begin(&bed);
    cr_assert_not(bell_parks(&bed));
    bed_close(&bed);
}

/* ---- a user who may not read the binlog -------------------------------------------------------------------------- */

Test(bell, without_the_right_the_outbox_is_polled_until_it_is_granted)
{
    struct bed bed;
    struct bell_heard heard;
    bed_open(&bed, "mute", true, "");
    server_make_user(bed.sql, "mute", "");
    server_grant(bed.sql, "ALL", "*", "mute");
    bed_reconfigure(&bed, &(struct server_place){.user = "mute"}, BINLOG);
    bell_listen(&bed, &heard);
    bed_begin(&bed);
    bell_until_warned(&bed);
    cr_assert_str_eq(heard.warning, BY_KIND("",
                                            "wake-up notifications do not work; the relay polls until they do: ask "
                                            "where the binlog ends: Access denied; you "
                                            "need (at least one of) the SUPER, BINLOG MONITOR privilege(s) for this "
                                            "operation (1227); grant what 'outbox init "
                                            "--print-grants' prints, or set wakeup: off",
                                            "wake-up notifications do not work; the relay polls until they do: ask "
                                            "where the binlog ends: Access denied; you "
                                            "need (at least one of) the SUPER, REPLICATION CLIENT privilege(s) for "
                                            "this operation (1227); grant what 'outbox "
                                            "init --print-grants' prints, or set wakeup: off"));
    bed_insert(&bed, bed.sql, "a");
    bed_claim_some(&bed);
    cr_assert_eq(bed.count, 1);
    bed_run(&bed, "GRANT REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO mute@'%'");
    bell_park(&bed);
    cr_assert(heard.warnings == 1 && heard.news == 1, "%u warnings, %u news", heard.warnings, heard.news);
    bell_wake_by_insert(&bed);
    bed_close(&bed);
}

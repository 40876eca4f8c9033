/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/wal_bell_test.c - what the server logs wakes a relay that is parked, and costs nobody else
 * anything */
#include <libpq-fe.h>
#include <stdio.h>

#include "bell.h"

#define WAL "  wakeup: wal\n"
static const char streams[] = "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'outbox test wakeup'";

static void open_parked_beside_noise(struct bed *bed, const char *table)
{
    bed_open(bed, table, true, WAL);
    bed_run(bed, "CREATE TABLE IF NOT EXISTS noise (i int)");
    bed_begin(bed);
    bell_park(bed);
}

/* A commit that is not one of ours. */
static void make_noise(struct bed *bed)
{
    bed_run(bed, "INSERT INTO noise VALUES (1)");
}

/* ---- ringing ----------------------------------------------------------------------------------------------------- */

Test(wal_bell, a_commit_wakes_a_relay_that_is_parked)
{
    bell_expect_woken_by_commits("wal_rung", WAL);
}

static void end_tls(void)
{
    server_do("plain");
}

Test(wal_bell, the_stream_may_be_encrypted, .fini = end_tls)
{
    static const char encrypted[] =
        "SELECT count(*) FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) WHERE ssl AND "
        "application_name = 'outbox test wakeup'";
    struct bed bed;
    char more[400];
    server_do("tls");
    snprintf(more, sizeof more, "sslmode=verify-full sslrootcert=%s/ca.pem", server_dir());
    bed_open(&bed, "wal_tls", true, "");
    bed_reconfigure(&bed, &(struct server_place){.more = more}, WAL);
    bed_begin(&bed);
    bell_park(&bed);
    cr_assert_eq(bed_run(&bed, encrypted), 1);
    bell_expect_rung(&bed);
    bed_close(&bed);
}

/* Parked beside a transaction that has written already: its commit rings. */
Test(wal_bell, a_transaction_that_was_open_before_rings_when_it_commits)
{
    struct bed bed;
    struct session *writer = session_open();
    bed_open(&bed, "wal_open", true, WAL);
    bed_begin(&bed);
    session_run(writer, "BEGIN");
    bed_insert(&bed, writer, "a");
    bell_park(&bed);
    uint32_t wakes = bed.harness.wakes;
    session_run(writer, "COMMIT");
    cr_assert(harness_until_woken(&bed.harness, wakes));
    bed_claim_some(&bed);
    cr_assert(bed.count == 1 && bed.ids[0] == 1);
    session_close(writer);
    bed_close(&bed);
}

Test(wal_bell, after_a_rollback_it_parks_again_and_is_woken_by_the_next_commit)
{
    struct bed bed;
    bell_open_parked(&bed, "wal_back", WAL);
    bed_run(&bed, "BEGIN");
    bed_insert(&bed, bed.sql, "a");
    bed_run(&bed, "ROLLBACK");
    bed_expect(&bed, 0, NULL);
    bell_park(&bed);
    bell_wake_by_insert(&bed);
    bed_claim_some(&bed);
    cr_assert(bed.count == 1 && bed.ids[0] == 2);
    bed_close(&bed);
}

/* A commit that was heard before a look has ended may not have been seen by it. */
Test(wal_bell, nobody_is_parked_while_the_log_grows)
{
    struct bed bed;
    bell_open_parked(&bed, "wal_grows", WAL);
    bed_insert(&bed, bed.sql, "a");
    bed_claim_some(&bed);
    for (int i = 0; i < 20; i++) {
        bed_run(&bed, "UPDATE wal_grows SET payload = 'y'");
        cr_assert_not(bell_parks(&bed));
    }
    bed_close(&bed);
}

Test(wal_bell, being_parked_and_woken_takes_no_statement)
{
    static const char asked[] =
        "SELECT (extract(epoch FROM max(query_start)) * 1000000)::int8 FROM pg_stat_activity WHERE application_name = "
        "'outbox test' AND backend_type = 'client backend'";
    struct bed bed;
    bell_open_parked(&bed, "wal_still", WAL);
    int64_t before = bed_run(&bed, asked);
    bell_wake_by_insert(&bed);
    cr_assert_eq(bed_run(&bed, asked), before);
    bed_close(&bed);
}

/* ---- what everybody else writes ---------------------------------------------------------------------------------- */

static bool is_not_sent_noise(void *arg)
{
    struct bed *bed = arg;
    for (int i = 0; i < 20; i++) {
        make_noise(bed);
        cr_assert_not(bell_parks(bed));
    }
    return bed_run(bed, streams) == 0;
}

/* Each look sees that the log has grown. The relay is not woken for that, and after a while it is not sent it. */
Test(wal_bell, where_the_log_never_rests_the_outbox_is_polled_without_a_stream)
{
    struct bed bed;
    open_parked_beside_noise(&bed, "wal_noisy");
    uint32_t wakes = bed.harness.wakes;
    cr_assert(harness_poll(&bed.harness, is_not_sent_noise, &bed));
    cr_assert_leq(bed.harness.wakes, wakes + 1);
    bed_insert(&bed, bed.sql, "a");
    bed_claim_some(&bed);
    cr_assert_eq(bed.count, 1);
    bell_park(&bed);
    bell_wake_by_insert(&bed);
    bed_close(&bed);
}

struct waking {
    struct bed *bed;
    bool rows; /* the ring brings some */
    int64_t least, most;
};

/* How long it takes to be parked after a ring. */
static bool takes_so_long(void *arg)
{
    struct waking *waking = arg;
    struct bed *bed = waking->bed;
    uint32_t wakes = bed->harness.wakes;
    if (waking->rows)
        bed_insert(bed, bed->sql, "a");
    else
        make_noise(bed);
    cr_assert(harness_until_woken(&bed->harness, wakes));
    if (waking->rows)
        bed_claim_some(bed);
    int64_t begin = bed_now_ms();
    bell_park(bed);
    return bed_now_ms() - begin >= waking->least && bed_now_ms() - begin <= waking->most;
}

Test(wal_bell, who_is_woken_in_vain_asks_for_more_quiet_until_rows_come)
{
    struct bed bed;
    open_parked_beside_noise(&bed, "wal_vain");
    cr_assert(harness_poll(&bed.harness, takes_so_long, &(struct waking){&bed, false, 700, INT64_MAX}));
    cr_assert(harness_poll(&bed.harness, takes_so_long, &(struct waking){&bed, true, 0, 350}));
    bed_close(&bed);
}

static bool has_hung_up(void *arg)
{
    struct bed *bed = arg;
    for (int i = 0; i < 20; i++) {
        bed_insert(bed, bed->sql, "a");
        bed_claim_some(bed);
    }
    return bed_run(bed, streams) == 0;
}

Test(wal_bell, a_relay_that_has_work_hangs_up)
{
    struct bed bed;
    bell_open_parked(&bed, "wal_work", WAL);
    cr_assert(harness_poll(&bed.harness, has_hung_up, &bed));
    bell_park(&bed);
    cr_assert_eq(bed_run(&bed, streams), 1);
    bed_close(&bed);
}

/* ---- what the server must not suffer ----------------------------------------------------------------------------- */

/* A commit that waits for a synchronous replica, any, does not take the relay for one: not even when it has heard of
 * the commit and has said so. */
Test(wal_bell, the_relay_is_no_synchronous_replica)
{
    struct bed bed;
    struct session *writer = session_open();
    PGconn *pg = session_handle(writer);
    bell_open_parked(&bed, "wal_sync", WAL);
    bed_run(&bed, "ALTER SYSTEM SET synchronous_standby_names = '*'");
    bed_run(&bed, "SELECT pg_reload_conf()");
    bell_until(&bed, "SELECT (current_setting('synchronous_standby_names') = '*')::int");
    bed_run(&bed, "CHECKPOINT"); /* who makes it tells all others that commits wait from now on */
    bell_park(&bed);
    uint32_t wakes = bed.harness.wakes;
    cr_assert(PQsendQuery(pg, "INSERT INTO wal_sync (aggregatetype, aggregateid, type) VALUES ('o', 'a', 't')"));
    cr_assert(harness_until_woken(&bed.harness, wakes));
    bell_until(&bed,
               "SELECT count(*) FROM pg_stat_replication r, pg_stat_activity a WHERE r.write_lsn = "
               "pg_current_wal_flush_lsn() AND a.wait_event = 'SyncRep' AND a.query LIKE 'INSERT INTO wal_sync%'");
    cr_assert_eq(bed_run(&bed, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'async' AND flush_lsn IS "
                               "NULL AND replay_lsn IS NULL"),
                 1);
    cr_assert(PQconsumeInput(pg) && PQisBusy(pg), "the commit was acknowledged");
    bed_expect(&bed, 0, NULL);
    bed_run(&bed, "ALTER SYSTEM RESET synchronous_standby_names");
    bed_run(&bed, "SELECT pg_reload_conf()");
    bed_claim_some(&bed);
    cr_assert_eq(bed.count, 1);
    session_close(writer);
    bed_close(&bed);
}

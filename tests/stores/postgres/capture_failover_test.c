/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/capture_failover_test.c - `capture: wal`: a promoted standby, and a log that grows to its limit
 */
#include <sys/stat.h>
#include <unistd.h>

#include "capture.h"

/* The position row is replicated with the data, so the new primary's log has its place, on the old timeline. */
Test(capture_failover, reading_goes_on_over_the_end_of_a_timeline)
{
    struct sql_fixture fixture;
    int port = server_port() + 1;
    char ports[30];
    open_capture(&fixture, "cap_failover");
    server_standby("start", port);
    snprintf(ports, sizeof ports, "%d,%d", port, server_port());
    fixture_reconfigure(&fixture, &(struct server_place){.hosts = "127.0.0.1,127.0.0.1", .ports = ports}, CAPTURE);
    fixture_begin(&fixture);
    emit(&fixture, "a");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 10);
    cr_assert_eq(settle(&fixture, &(struct outbox_span){batch, 0, 1}, BASE + 1), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    emit(&fixture, "b");
    wait_for_replay(&fixture, port);

    session_close(fixture.sql);
    server_do("kill");
    server_standby("promote", port);
    fixture.sql = session_open_at(port);
    emit(&fixture, "c");
    fixture_begin_again(&fixture);
    batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 1);
    cr_assert(batch->rows == 1 && (int64_t)batch->positions[0].major == BASE + 2, "b has the number that it had");
    obx_store_release(fixture.store, batch);
    expect_keys(&fixture, 0, "c");
    cr_assert_eq(settle(&fixture, NULL, BASE + 3), 0, "%s", fixture.error.text);
    fixture_begin_again(&fixture);
    emit(&fixture, "d");
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "d");
    fixture_close(&fixture);
    server_standby("stop", port);
    server_do("restart"); /* for others */
}

/* DIR/.s.PGSQL.5432 is a link to the socket of a server: the place where new connections lead can be changed. */
static void lead_to(const char *dir, const char *socket_dir, int port)
{
    char link[300], target[300];
    snprintf(link, sizeof link, "%s/.s.PGSQL.5432", dir);
    snprintf(target, sizeof target, "%s/.s.PGSQL.%d", socket_dir, port);
    unlink(link);
    cr_assert_eq(symlink(target, link), 0);
}

/* Claims until one fails, or the store is lost; why. */
static struct outbox_error await_failure(struct sql_fixture *fixture)
{
    int64_t end = fixture_now_ms() + LOOP_FIXTURE_TIMEOUT_MS;
    for (;;) {
        struct outbox_claim claim = {.struct_size = sizeof claim, .max_rows = 10, .max_bytes = 1 << 20};
        if (loop_fixture_claim(&fixture->base, fixture->store, &claim, &fixture->error))
            return fixture->error;
        if (fixture->base.losses)
            return fixture->base.loss;
        cr_assert_null(claim.batch);
        cr_assert_lt(fixture_now_ms(), end);
    }
}

/* The places that were read are those of the first server's log. */
Test(capture_failover, a_large_transaction_is_read_again_from_the_same_server_only)
{
    struct sql_fixture fixture;
    struct session *other = session_open();
    int port = server_port() + 1;
    char dir[200], standby[200];
    snprintf(dir, sizeof dir, "%s/link", server_dir());
    snprintf(standby, sizeof standby, "%s/standby", server_dir());
    open_capture(&fixture, "cap_again");
    cr_assert_eq(mkdir(dir, 0755), 0);
    server_standby("start", port);
    lead_to(dir, server_dir(), server_port());
    fixture_reconfigure(&fixture, &(struct server_place){.hosts = dir, .ports = "5432"}, CAPTURE);
    fixture_begin(&fixture);
    session_run(other, "BEGIN");
    fixture_run_on(&fixture, other,
                   "SELECT count(%s_emit('o', 'k', 't', repeat('x', 20000))) FROM generate_series(1, 600)");
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "");
    wait_for_replay(&fixture, port);
    server_standby("promote", port);
    lead_to(dir, standby, port);
    session_run(other, "COMMIT");
    struct outbox_error error = await_failure(&fixture);
    cr_assert_eq(error.code, OUTBOX_E_NOT_CONNECTED);
    cr_assert(strstr(error.text, "on timeline 2 now, and the log was read from"), "%s", error.text);
    session_close(other);
    server_standby("stop", port);
    lead_to(dir, server_dir(), server_port());
    fixture_begin_again(&fixture);
    obx_store_release(fixture.store, claim_events(&fixture, OUTBOX_CLAIM_REWIND, 1));
    close_capture(&fixture);
}

struct warnings {
    const char *text; /* that they contain */
    unsigned count;
};

static void count_warning(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    struct warnings *warnings = arg;
    (void)subject;
    warnings->count += level == OUTBOX_LOG_WARN && strstr(text, warnings->text);
}

static void count_warnings(struct sql_fixture *fixture, struct warnings *warnings, const char *text)
{
    *warnings = (struct warnings){.text = text};
    fixture->base.log.write = count_warning;
    fixture->base.log.arg = warnings;
}

static int renew(struct sql_fixture *fixture)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_renew(fixture->store, &call.call, 0);
    return loop_fixture_wait(&fixture->base, &call);
}

static uint32_t measure(struct sql_fixture *fixture, uint32_t *percent)
{
    struct outbox_claim claim = {.struct_size = sizeof claim, .flags = OUTBOX_CLAIM_MEASURE};
    cr_assert_eq(renew(fixture), 0); /* which begins to measure; the answer comes before that of the claim */
    cr_assert_eq(renew(fixture), 0);
    cr_assert_eq(loop_fixture_claim(&fixture->base, fixture->store, &claim, &fixture->error), 0);
    *percent = claim.log_percent;
    return claim.result;
}

static void await_percent(struct sql_fixture *fixture, uint32_t least)
{
    int64_t end = fixture_now_ms() + LOOP_FIXTURE_TIMEOUT_MS;
    for (uint32_t percent = 0; percent < least; measure(fixture, &percent))
        cr_assert_lt(fixture_now_ms(), end, "%u %%", percent);
}

/* A new slot keeps the log from the last checkpoint on: that of the next test is to keep little. */
static void reset_limit(struct sql_fixture *fixture)
{
    fixture_run(fixture, "ALTER SYSTEM RESET max_slot_wal_keep_size");
    fixture_run(fixture, "SELECT pg_reload_conf()");
    fixture_run(fixture, "CHECKPOINT");
}

Test(capture_limit, the_host_is_asked_to_relieve_the_log_near_its_limit)
{
    struct sql_fixture fixture;
    uint32_t percent = 0;
    open_capture(&fixture, "cap_limit");
    fixture_run(&fixture, "ALTER SYSTEM SET max_slot_wal_keep_size = '64MB'");
    fixture_run(&fixture, "SELECT pg_reload_conf()");
    fixture_begin(&fixture);
    emit(&fixture, "a");
    struct outbox_batch *batch = claim_events(&fixture, OUTBOX_CLAIM_REWIND, 10);
    while (fixture_run(&fixture, "SELECT (current_setting('max_slot_wal_keep_size') = '64MB')::int") != 1)
        ;
    cr_assert(!(measure(&fixture, &percent) & OUTBOX_CLAIMED_RELIEVE));
    write_log(&fixture, 52);
    await_percent(&fixture, 75);
    cr_assert(measure(&fixture, &percent) & OUTBOX_CLAIMED_RELIEVE, "%u %%", percent);

    /* the event is spooled, and then the log is free */
    cr_assert_eq(spool(&fixture, &(struct outbox_span){batch, 0, 1}, BASE + 1), 0, "%s", fixture.error.text);
    obx_store_release(fixture.store, batch);
    expect_keys(&fixture, 0, "");
    cr_assert_eq(settle(&fixture, NULL, 0), 0, "%s", fixture.error.text);
    int64_t end = fixture_now_ms() + LOOP_FIXTURE_TIMEOUT_MS;
    while (measure(&fixture, &percent) & OUTBOX_CLAIMED_RELIEVE)
        cr_assert_lt(fixture_now_ms(), end, "%u %%", percent);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "a");
    reset_limit(&fixture);
    close_capture(&fixture);
}

/* A prepared transaction keeps the log: copying events would free none, and would only stop publishing. */
Test(capture_limit, an_open_transaction_that_keeps_the_log_does_not_stop_publishing)
{
    struct sql_fixture fixture;
    struct warnings warnings;
    uint32_t percent = 0;
    open_capture(&fixture, "cap_held");
    fixture_run(&fixture, "ALTER SYSTEM SET max_slot_wal_keep_size = '64MB'");
    fixture_run(&fixture, "SELECT pg_reload_conf()");
    count_warnings(&fixture, &warnings, "is open, and the server keeps the log");
    fixture_begin(&fixture);
    fixture_run(&fixture, "BEGIN");
    emit(&fixture, "x");
    fixture_run(&fixture, "PREPARE TRANSACTION 'cap_held'");
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "");
    while (fixture_run(&fixture, "SELECT (current_setting('max_slot_wal_keep_size') = '64MB')::int") != 1)
        ;
    write_log(&fixture, 52);
    await_percent(&fixture, 75);
    cr_assert(!(measure(&fixture, &percent) & OUTBOX_CLAIMED_RELIEVE), "%u %%", percent);
    cr_assert_eq(warnings.count, 1, "%u warnings", warnings.count);
    emit(&fixture, "a");
    expect_keys(&fixture, 0, "a");
    fixture_run(&fixture, "ROLLBACK PREPARED 'cap_held'");
    expect_keys(&fixture, 0, "");
    int64_t end = fixture_now_ms() + LOOP_FIXTURE_TIMEOUT_MS;
    while (!(measure(&fixture, &percent) & OUTBOX_CLAIMED_RELIEVE))
        cr_assert_lt(fixture_now_ms(), end, "%u %%", percent);
    reset_limit(&fixture);
    close_capture(&fixture);
}

Test(capture_limit, a_slot_that_vanishes_is_reported_once)
{
    struct sql_fixture fixture;
    struct warnings warnings;
    uint32_t percent = 0;
    open_capture(&fixture, "cap_vanished");
    count_warnings(&fixture, &warnings, "the server keeps no log for this outbox: slot outbox_");
    fixture_begin(&fixture);
    measure(&fixture, &percent);
    cr_assert_eq(warnings.count, 0);
    drop_slot(&fixture);
    int64_t end = fixture_now_ms() + LOOP_FIXTURE_TIMEOUT_MS;
    while (!warnings.count) {
        measure(&fixture, &percent); /* it may be the answer of before */
        cr_assert_lt(fixture_now_ms(), end);
    }
    measure(&fixture, &percent);
    measure(&fixture, &percent);
    cr_assert_eq(warnings.count, 1, "%u warnings", warnings.count);
    cr_assert_eq(percent, 0);

    struct outbox_store_status status = {.struct_size = sizeof status, .log_bytes = -1, .log_limit = -1};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_status(fixture.store, &call.call, 0, &status);
    cr_assert_eq(loop_fixture_wait(&fixture.base, &call), 0, "%s", call.error.text);
    cr_assert_eq(warnings.count, 2);
    cr_assert_eq(status.log_bytes, -1);
    close_capture(&fixture);
}

/* The server has removed log that was not read. The error names what may be lost; the steps of the manual help. */
Test(capture_limit, a_slot_that_is_lost_halts_and_is_given_up_by_hand)
{
    struct sql_fixture fixture;
    struct outbox_claim claim = {.struct_size = sizeof claim, .flags = OUTBOX_CLAIM_REWIND, .max_rows = 10};
    open_capture(&fixture, "cap_lost");
    fixture_run(&fixture, "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'");
    fixture_run(&fixture, "SELECT pg_reload_conf()");
    emit(&fixture, "a");
    for (int i = 0; i < 50 && !is_lost(&fixture); i++)
        write_and_remove_log(&fixture);
    cr_assert(is_lost(&fixture));
    fixture_begin(&fixture);
    cr_assert_eq(loop_fixture_claim(&fixture.base, fixture.store, &claim, &fixture.error), OUTBOX_E_SCHEMA);
    cr_assert(strstr(fixture.error.text, "events that were committed from there up to 0/"), "%s", fixture.error.text);
    fixture_stop(&fixture);
    fixture_reconfigure(&fixture, &(struct server_place){0}, CAPTURE);
    fixture_run(&fixture, "UPDATE %s_position SET log_position = ''");
    init_again(&fixture);
    cr_assert(!is_lost(&fixture));
    emit(&fixture, "b");
    fixture_begin(&fixture);
    expect_keys(&fixture, OUTBOX_CLAIM_REWIND, "b");
    reset_limit(&fixture);
    close_capture(&fixture);
}

/* ---- check and status -------------------------------------------------------------------------------------------- */

Test(capture_check, names_what_is_missing)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_check");
    fixture_begin(&fixture);
    cr_assert_eq(fixture_check(&fixture, "there is no slot").count, 0);
    cr_assert_eq(fixture_check(&fixture, "max_slot_wal_keep_size has no limit").count, 1);
    drop_slot(&fixture);
    struct fixture_findings slot = fixture_check(&fixture, "there is no slot outbox_");
    cr_assert(slot.count == 1 && slot.severity == OUTBOX_SEVERITY_ERROR && *slot.command);
    fixture_paste(&fixture, slot.command);
    cr_assert_eq(fixture_check(&fixture, "there is no slot").count, 0);
    fixture_run(&fixture, "DROP FUNCTION %s_emit(text, text, text, text, jsonb, uuid)");
    cr_assert_eq(fixture_check(&fixture, "there is no function").count, 0);
    fixture_run(&fixture, "DROP FUNCTION %s_emit(text, text, text, bytea, jsonb, uuid)");
    cr_assert_eq(fixture_check(&fixture, "there is no function").count, 1);
    fixture_run(&fixture, "DROP TABLE %s_position");
    cr_assert_eq(fixture_check(&fixture, "which has the position").count, 1);
    close_capture(&fixture);
}

Test(capture_check, opens_the_connection_that_reads_the_log)
{
    struct sql_fixture fixture;
    open_capture(&fixture, "cap_connection");
    fixture_begin(&fixture);
    struct fixture_findings works = fixture_check(&fixture, "the server sends its log");
    cr_assert(works.count == 1 && works.severity == OUTBOX_SEVERITY_OK);
    fixture_run(&fixture, "ALTER SYSTEM SET max_wal_senders = 0");
    server_do("kill");
    server_do("restart");
    session_close(fixture.sql);
    fixture.sql = session_open();
    fixture_begin_again(&fixture);
    struct fixture_findings refused = fixture_check(&fixture, "the server does not send its log: connect (");
    cr_assert(refused.count == 1 && refused.severity == OUTBOX_SEVERITY_ERROR && refused.advised);
    fixture_run(&fixture, "ALTER SYSTEM RESET max_wal_senders");
    server_do("kill");
    server_do("restart");
    session_close(fixture.sql);
    fixture.sql = session_open();
    close_capture(&fixture);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/altered/altered_test.c - a store whose server answers anything at all
 *
 * Each run connects a store through the altering proxy and calls all operations. Each may fail in any way, but it ends,
 * and nothing is read that is not there: a build with sanitizers sees that. A store that captures the log has its
 * stream altered as well. OUTBOX_ALTERED_RUNS is the number of runs, at least; they go on until so many messages were
 * altered as OUTBOX_ALTERED_ANSWERS has. OUTBOX_ALTERED_SEED is the first seed. 10,000 runs take some ten minutes.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "altered.h"

enum { RUNS = 200, CAPTURE_RUNS = 80, TIMEOUT_MS = 250, PATIENCE_MS = 20000 };

static const struct outbox_column columns[] = {{"event_id", OUTBOX_COLUMN_OPTIONAL},
                                               {"aggregateid", 0},
                                               {"payload", 0},
                                               {"headers", OUTBOX_COLUMN_OPTIONAL},
                                               {"created_at", OUTBOX_COLUMN_OPTIONAL}};

struct altered {
    const char *capture; /* the options; "": the store polls */
    struct sql_fixture fixture;
    struct altering_proxy proxy;
    struct loop_fixture_call call;
    uint64_t seed, ended_well, failed, rows;
};

static struct loop_fixture_call *next(struct altered *a)
{
    loop_fixture_reset(&a->call);
    return &a->call;
}

/* True: it succeeded. */
static bool wait_for(struct altered *a)
{
    bool well = !loop_fixture_wait(&a->fixture.base, &a->call);
    cr_assert(a->call.done, "seed %llu: an operation does not end", (unsigned long long)a->seed);
    a->ended_well += well;
    a->failed += !well;
    return well;
}

/* ---- the operations ---------------------------------------------------------------------------------------------- */

static bool start(struct altered *a, bool relaying)
{
    const struct outbox_store_start how = {
        .struct_size = sizeof how, .columns = columns, .column_count = relaying ? OBX_COUNT(columns) : 0};
    obx_store_start(a->fixture.store, &next(a)->call, 4 * TIMEOUT_MS, &how);
    return wait_for(a);
}

static bool acquire(struct altered *a)
{
    struct outbox_acquire acquire = {.struct_size = sizeof acquire, .lease_ms = 10000};
    obx_store_acquire(a->fixture.store, &next(a)->call, TIMEOUT_MS, &acquire);
    return wait_for(a);
}

static void touch(const struct outbox_value *value)
{
    static volatile uint8_t seen;
    if (value->type == OUTBOX_TEXT || value->type == OUTBOX_BYTES || value->type == OUTBOX_UUID)
        for (uint32_t i = 0; i < value->size; i++)
            seen = (uint8_t)(seen ^ ((const uint8_t *)value->as.data)[i]);
}

/* Of a log, again and again for a while: it is read between two claims. */
static struct outbox_batch *claim(struct altered *a, uint32_t flags)
{
    int64_t end = fixture_now_ms() + (*a->capture ? TIMEOUT_MS : 0);
    struct outbox_batch *batch = NULL;
    bool well;
    do {
        struct outbox_claim claim = {.struct_size = sizeof claim, .flags = flags, .max_rows = 50, .max_bytes = 1 << 20};
        obx_store_claim(a->fixture.store, &next(a)->call, TIMEOUT_MS, &claim);
        well = wait_for(a);
        batch = well ? claim.batch : NULL;
        flags &= ~(uint32_t)OUTBOX_CLAIM_REWIND;
    } while (well && !batch && fixture_now_ms() < end);
    for (uint32_t i = 0; batch && i < batch->rows * batch->columns; i++)
        touch(&batch->values[i]);
    a->rows += batch ? batch->rows : 0;
    return batch;
}

static void settle(struct altered *a, const struct outbox_batch *batch)
{
    const struct outbox_span span = {batch, 0, (batch->rows + 1) / 2};
    const struct outbox_settle settle = {.struct_size = sizeof settle, .span_count = 1, .spans = &span};
    obx_store_settle(a->fixture.store, &next(a)->call, TIMEOUT_MS, &settle);
    wait_for(a);
}

static void dead_letter(struct altered *a, const struct outbox_batch *batch)
{
    const struct outbox_dead_row row = {
        .position = batch->positions[batch->rows - 1], .attempts = 1, .reason = "too large"};
    const struct outbox_dead_letter_rows rows = {.struct_size = sizeof rows, .count = 1, .rows = &row};
    obx_store_dead_letter(a->fixture.store, &next(a)->call, TIMEOUT_MS, &rows);
    wait_for(a);
}

static void on_letter(void *arg, const struct outbox_dead_letter *letter)
{
    const struct outbox_bytes all[] = {letter->topic, letter->key, letter->reason, letter->event.payload,
                                       letter->event.headers};
    (void)arg;
    for (unsigned i = 0; i < OBX_COUNT(all); i++)
        touch(&(struct outbox_value){.type = OUTBOX_BYTES, .as.data = all[i].data, .size = (uint32_t)all[i].size});
}

static void dead(struct altered *a, uint32_t action)
{
    struct outbox_dead dead = {.struct_size = sizeof dead, .action = action, .row = on_letter};
    obx_store_dead(a->fixture.store, &next(a)->call, TIMEOUT_MS, &dead);
    wait_for(a);
}

static void on_finding(void *arg, const struct outbox_finding *finding)
{
    (void)arg;
    (void)finding;
}

static void administrate(struct altered *a)
{
    struct outbox_store_status status = {.struct_size = sizeof status};
    const struct outbox_check check = {
        .struct_size = sizeof check, .report = on_finding, .flags = a->seed % 2 ? OUTBOX_CHECK_TIMESTAMP : 0};
    const struct outbox_bytes some = {"x", 1};
    const struct outbox_event event = {
        .struct_size = sizeof event, .aggregate_type = some, .aggregate_id = some, .type = some, .payload = some};
    const struct outbox_event *events[] = {&event, &event};
    const struct outbox_add add = {.struct_size = sizeof add, .events = events, .count = 2};
    obx_store_status(a->fixture.store, &next(a)->call, TIMEOUT_MS, &status);
    wait_for(a);
    obx_store_check(a->fixture.store, &next(a)->call, TIMEOUT_MS, &check);
    wait_for(a);
    obx_store_add(a->fixture.store, &next(a)->call, TIMEOUT_MS, &add);
    wait_for(a);
    for (uint32_t action = OUTBOX_DEAD_LIST; action <= OUTBOX_DEAD_KEYS; action++)
        if (action != OUTBOX_DEAD_DROP)
            dead(a, action);
}

static void relay(struct altered *a)
{
    for (int i = 0; i < 4; i++) {
        struct outbox_batch *batch = claim(a, i == 3                  ? OUTBOX_CLAIM_ARM_WAKEUP
                                              : i == 0 && *a->capture ? OUTBOX_CLAIM_REWIND
                                                                      : 0);
        if (!batch)
            continue;
        settle(a, batch);
        dead_letter(a, batch);
        obx_store_release(a->fixture.store, batch);
    }
    obx_store_renew(a->fixture.store, &next(a)->call, TIMEOUT_MS);
    wait_for(a);
}

static void stop(struct altered *a)
{
    obx_instance_stop(a->fixture.store, &next(a)->call, TIMEOUT_MS);
    wait_for(a);
}

/* ---- the runs ---------------------------------------------------------------------------------------------------- */

static void run(struct altered *a)
{
    char port[12], yaml[200];
    snprintf(port, sizeof port, "%u", a->proxy.port);
    snprintf(yaml, sizeof yaml, "%s  connect_timeout: 500ms\n%s", a->capture,
             a->seed % 2 ? "" : "  stray_scan_interval: 10ms\n");
    atomic_store(&a->proxy.seed, a->seed);
    fixture_reconfigure(&a->fixture,
                        &(struct server_place){.hosts = "127.0.0.1", .ports = port, .more = "sslmode=disable"}, yaml);
    if (start(a, a->seed % 3) && a->seed % 3 && acquire(a))
        relay(a);
    administrate(a);
    stop(a);
}

/* NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the name that the sanitizer calls */
const char *__asan_default_options(void);

/* A server states how many columns a result has: the client libraries of MySQL and MariaDB allocate them, and report an
 * error without memory. */
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

bool client_crashes(void)
{
    unsigned long (*version)(void) = NULL;
    *(void **)&version = dlsym(RTLD_DEFAULT, "mysql_get_client_version");
    bool connector_c = dlsym(RTLD_DEFAULT, "mariadb_get_infov");
    return server_kind() != POSTGRES && version && connector_c && version() < 30320;
}

static void write_events(struct altered *a)
{
    const char *emit = "SELECT %s_emit('order', 'a', 'placed', 'x'::text)";
    for (int i = 0; i < 3; i++)
        if (strstr(a->capture, "wal"))
            fixture_run(&a->fixture, emit);
        else
            fixture_insert(&a->fixture, a->fixture.sql, "a");
}

static void survive(const char *table, const char *capture, uint64_t runs)
{
    static struct altered a;
    uint64_t first = altering_proxy_setting("OUTBOX_ALTERED_SEED", 1),
             answers = altering_proxy_setting("OUTBOX_ALTERED_ANSWERS", 0);
    if (client_crashes())
        cr_skip_test("MariaDB Connector/C before 3.3.20 crashes on malformed answers");
    runs = altering_proxy_setting("OUTBOX_ALTERED_RUNS", runs);
    a = (struct altered){.capture = capture};
    fixture_open(&a.fixture, table, true, capture);
    a.fixture.base.timeout_ms = PATIENCE_MS;
    altering_proxy_start(&a.proxy, BY_SERVER(&alter_postgres, &alter_mysql), server_port());
    for (a.seed = first; a.seed < first + runs || atomic_load(&a.proxy.altered) < answers; a.seed++) {
        write_events(&a);
        run(&a);
    }
    printf("# %s: %llu runs, %llu of %llu messages altered; %llu operations succeeded, %llu failed, %llu rows\n", table,
           (unsigned long long)(a.seed - first), (unsigned long long)atomic_load(&a.proxy.altered),
           (unsigned long long)atomic_load(&a.proxy.messages), (unsigned long long)a.ended_well,
           (unsigned long long)a.failed, (unsigned long long)a.rows);
    fflush(stdout);
    cr_assert_gt(atomic_load(&a.proxy.altered), runs);
    if (!*capture) { /* how far a stream of the log comes in the time of a run depends on the load */
        cr_assert_gt(a.ended_well, runs);
        cr_assert_gt(a.failed, runs);
        cr_assert_gt(a.rows, 0);
    }
    altering_proxy_stop(&a.proxy);
    fixture_close(&a.fixture);
}

Test(altered, store_survives_whatever_a_server_answers, .timeout = 7200)
{
    survive("altered", "", RUNS);
}

Test(altered, capture_survives_whatever_a_server_answers, .timeout = 7200)
{
    if (server_kind() != POSTGRES) {
        survive("altered_binlog", "  capture: binlog\n", CAPTURE_RUNS);
        return;
    }
    survive("altered_wal", "  capture: wal\n", CAPTURE_RUNS);
    survive("altered_logical", "  capture: logical\n  capture_rows: true\n", CAPTURE_RUNS);
}

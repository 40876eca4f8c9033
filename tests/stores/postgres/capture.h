/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/capture.h - for the tests of `capture: wal`: writing events, claiming, settling, spooling */
#ifndef OBX_TESTS_STORES_POSTGRES_CAPTURE_H
#define OBX_TESTS_STORES_POSTGRES_CAPTURE_H

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"

/* The cases of `capture: wal` are those of `logical`, too: a second program is built with this defined. */
#ifdef CAPTURE_LOGICAL
#define CAPTURE "  capture: logical\n"
#define BY_CAPTURE(wal, logical) (logical)
#else
#define CAPTURE "  capture: wal\n"
#define BY_CAPTURE(wal, logical) (wal)
#endif
#define BASE (INT64_C(1) << 62)

static inline void emit_on(struct sql_fixture *fixture, struct session *session, const char *key)
{
    char sql[200];
    snprintf(sql, sizeof sql, "SELECT %%s_emit('order', '%s', 'placed', 'x'::text)", key);
    fixture_run_on(fixture, session, sql);
}

static inline void emit(struct sql_fixture *fixture, const char *key)
{
    emit_on(fixture, fixture->sql, key);
}

static inline void open_capture(struct sql_fixture *fixture, const char *table)
{
    fixture_open(fixture, table, true, CAPTURE);
}

/* The stream of `logical` has it. */
static inline void drop_slot(struct sql_fixture *fixture)
{
    int64_t end = fixture_now_ms() + LOOP_FIXTURE_TIMEOUT_MS;
    while (fixture_run(fixture, "SELECT count(pg_terminate_backend(active_pid)) FROM pg_replication_slots"))
        cr_assert_lt(fixture_now_ms(), end);
    fixture_run(fixture, "SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots");
}

static inline void close_capture(struct sql_fixture *fixture)
{
    drop_slot(fixture);
    fixture_close(fixture);
}

/* Claims until so many rows have come; their keys, one letter each, in order. */
struct keys {
    char text[64];
};
static inline struct keys keys_of(struct sql_fixture *fixture, uint32_t flags)
{
    struct keys keys = {""};
    int64_t end = fixture_now_ms() + LOOP_FIXTURE_TIMEOUT_MS;
    for (unsigned used = 0;; flags = 0) {
        struct outbox_claim claim = {
            .struct_size = sizeof claim, .flags = flags, .max_rows = 1000, .max_bytes = 16 << 20};
        cr_assert_eq(loop_fixture_claim(&fixture->base, fixture->store, &claim, &fixture->error), 0, "%s",
                     fixture->error.text);
        cr_assert_lt(fixture_now_ms(), end);
        if (!claim.batch && claim.result & OUTBOX_CLAIMED_BEHIND)
            continue;
        if (!claim.batch)
            return keys; /* exact: all that was committed before has come */
        for (uint32_t i = 0; i < claim.batch->rows && used + 1 < sizeof keys.text; i++)
            keys.text[used++] = *(const char *)claim.batch->values[i * claim.batch->columns + 1].as.data;
        obx_store_release(fixture->store, claim.batch);
    }
}

static inline void expect_keys(struct sql_fixture *fixture, uint32_t flags, const char *expected)
{
    struct keys keys = keys_of(fixture, flags);
    cr_assert_str_eq(keys.text, expected);
}

/* Claims until rows have come: on a busy machine the reader may be behind for long. */
static inline struct outbox_batch *claim_events(struct sql_fixture *fixture, uint32_t flags, uint32_t rows)
{
    int64_t end = fixture_now_ms() + LOOP_FIXTURE_TIMEOUT_MS;
    for (;; flags = 0) {
        struct outbox_claim claim = {
            .struct_size = sizeof claim, .flags = flags, .max_rows = rows, .max_bytes = 1 << 20};
        cr_assert_eq(loop_fixture_claim(&fixture->base, fixture->store, &claim, &fixture->error), 0, "%s",
                     fixture->error.text);
        if (claim.batch)
            return claim.batch;
        cr_assert(claim.result & OUTBOX_CLAIMED_BEHIND);
        cr_assert_lt(fixture_now_ms(), end);
    }
}

static inline int settle(struct sql_fixture *fixture, const struct outbox_span *span, int64_t low)
{
    struct outbox_settle settle = {
        .struct_size = sizeof settle, .span_count = span != NULL, .spans = span, .low = {.major = (uint64_t)low}};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_settle(fixture->store, &call.call, 0, &settle);
    int code = loop_fixture_wait(&fixture->base, &call);
    fixture->error = call.error;
    return code;
}

/* refused: how many became dead letters is added to it; NULL: do not count. */
static inline int spool_counting(struct sql_fixture *fixture, const struct outbox_span *span, int64_t low,
                                 uint64_t *refused)
{
    struct outbox_spool spool = {.struct_size = sizeof spool,
                                 .span_count = 1,
                                 .spans = span,
                                 .low = {.major = (uint64_t)low},
                                 .refused = refused};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_spool(fixture->store, &call.call, 0, &spool);
    int code = loop_fixture_wait(&fixture->base, &call);
    fixture->error = call.error;
    return code;
}

static inline int spool(struct sql_fixture *fixture, const struct outbox_span *span, int64_t low)
{
    return spool_counting(fixture, span, low, NULL);
}

static inline int64_t sequence(struct sql_fixture *fixture)
{
    return fixture_run(fixture, "SELECT sequence FROM %s_position") - BASE;
}

static inline void write_log(struct sql_fixture *fixture, int megabytes)
{
    for (int i = 0; i < megabytes; i++)
        fixture_run(fixture, "SELECT pg_logical_emit_message(false, 'other', repeat('x', 1048576))");
}

static inline void init_again(struct sql_fixture *fixture)
{
    struct obx_instance *admin = fixture_another(fixture);
    cr_assert_eq(loop_fixture_store_start(&fixture->base, admin, NULL, 0, &fixture->error), 0, "%s",
                 fixture->error.text);
    cr_assert_eq(fixture_setup(fixture, admin), 0, "%s", fixture->error.text);
    cr_assert_eq(loop_fixture_stop(&fixture->base, admin, &fixture->error), 0, "%s", fixture->error.text);
    obx_instance_free(admin);
}

static inline bool is_lost(struct sql_fixture *fixture)
{
    return fixture_run(fixture, "SELECT count(*) FROM pg_replication_slots WHERE wal_status = 'lost' AND slot_name ~ "
                                "concat('_', '%s'::regclass::oid, '(_|$)')") == 1;
}

static inline void write_and_remove_log(struct sql_fixture *fixture)
{
    write_log(fixture, 1);
    fixture_run(fixture, "SELECT 1 FROM pg_switch_wal()");
    fixture_run(fixture, "CHECKPOINT");
}

static inline void wait_for_replay(struct sql_fixture *fixture, int port)
{
    struct session *session = session_open_at(port);
    char sql[120];
    int64_t end = fixture_run(fixture, "SELECT pg_current_wal_flush_lsn() - '0/0'");
    snprintf(sql, sizeof sql, "SELECT (pg_last_wal_replay_lsn() - '0/0' >= %lld)::int", (long long)end);
    for (int64_t until = fixture_now_ms() + LOOP_FIXTURE_TIMEOUT_MS; session_run(session, sql) != 1;) {
        cr_assert_lt(fixture_now_ms(), until, "the standby does not replay the log");
        session_run(session, "SELECT pg_sleep(0.01)");
    }
    session_close(session);
}

#endif

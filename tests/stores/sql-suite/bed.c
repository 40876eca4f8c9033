/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/bed.c - the bed of the SQL stores' tests */
#include "bed.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct outbox_column columns[] = {
    {"event_id", OUTBOX_COLUMN_OPTIONAL}, {"aggregateid", 0}, {"payload", 0}, {"created_at", OUTBOX_COLUMN_OPTIONAL}};

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

static void configure(struct bed *bed, const struct server_place *place, const char *yaml)
{
    struct obx_buf text = {0};
    server_section(&text, place);
    obx_buf_printf(&text, "  table: %s\n%s", bed->table, yaml);
    cr_assert_eq(harness_configure(&bed->harness, "test.yaml", obx_buf_text(&text), &bed->error), 0, "%s",
                 bed->error.text);
    obx_buf_free(&text);
}

static void make_table(struct bed *bed)
{
    struct obx_instance *admin = bed_another(bed);
    cr_assert_eq(harness_store_start(&bed->harness, admin, NULL, 0, &bed->error), 0, "%s", bed->error.text);
    cr_assert_eq(bed_setup(bed, admin), 0, "%s", bed->error.text);
    cr_assert_eq(harness_stop(&bed->harness, admin, &bed->error), 0, "%s", bed->error.text);
    obx_instance_free(admin);
}

void bed_open(struct bed *bed, const char *table, bool made, const char *yaml)
{
    *bed = (struct bed){.table = table};
    bed->sql = session_open();
    cr_assert_eq(harness_open_uv(&bed->harness, NULL, &bed->error), 0, "%s", bed->error.text);
    configure(bed, &(struct server_place){0}, yaml);
    if (made)
        make_table(bed);
    bed->store = bed_another(bed);
}

void bed_reconfigure(struct bed *bed, const struct server_place *place, const char *yaml)
{
    obx_instance_free(bed->store);
    configure(bed, place, yaml);
    bed->store = bed_another(bed);
}

void bed_close(struct bed *bed)
{
    harness_stop(&bed->harness, bed->store, &bed->error);
    struct obx_violations violations = obx_instance_violations(bed->store);
    cr_assert_eq(violations.unknown_ops + violations.bad_outcomes, 0);
    obx_instance_free(bed->store);
    cr_assert_eq(harness_close(&bed->harness), 0);
    session_close(bed->sql);
    cr_assert_eq(mem_live(), 0);
}

/* ---- SQL --------------------------------------------------------------------------------------------------------- */

int64_t bed_run_on(struct bed *bed, struct session *session, const char *sql)
{
    struct obx_buf text = {0};
    for (const char *at; (at = strstr(sql, "%s")); sql = at + 2) {
        obx_buf_add(&text, sql, (size_t)(at - sql));
        obx_buf_puts(&text, bed->table);
    }
    obx_buf_puts(&text, sql);
    int64_t number = session_run(session, obx_buf_text(&text));
    obx_buf_free(&text);
    return number;
}

int64_t bed_run(struct bed *bed, const char *sql)
{
    return bed_run_on(bed, bed->sql, sql);
}

int64_t bed_rows(struct bed *bed)
{
    return bed_run(bed, "SELECT COUNT(*) FROM %s");
}

void bed_insert(struct bed *bed, struct session *session, const char *key)
{
    char sql[200];
    snprintf(sql, sizeof sql,
             "INSERT INTO %%s (aggregatetype, aggregateid, type, payload) VALUES ('order', '%s', 'placed', 'x')", key);
    bed_run_on(bed, session, sql);
}

void bed_insert_id(struct bed *bed, struct session *session, int64_t id)
{
    char sql[200];
    snprintf(sql, sizeof sql, "INSERT INTO %%s (id, aggregatetype, aggregateid, type) %s VALUES (%lld, 'o', 'a', 't')",
             BY_SERVER("OVERRIDING SYSTEM VALUE", ""), (long long)id);
    bed_run_on(bed, session, sql);
}

void bed_insert_large(struct bed *bed, int count, int kilobytes)
{
    char sql[200];
    snprintf(sql, sizeof sql,
             "INSERT INTO %%s (aggregatetype, aggregateid, type, payload) VALUES ('o', 'a', 't', repeat('x', %d))",
             kilobytes * 1024);
    for (int i = 0; i < count; i++)
        bed_run(bed, sql);
}

/* ---- the store --------------------------------------------------------------------------------------------------- */

struct obx_instance *bed_another(struct bed *bed)
{
    struct obx_instance *store;
    cr_assert_eq(harness_instance(&bed->harness, OUTBOX_STORE, "store", &store, &bed->error), 0, "%s", bed->error.text);
    return store;
}

static int wait_for(struct bed *bed, struct harness_call *call)
{
    int code = harness_wait(&bed->harness, call);
    bed->error = call->error;
    return code;
}

int bed_setup(struct bed *bed, struct obx_instance *store)
{
    struct harness_call call = {0};
    harness_reset(&call);
    obx_store_setup(store, &call.call, 0);
    return wait_for(bed, &call);
}

int bed_start(struct bed *bed, struct obx_instance *store)
{
    return harness_store_start(&bed->harness, store, columns, OBX_COUNT(columns), &bed->error);
}

int bed_acquire(struct bed *bed, struct obx_instance *store, uint32_t lease_ms, struct outbox_acquire *acquire)
{
    struct outbox_acquire own;
    struct harness_call call = {0};
    acquire = acquire ? acquire : &own;
    *acquire = (struct outbox_acquire){.struct_size = sizeof *acquire, .lease_ms = lease_ms};
    harness_reset(&call);
    obx_store_acquire(store, &call.call, 0, acquire);
    return wait_for(bed, &call);
}

void bed_begin(struct bed *bed)
{
    cr_assert_eq(bed_start(bed, bed->store), 0, "%s", bed->error.text);
    cr_assert_eq(bed_acquire(bed, bed->store, 10000, NULL), 0, "%s", bed->error.text);
}

void bed_stop(struct bed *bed)
{
    cr_assert_eq(harness_stop(&bed->harness, bed->store, &bed->error), 0, "%s", bed->error.text);
}

static void pause_for(int milliseconds)
{
    nanosleep(&(struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000L}, NULL);
}

int64_t bed_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void bed_take_over(struct bed *bed, uint32_t lease_ms)
{
    int64_t end = bed_now_ms() + HARNESS_PATIENCE_MS;
    while (bed_acquire(bed, bed->store, lease_ms, NULL) == OUTBOX_E_STANDBY) {
        cr_assert_lt(bed_now_ms(), end, "%s", bed->error.text);
        pause_for(5);
    }
    cr_assert_eq(bed->error.code, 0, "%s", bed->error.text);
}

uint32_t bed_begin_again(struct bed *bed)
{
    struct outbox_acquire acquire;
    int64_t end = bed_now_ms() + HARNESS_PATIENCE_MS;
    bed_stop(bed);
    while (bed_start(bed, bed->store) || bed_acquire(bed, bed->store, 10000, &acquire)) {
        cr_assert_lt(bed_now_ms(), end, "%s", bed->error.text);
        pause_for(5);
    }
    return acquire.flags;
}

void bed_refused(struct bed *bed, int code, const char *text)
{
    cr_assert_eq(bed_start(bed, bed->store), code, "%d: %s", bed->error.code, bed->error.text);
    cr_assert_str_eq(bed->error.text, text);
}

static bool is_lost(void *arg)
{
    const struct bed *bed = arg;
    return bed->harness.losses > 0;
}

void bed_until_lost(struct bed *bed)
{
    cr_assert(harness_until(&bed->harness, is_lost, bed));
    cr_assert_eq(bed->harness.loss.code, OUTBOX_E_NOT_CONNECTED, "%s", bed->harness.loss.text);
}

/* ---- claiming and settling --------------------------------------------------------------------------------------- */

int bed_claim(struct bed *bed, uint32_t flags, uint32_t max_rows)
{
    struct outbox_claim claim = {
        .struct_size = sizeof claim, .flags = flags, .max_rows = max_rows, .max_bytes = 1 << 20};
    int code = harness_claim(&bed->harness, bed->store, &claim, &bed->error);
    bed->count = 0;
    if (code || !claim.batch)
        return code;
    for (uint32_t i = 0; i < claim.batch->rows && i < BED_IDS; i++)
        bed->ids[bed->count++] = (int64_t)claim.batch->positions[i].major;
    obx_store_release(bed->store, claim.batch);
    return code;
}

void bed_expect(struct bed *bed, uint32_t count, const int64_t *ids)
{
    cr_assert_eq(bed_claim(bed, 0, 1000), 0, "%s", bed->error.text);
    cr_assert_eq(bed->count, count, "%u rows, not %u", bed->count, count);
    for (uint32_t i = 0; i < count; i++)
        cr_assert_eq(bed->ids[i], ids[i], "row %u is %lld, not %lld", i, (long long)bed->ids[i], (long long)ids[i]);
}

void bed_expect_nothing_for(struct bed *bed, int milliseconds)
{
    for (int64_t end = bed_now_ms() + milliseconds; bed_now_ms() < end; pause_for(1))
        bed_expect(bed, 0, NULL);
}

void bed_claim_some(struct bed *bed)
{
    int64_t end = bed_now_ms() + HARNESS_PATIENCE_MS;
    do {
        pause_for(1);
        cr_assert_eq(bed_claim(bed, 0, 1000), 0, "%s", bed->error.text);
    } while (!bed->count && bed_now_ms() < end);
}

struct outbox_batch *bed_batch(struct bed *bed, uint32_t max_rows, uint64_t max_bytes)
{
    struct outbox_claim claim = {.struct_size = sizeof claim, .max_rows = max_rows, .max_bytes = max_bytes};
    cr_assert_eq(harness_claim(&bed->harness, bed->store, &claim, &bed->error), 0, "%s", bed->error.text);
    return claim.batch;
}

int bed_settle(struct bed *bed, const struct outbox_batch *batch, uint32_t first, uint32_t count)
{
    struct outbox_span span = {batch, first, count};
    return harness_settle(&bed->harness, bed->store, &span, 1, &bed->error);
}

void bed_settle_all(struct bed *bed, struct outbox_batch *batch)
{
    cr_assert_not_null(batch);
    cr_assert_eq(bed_settle(bed, batch, 0, batch->rows), 0, "%s", bed->error.text);
    obx_store_release(bed->store, batch);
}

int bed_park(struct bed *bed, const struct outbox_dead_row *row)
{
    struct outbox_dead_letter_rows park = {.struct_size = sizeof park, .count = 1, .rows = row};
    struct harness_call call = {0};
    harness_reset(&call);
    obx_store_dead_letter(bed->store, &call.call, 0, &park);
    return wait_for(bed, &call);
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

static void note(void *arg, enum outbox_log_level level, const char *finding, const char *advice)
{
    struct bed_findings *findings = arg;
    if (!strstr(finding, findings->sought))
        return;
    findings->count++;
    findings->level = level;
    findings->advised = advice != NULL;
}

struct bed_findings bed_look_for(struct bed *bed, const char *sought)
{
    struct harness_call call = {0};
    struct bed_findings findings = {.sought = sought};
    struct outbox_check check = {.struct_size = sizeof check, .report = note, .arg = &findings};
    harness_reset(&call);
    obx_store_check(bed->store, &call.call, 0, &check);
    cr_assert_eq(wait_for(bed, &call), 0, "%s", call.error.text);
    return findings;
}

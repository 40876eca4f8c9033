/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/fixture.c - the fixture of the SQL stores' tests */
#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct outbox_column columns[] = {
    {"event_id", OUTBOX_COLUMN_OPTIONAL}, {"aggregateid", 0}, {"payload", 0}, {"created_at", OUTBOX_COLUMN_OPTIONAL}};

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

static void configure(struct sql_fixture *fixture, const struct server_place *place, const char *yaml)
{
    struct obx_buf text = {0};
    server_section(&text, place);
    obx_buf_printf(&text, "  table: %s\n%s", fixture->table, yaml);
    if (!strstr(yaml, "connect_timeout:")) /* a busy server may take longer than the default */
        obx_buf_puts(&text, "  connect_timeout: 60s\n");
    cr_assert_eq(loop_fixture_configure(&fixture->base, "test.yaml", obx_buf_text(&text), &fixture->error), 0, "%s",
                 fixture->error.text);
    obx_buf_free(&text);
}

static void make_table(struct sql_fixture *fixture)
{
    struct obx_instance *admin = fixture_another(fixture);
    cr_assert_eq(loop_fixture_store_start(&fixture->base, admin, NULL, 0, &fixture->error), 0, "%s",
                 fixture->error.text);
    cr_assert_eq(fixture_setup(fixture, admin), 0, "%s", fixture->error.text);
    cr_assert_eq(loop_fixture_stop(&fixture->base, admin, &fixture->error), 0, "%s", fixture->error.text);
    obx_instance_free(admin);
}

void fixture_open(struct sql_fixture *fixture, const char *table, bool made, const char *yaml)
{
    *fixture = (struct sql_fixture){.table = table};
    fixture->sql = session_open();
    cr_assert_eq(loop_fixture_open_uv(&fixture->base, NULL, &fixture->error), 0, "%s", fixture->error.text);
    configure(fixture, &(struct server_place){0}, yaml);
    if (made)
        make_table(fixture);
    fixture->store = fixture_another(fixture);
}

void fixture_reconfigure(struct sql_fixture *fixture, const struct server_place *place, const char *yaml)
{
    obx_instance_free(fixture->store);
    configure(fixture, place, yaml);
    fixture->store = fixture_another(fixture);
}

void fixture_close(struct sql_fixture *fixture)
{
    loop_fixture_stop(&fixture->base, fixture->store, &fixture->error);
    struct obx_violations violations = obx_instance_violations(fixture->store);
    cr_assert_eq(violations.unknown_ops + violations.bad_outcomes, 0);
    obx_instance_free(fixture->store);
    cr_assert_eq(loop_fixture_close(&fixture->base), 0);
    session_close(fixture->sql);
    cr_assert_eq(mem_live(), 0);
}

/* ---- SQL --------------------------------------------------------------------------------------------------------- */

int64_t fixture_run_on(struct sql_fixture *fixture, struct session *session, const char *sql)
{
    struct obx_buf text = {0};
    for (const char *at; (at = strstr(sql, "%s")); sql = at + 2) {
        obx_buf_add(&text, sql, (size_t)(at - sql));
        obx_buf_puts(&text, fixture->table);
    }
    obx_buf_puts(&text, sql);
    int64_t number = session_run(session, obx_buf_text(&text));
    obx_buf_free(&text);
    return number;
}

int64_t fixture_run(struct sql_fixture *fixture, const char *sql)
{
    return fixture_run_on(fixture, fixture->sql, sql);
}

int64_t fixture_count_rows(struct sql_fixture *fixture)
{
    return fixture_run(fixture, "SELECT COUNT(*) FROM %s");
}

void fixture_insert(struct sql_fixture *fixture, struct session *session, const char *key)
{
    char sql[200];
    snprintf(sql, sizeof sql,
             "INSERT INTO %%s (aggregatetype, aggregateid, type, payload) VALUES ('order', '%s', 'placed', 'x')", key);
    fixture_run_on(fixture, session, sql);
}

void fixture_insert_id(struct sql_fixture *fixture, struct session *session, int64_t id)
{
    char sql[200];
    snprintf(sql, sizeof sql, "INSERT INTO %%s (id, aggregatetype, aggregateid, type) %s VALUES (%lld, 'o', 'a', 't')",
             BY_SERVER("OVERRIDING SYSTEM VALUE", ""), (long long)id);
    fixture_run_on(fixture, session, sql);
}

void fixture_insert_large(struct sql_fixture *fixture, int count, int kilobytes)
{
    char sql[200];
    snprintf(sql, sizeof sql,
             "INSERT INTO %%s (aggregatetype, aggregateid, type, payload) VALUES ('o', 'a', 't', repeat('x', %d))",
             kilobytes * 1024);
    for (int i = 0; i < count; i++)
        fixture_run(fixture, sql);
}

/* ---- the store --------------------------------------------------------------------------------------------------- */

struct obx_instance *fixture_another(struct sql_fixture *fixture)
{
    struct obx_instance *store;
    cr_assert_eq(loop_fixture_instance(&fixture->base, OUTBOX_STORE, "store", &store, &fixture->error), 0, "%s",
                 fixture->error.text);
    return store;
}

static int wait_for(struct sql_fixture *fixture, struct loop_fixture_call *call)
{
    int code = loop_fixture_wait(&fixture->base, call);
    fixture->error = call->error;
    return code;
}

int fixture_setup(struct sql_fixture *fixture, struct obx_instance *store)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_setup(store, &call.call, 0);
    return wait_for(fixture, &call);
}

int fixture_start(struct sql_fixture *fixture, struct obx_instance *store)
{
    return loop_fixture_store_start(&fixture->base, store, columns, OBX_COUNT(columns), &fixture->error);
}

int fixture_acquire(struct sql_fixture *fixture, struct obx_instance *store, uint32_t lease_ms,
                    struct outbox_acquire *acquire)
{
    struct outbox_acquire own;
    struct loop_fixture_call call = {0};
    acquire = acquire ? acquire : &own;
    *acquire = (struct outbox_acquire){.struct_size = sizeof *acquire, .lease_ms = lease_ms};
    loop_fixture_reset(&call);
    obx_store_acquire(store, &call.call, 0, acquire);
    return wait_for(fixture, &call);
}

void fixture_begin(struct sql_fixture *fixture)
{
    cr_assert_eq(fixture_start(fixture, fixture->store), 0, "%s", fixture->error.text);
    struct outbox_acquire acquire;
    cr_assert_eq(fixture_acquire(fixture, fixture->store, 10000, &acquire), 0, "%s", fixture->error.text);
    fixture->since_us = acquire.since_us;
}

int fixture_status(struct sql_fixture *fixture, struct obx_instance *store, struct outbox_store_status *status)
{
    struct loop_fixture_call call = {0};
    *status = (struct outbox_store_status){.struct_size = sizeof *status};
    loop_fixture_reset(&call);
    obx_store_status(store, &call.call, 0, status);
    return wait_for(fixture, &call);
}

void fixture_stop(struct sql_fixture *fixture)
{
    cr_assert_eq(loop_fixture_stop(&fixture->base, fixture->store, &fixture->error), 0, "%s", fixture->error.text);
}

static void pause_for(int milliseconds)
{
    nanosleep(&(struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000L}, NULL);
}

int64_t fixture_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void fixture_take_over(struct sql_fixture *fixture, uint32_t lease_ms)
{
    int64_t end = fixture_now_ms() + LOOP_FIXTURE_TIMEOUT_MS;
    while (fixture_acquire(fixture, fixture->store, lease_ms, NULL) == OUTBOX_E_STANDBY) {
        cr_assert_lt(fixture_now_ms(), end, "%s", fixture->error.text);
        pause_for(5);
    }
    cr_assert_eq(fixture->error.code, 0, "%s", fixture->error.text);
}

uint32_t fixture_begin_again(struct sql_fixture *fixture)
{
    struct outbox_acquire acquire;
    int64_t end = fixture_now_ms() + LOOP_FIXTURE_TIMEOUT_MS;
    fixture_stop(fixture);
    while (fixture_start(fixture, fixture->store) || fixture_acquire(fixture, fixture->store, 10000, &acquire)) {
        cr_assert_lt(fixture_now_ms(), end, "%s", fixture->error.text);
        pause_for(5);
    }
    return acquire.flags;
}

void fixture_await_no_owner(struct sql_fixture *fixture)
{
    struct obx_instance *mine = fixture->store;
    fixture->store = fixture_another(fixture);
    fixture_begin_again(fixture);
    fixture_stop(fixture);
    obx_instance_free(fixture->store);
    fixture->store = mine;
}

void fixture_expect_start_error(struct sql_fixture *fixture, int code, const char *text)
{
    cr_assert_eq(fixture_start(fixture, fixture->store), code, "%d: %s", fixture->error.code, fixture->error.text);
    cr_assert_str_eq(fixture->error.text, text);
}

static bool is_lost(void *arg)
{
    const struct sql_fixture *fixture = arg;
    return fixture->base.losses > 0;
}

void fixture_await_loss(struct sql_fixture *fixture)
{
    cr_assert(loop_fixture_until(&fixture->base, is_lost, fixture));
    cr_assert_eq(fixture->base.loss.code, OUTBOX_E_NOT_CONNECTED, "%s", fixture->base.loss.text);
}

static bool session_waits(void *observer)
{
    if (server_kind() == POSTGRES)
        return session_run(observer, "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") > 0;
    return session_run(observer, "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE "
                                 "'Waiting for % lock'") > 0 ||
           session_run(observer, "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'") > 0;
}

void fixture_await_lock_wait(struct sql_fixture *fixture)
{
    struct session *observer = session_open();
    cr_assert(loop_fixture_poll(&fixture->base, session_waits, observer), "no session waits for a lock");
    session_close(observer);
}

/* ---- claiming and settling --------------------------------------------------------------------------------------- */

int fixture_claim(struct sql_fixture *fixture, uint32_t flags, uint32_t max_rows)
{
    struct outbox_claim claim = {
        .struct_size = sizeof claim, .flags = flags, .max_rows = max_rows, .max_bytes = 1 << 20};
    int code = loop_fixture_claim(&fixture->base, fixture->store, &claim, &fixture->error);
    fixture->count = 0;
    if (code || !claim.batch)
        return code;
    for (uint32_t i = 0; i < claim.batch->rows && i < FIXTURE_IDS; i++)
        fixture->ids[fixture->count++] = (int64_t)claim.batch->positions[i].major;
    obx_store_release(fixture->store, claim.batch);
    return code;
}

void fixture_expect_rows(struct sql_fixture *fixture, uint32_t count, const int64_t *ids)
{
    cr_assert_eq(fixture_claim(fixture, 0, 1000), 0, "%s", fixture->error.text);
    cr_assert_eq(fixture->count, count, "%u rows, not %u", fixture->count, count);
    for (uint32_t i = 0; i < count; i++)
        cr_assert_eq(fixture->ids[i], ids[i], "row %u is %lld, not %lld", i, (long long)fixture->ids[i],
                     (long long)ids[i]);
}

void fixture_expect_no_rows_for(struct sql_fixture *fixture, int milliseconds)
{
    for (int64_t end = fixture_now_ms() + milliseconds; fixture_now_ms() < end; pause_for(1))
        fixture_expect_rows(fixture, 0, NULL);
}

void fixture_await_rows(struct sql_fixture *fixture)
{
    int64_t end = fixture_now_ms() + LOOP_FIXTURE_TIMEOUT_MS;
    do {
        pause_for(1);
        cr_assert_eq(fixture_claim(fixture, 0, 1000), 0, "%s", fixture->error.text);
    } while (!fixture->count && fixture_now_ms() < end);
}

struct outbox_batch *fixture_claim_batch(struct sql_fixture *fixture, uint32_t max_rows, uint64_t max_bytes)
{
    struct outbox_claim claim = {.struct_size = sizeof claim, .max_rows = max_rows, .max_bytes = max_bytes};
    cr_assert_eq(loop_fixture_claim(&fixture->base, fixture->store, &claim, &fixture->error), 0, "%s",
                 fixture->error.text);
    return claim.batch;
}

int fixture_settle(struct sql_fixture *fixture, const struct outbox_batch *batch, uint32_t first, uint32_t count)
{
    struct outbox_span span = {batch, first, count};
    return loop_fixture_settle(&fixture->base, fixture->store, &span, 1, &fixture->error);
}

void fixture_settle_all(struct sql_fixture *fixture, struct outbox_batch *batch)
{
    cr_assert_not_null(batch);
    cr_assert_eq(fixture_settle(fixture, batch, 0, batch->rows), 0, "%s", fixture->error.text);
    obx_store_release(fixture->store, batch);
}

int fixture_dead_letter(struct sql_fixture *fixture, const struct outbox_dead_row *row)
{
    struct outbox_dead_letter_rows rows = {.struct_size = sizeof rows, .count = 1, .rows = row};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_dead_letter(fixture->store, &call.call, 0, &rows);
    return wait_for(fixture, &call);
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

static void note(void *arg, const struct outbox_finding *finding)
{
    struct fixture_findings *findings = arg;
    if (!strstr(finding->reason, findings->text))
        return;
    findings->count++;
    findings->severity = finding->severity;
    findings->advised = finding->advice != NULL || finding->command != NULL;
    snprintf(findings->command, sizeof findings->command, "%s", finding->command ? finding->command : "");
}

struct fixture_findings fixture_check(struct sql_fixture *fixture, const char *text)
{
    struct loop_fixture_call call = {0};
    struct fixture_findings findings = {.text = text};
    struct outbox_check check = {.struct_size = sizeof check, .report = note, .arg = &findings};
    loop_fixture_reset(&call);
    obx_store_check(fixture->store, &call.call, 0, &check);
    cr_assert_eq(wait_for(fixture, &call), 0, "%s", call.error.text);
    return findings;
}

void fixture_paste(struct sql_fixture *fixture, const char *command)
{
    char statement[1024];
    if (server_kind() == POSTGRES) { /* takes them all at once */
        cr_assert(*command && command[strlen(command) - 1] == ';', "a statement ends with a semicolon");
        session_run(fixture->sql, command);
        return;
    }
    for (const char *end; (end = strchr(command, ';')); command = end + 1 + strspn(end + 1, " ")) {
        snprintf(statement, sizeof statement, "%.*s", (int)(end - command), command);
        session_run(fixture->sql, statement);
    }
    cr_assert_str_eq(command, "", "a statement ends with a semicolon");
}

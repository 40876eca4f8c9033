/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/rig.c - see rig.h */
#include "rig.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- stores -------------------------------------------------------------------------------------------------- */

void rig_open(struct rig *rig, const char *extra)
{
    char yaml[1024];
    *rig = (struct rig){.dir = "/tmp/outbox-sqlite-XXXXXX"};
    cr_assert_not_null(mkdtemp(rig->dir));
    snprintf(rig->path, sizeof rig->path, "%s/shop.db", rig->dir);
    snprintf(yaml, sizeof yaml, "store:\n  plugin: sqlite\n  path: %s\n%s", rig->path, extra ? extra : "");
    cr_assert_eq(harness_open_uv(&rig->harness, NULL, &rig->error), 0, "%s", rig->error.text);
    cr_assert_eq(harness_configure(&rig->harness, "test.yaml", yaml, &rig->error), 0, "%s", rig->error.text);
    rig->store = rig_another(rig);
}

struct obx_instance *rig_another(struct rig *rig)
{
    struct obx_instance *store;
    cr_assert_eq(harness_instance(&rig->harness, OUTBOX_STORE, "store", &store, &rig->error), 0, "%s", rig->error.text);
    return store;
}

void rig_ready(struct rig *rig, const char *extra)
{
    rig_open(rig, extra);
    cr_assert_eq(rig_setup(rig), 0, "%s", rig->error.text);
    cr_assert_eq(rig_start(rig, rig->store), 0, "%s", rig->error.text);
}

void rig_own(struct rig *rig)
{
    struct outbox_acquire acquire;
    cr_assert_eq(rig_acquire(rig, rig->store, 15000, &acquire), 0, "%s", rig->error.text);
}

void rig_drop(struct rig *rig, struct obx_instance *store)
{
    struct outbox_error error;
    cr_assert_eq(harness_stop(&rig->harness, store, &error), 0, "%s", error.text);
    cr_assert_eq(obx_instance_violations(store).unknown_ops, 0);
    obx_instance_free(store);
}

void rig_close(struct rig *rig)
{
    char command[96];
    rig_drop(rig, rig->store);
    cr_assert_eq(harness_close(&rig->harness), 0);
    cr_assert_eq(mem_live(), 0, "%zu blocks of memory are left", mem_live());
    snprintf(command, sizeof command, "rm -rf %s", rig->dir);
    cr_assert_eq(system(command), 0);
}

/* ---- operations ---------------------------------------------------------------------------------------------- */

static int finish(struct rig *rig, struct harness_call *call)
{
    int code = harness_wait(&rig->harness, call);
    rig->error = call->error;
    return code;
}

int rig_setup(struct rig *rig)
{
    struct harness_call call = {0};
    harness_reset(&call);
    obx_store_setup(rig->store, &call.call, 0);
    return finish(rig, &call);
}

int rig_start(struct rig *rig, struct obx_instance *store)
{
    static const struct outbox_column columns[RIG_COLUMNS] = {
        {"event_id", OUTBOX_COLUMN_OPTIONAL}, {"payload", 0}, {"created_at", OUTBOX_COLUMN_OPTIONAL}};
    return harness_store_start(&rig->harness, store, columns, RIG_COLUMNS, &rig->error);
}

int rig_acquire(struct rig *rig, struct obx_instance *store, uint32_t lease_ms, struct outbox_acquire *acquire)
{
    struct harness_call call = {0};
    harness_reset(&call);
    *acquire = (struct outbox_acquire){.struct_size = sizeof *acquire, .lease_ms = lease_ms};
    obx_store_acquire(store, &call.call, 0, acquire);
    return finish(rig, &call);
}

int rig_renew(struct rig *rig, struct obx_instance *store)
{
    struct harness_call call = {0};
    harness_reset(&call);
    obx_store_renew(store, &call.call, 0);
    return finish(rig, &call);
}

int rig_settle(struct rig *rig, struct outbox_batch *batch, uint32_t first, uint32_t count)
{
    struct outbox_span span = {batch, first, count};
    return harness_settle(&rig->harness, rig->store, &span, 1, &rig->error);
}

int rig_park(struct rig *rig, uint64_t id, const char *key, const char *reason)
{
    struct outbox_dead_row row = {{id, 0}, 3, {"orders", 6}, {key, strlen(key)}, reason};
    struct outbox_dead_letter_rows park = {sizeof park, 1, &row};
    struct harness_call call = {0};
    harness_reset(&call);
    obx_store_dead_letter(rig->store, &call.call, 0, &park);
    return finish(rig, &call);
}

int rig_status(struct rig *rig, struct outbox_store_status *status)
{
    struct harness_call call = {0};
    harness_reset(&call);
    *status = (struct outbox_store_status){.struct_size = sizeof *status};
    obx_store_status(rig->store, &call.call, 0, status);
    return finish(rig, &call);
}

int rig_dead(struct rig *rig, struct outbox_dead *dead)
{
    struct harness_call call = {0};
    harness_reset(&call);
    dead->struct_size = sizeof *dead;
    obx_store_dead(rig->store, &call.call, 0, dead);
    return finish(rig, &call);
}

struct outbox_batch *rig_claim(struct rig *rig, uint32_t flags)
{
    struct outbox_claim claim = {.max_rows = 100000, .max_bytes = 1 << 30, .flags = flags};
    cr_assert_eq(harness_claim(&rig->harness, rig->store, &claim, &rig->error), 0, "%s", rig->error.text);
    return claim.batch;
}

int rig_claim_code(struct rig *rig, struct outbox_batch **batch)
{
    struct outbox_claim claim = {.max_rows = 100000, .max_bytes = 1 << 30};
    int code = harness_claim(&rig->harness, rig->store, &claim, &rig->error);
    *batch = claim.batch;
    return code;
}

void rig_release(struct rig *rig, struct outbox_batch *batch)
{
    if (batch)
        obx_store_release(rig->store, batch);
}

const char *rig_ids(const struct outbox_batch *batch)
{
    static char text[512];
    size_t size = 0;
    text[0] = '\0';
    for (uint32_t i = 0; batch && i < batch->rows && size < sizeof text - 24; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%llu", i ? " " : "",
                                 (unsigned long long)batch->positions[i].major);
    return text;
}

void rig_expect(const struct rig *rig, int code, const char *format, ...)
{
    char text[OUTBOX_ERROR_TEXT_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cr_assert_str_eq(rig->error.text, text);
    cr_assert_eq(rig->error.code, code, "%s: code %d", text, rig->error.code);
}

/* ---- the database -------------------------------------------------------------------------------------------- */

static sqlite3 *open_database(const char *path)
{
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK, "%s: %s", path, sqlite3_errmsg(db));
    sqlite3_busy_timeout(db, 20000);
    return db;
}

void rig_sql(const char *path, const char *sql)
{
    sqlite3 *db = open_database(path);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
    cr_assert_eq(sqlite3_close(db), SQLITE_OK);
}

const char *rig_text(const char *path, const char *sql)
{
    static char text[1024];
    sqlite3 *db = open_database(path);
    sqlite3_stmt *statement;
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
    cr_assert_eq(sqlite3_step(statement), SQLITE_ROW, "%s", sql);
    const char *value = (const char *)sqlite3_column_text(statement, 0);
    snprintf(text, sizeof text, "%s", value ? value : "NULL");
    sqlite3_finalize(statement);
    cr_assert_eq(sqlite3_close(db), SQLITE_OK);
    return text;
}

int64_t rig_number(const char *path, const char *sql)
{
    return atoll(rig_text(path, sql));
}

void rig_insert(const struct rig *rig, int rows)
{
    char sql[400];
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
             "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) SELECT 'order', i, 'Placed', i FROM n",
             rows);
    rig_sql(rig->path, sql);
}

/* ---- other processes ----------------------------------------------------------------------------------------- */

void rig_child_start(struct rig_child *child, const char *path, void (*run)(struct rig_link *link))
{
    int up[2], down[2];
    cr_assert_eq(pipe(up), 0);
    cr_assert_eq(pipe(down), 0);
    child->pid = fork();
    cr_assert_geq(child->pid, 0);
    if (child->pid == 0) {
        struct rig_link link = {path, up[1], down[0]};
        alarm(HARNESS_CHILD_S);
        close(up[0]);
        close(down[1]);
        run(&link);
        _exit(0);
    }
    close(up[1]);
    close(down[0]);
    child->pipe = up[0];
    child->command = down[1];
}

void rig_child_hear(struct rig_child *child)
{
    char byte;
    cr_assert_eq(read(child->pipe, &byte, 1), 1, "the other process ended early");
}

void rig_child_go(struct rig_child *child)
{
    cr_assert_eq(write(child->command, "x", 1), 1);
}

int rig_child_end(struct rig_child *child)
{
    int status;
    close(child->command);
    close(child->pipe);
    cr_assert_eq(waitpid(child->pid, &status, 0), child->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void rig_link_tell(struct rig_link *link)
{
    if (write(link->tell, "x", 1) != 1)
        _exit(3);
}

void rig_link_wait(struct rig_link *link)
{
    char byte;
    if (read(link->command, &byte, 1) < 0)
        _exit(4);
}

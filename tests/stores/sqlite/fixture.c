/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/fixture.c - see fixture.h */
#include "fixture.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- stores -------------------------------------------------------------------------------------------------- */

void fixture_open(struct fixture *fixture, const char *extra)
{
    char yaml[1024];
    *fixture = (struct fixture){.dir = "/tmp/outbox-sqlite-XXXXXX"};
    cr_assert_not_null(mkdtemp(fixture->dir));
    snprintf(fixture->path, sizeof fixture->path, "%s/shop.db", fixture->dir);
    snprintf(yaml, sizeof yaml, "store:\n  plugin: sqlite\n  path: %s\n%s", fixture->path, extra ? extra : "");
    cr_assert_eq(loop_fixture_open_uv(&fixture->base, NULL, &fixture->error), 0, "%s", fixture->error.text);
    cr_assert_eq(loop_fixture_configure(&fixture->base, "test.yaml", yaml, &fixture->error), 0, "%s",
                 fixture->error.text);
    fixture->store = fixture_another(fixture);
}

struct obx_instance *fixture_another(struct fixture *fixture)
{
    struct obx_instance *store;
    cr_assert_eq(loop_fixture_instance(&fixture->base, OUTBOX_STORE, "store", &store, &fixture->error), 0, "%s",
                 fixture->error.text);
    return store;
}

void fixture_ready(struct fixture *fixture, const char *extra)
{
    fixture_open(fixture, extra);
    cr_assert_eq(fixture_setup(fixture), 0, "%s", fixture->error.text);
    cr_assert_eq(fixture_start(fixture, fixture->store), 0, "%s", fixture->error.text);
}

void fixture_own(struct fixture *fixture)
{
    struct outbox_acquire acquire;
    cr_assert_eq(fixture_acquire(fixture, fixture->store, 15000, &acquire), 0, "%s", fixture->error.text);
}

void fixture_drop(struct fixture *fixture, struct obx_instance *store)
{
    struct outbox_error error;
    cr_assert_eq(loop_fixture_stop(&fixture->base, store, &error), 0, "%s", error.text);
    cr_assert_eq(obx_instance_violations(store).unknown_ops, 0);
    obx_instance_free(store);
}

void fixture_close(struct fixture *fixture)
{
    char command[96];
    fixture_drop(fixture, fixture->store);
    cr_assert_eq(loop_fixture_close(&fixture->base), 0);
    cr_assert_eq(mem_live(), 0, "%zu blocks of memory are left", mem_live());
    snprintf(command, sizeof command, "rm -rf %s", fixture->dir);
    cr_assert_eq(system(command), 0);
}

/* ---- operations ---------------------------------------------------------------------------------------------- */

static int finish(struct fixture *fixture, struct loop_fixture_call *call)
{
    int code = loop_fixture_wait(&fixture->base, call);
    fixture->error = call->error;
    return code;
}

int fixture_setup(struct fixture *fixture)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_setup(fixture->store, &call.call, 0);
    return finish(fixture, &call);
}

int fixture_start(struct fixture *fixture, struct obx_instance *store)
{
    static const struct outbox_column columns[FIXTURE_COLUMNS] = {
        {"event_id", OUTBOX_COLUMN_OPTIONAL}, {"payload", 0}, {"created_at", OUTBOX_COLUMN_OPTIONAL}};
    return loop_fixture_store_start(&fixture->base, store, columns, FIXTURE_COLUMNS, &fixture->error);
}

int fixture_acquire(struct fixture *fixture, struct obx_instance *store, uint32_t lease_ms,
                    struct outbox_acquire *acquire)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    *acquire = (struct outbox_acquire){.struct_size = sizeof *acquire, .lease_ms = lease_ms};
    obx_store_acquire(store, &call.call, 0, acquire);
    return finish(fixture, &call);
}

int fixture_renew(struct fixture *fixture, struct obx_instance *store)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_renew(store, &call.call, 0);
    return finish(fixture, &call);
}

int fixture_settle(struct fixture *fixture, struct outbox_batch *batch, uint32_t first, uint32_t count)
{
    struct outbox_span span = {batch, first, count};
    return loop_fixture_settle(&fixture->base, fixture->store, &span, 1, &fixture->error);
}

int fixture_dead_letter(struct fixture *fixture, uint64_t id, const char *key, const char *reason)
{
    struct outbox_dead_row row = {{id, 0}, 3, {"orders", 6}, {key, strlen(key)}, reason};
    struct outbox_dead_letter_rows park = {sizeof park, 1, &row};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_dead_letter(fixture->store, &call.call, 0, &park);
    return finish(fixture, &call);
}

int fixture_status(struct fixture *fixture, struct outbox_store_status *status)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    *status = (struct outbox_store_status){.struct_size = sizeof *status};
    obx_store_status(fixture->store, &call.call, 0, status);
    return finish(fixture, &call);
}

int fixture_dead(struct fixture *fixture, struct outbox_dead *dead)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    dead->struct_size = sizeof *dead;
    obx_store_dead(fixture->store, &call.call, 0, dead);
    return finish(fixture, &call);
}

struct outbox_batch *fixture_claim(struct fixture *fixture, uint32_t flags)
{
    struct outbox_claim claim = {.max_rows = 100000, .max_bytes = 1 << 30, .flags = flags};
    cr_assert_eq(loop_fixture_claim(&fixture->base, fixture->store, &claim, &fixture->error), 0, "%s",
                 fixture->error.text);
    return claim.batch;
}

int fixture_claim_code(struct fixture *fixture, struct outbox_batch **batch)
{
    struct outbox_claim claim = {.max_rows = 100000, .max_bytes = 1 << 30};
    int code = loop_fixture_claim(&fixture->base, fixture->store, &claim, &fixture->error);
    *batch = claim.batch;
    return code;
}

void fixture_release(struct fixture *fixture, struct outbox_batch *batch)
{
    if (batch)
        obx_store_release(fixture->store, batch);
}

const char *fixture_ids(const struct outbox_batch *batch)
{
    static char text[512];
    size_t size = 0;
    text[0] = '\0';
    for (uint32_t i = 0; batch && i < batch->rows && size < sizeof text - 24; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%llu", i ? " " : "",
                                 (unsigned long long)batch->positions[i].major);
    return text;
}

void fixture_expect(const struct fixture *fixture, int code, const char *format, ...)
{
    char text[OUTBOX_ERROR_TEXT_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cr_assert_str_eq(fixture->error.text, text);
    cr_assert_eq(fixture->error.code, code, "%s: code %d", text, fixture->error.code);
}

/* ---- the database -------------------------------------------------------------------------------------------- */

static sqlite3 *open_database(const char *path)
{
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK, "%s: %s", path, sqlite3_errmsg(db));
    sqlite3_busy_timeout(db, 20000);
    return db;
}

void fixture_sql(const char *path, const char *sql)
{
    sqlite3 *db = open_database(path);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
    cr_assert_eq(sqlite3_close(db), SQLITE_OK);
}

const char *fixture_text(const char *path, const char *sql)
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

int64_t fixture_number(const char *path, const char *sql)
{
    return atoll(fixture_text(path, sql));
}

void fixture_insert(const struct fixture *fixture, int rows)
{
    char sql[400];
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
             "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) SELECT 'order', i, 'Placed', i FROM n",
             rows);
    fixture_sql(fixture->path, sql);
}

/* ---- other processes ----------------------------------------------------------------------------------------- */

void fixture_child_start(struct fixture_child *child, const char *path, void (*run)(struct fixture_link *link))
{
    int up[2], down[2];
    cr_assert_eq(pipe(up), 0);
    cr_assert_eq(pipe(down), 0);
    child->pid = fork();
    cr_assert_geq(child->pid, 0);
    if (child->pid == 0) {
        struct fixture_link link = {path, up[1], down[0]};
        alarm(LOOP_FIXTURE_CHILD_S);
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

void fixture_child_wait(struct fixture_child *child)
{
    char byte;
    cr_assert_eq(read(child->pipe, &byte, 1), 1, "the other process ended early");
}

void fixture_child_go(struct fixture_child *child)
{
    cr_assert_eq(write(child->command, "x", 1), 1);
}

int fixture_child_end(struct fixture_child *child)
{
    int status;
    close(child->command);
    close(child->pipe);
    cr_assert_eq(waitpid(child->pid, &status, 0), child->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void fixture_link_notify(struct fixture_link *link)
{
    if (write(link->notify, "x", 1) != 1)
        _exit(3);
}

void fixture_link_wait(struct fixture_link *link)
{
    char byte;
    if (read(link->command, &byte, 1) < 0)
        _exit(4);
}

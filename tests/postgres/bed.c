/* tests/postgres/bed.c - the bed of the Postgres tests */
#include "bed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static const struct outbox_column columns[] = {
    {"event_id", OUTBOX_COLUMN_OPTIONAL}, {"aggregateid", 0}, {"payload", 0}, {"created_at", OUTBOX_COLUMN_OPTIONAL}};

PGconn *bed_connect(void)
{
    PGconn *pg = PQconnectdb(getenv("OUTBOX_TEST_PG"));
    cr_assert_eq(PQstatus(pg), CONNECTION_OK, "%s", PQerrorMessage(pg));
    PQclear(PQexec(pg, "SET client_min_messages = warning"));
    return pg;
}

static void configure(struct bed *bed, const char *yaml)
{
    struct obx_buf text = {0};
    obx_buf_printf(&text, "store:\n  plugin: postgres\n  dsn: ${OUTBOX_TEST_PG}\n  table: %s\n%s", bed->table, yaml);
    cr_assert_eq(harness_configure(&bed->harness, "test.yaml", obx_buf_text(&text), &bed->error), 0, "%s",
                 bed->error.text);
    obx_buf_free(&text);
}

static void make_table(struct bed *bed)
{
    struct harness_call call = {0};
    struct obx_instance *admin = bed_another(bed);
    cr_assert_eq(harness_store_start(&bed->harness, admin, NULL, 0, &bed->error), 0, "%s", bed->error.text);
    harness_reset(&call);
    obx_store_setup(admin, &call.call, 0);
    cr_assert_eq(harness_wait(&bed->harness, &call), 0, "%s", call.error.text);
    cr_assert_eq(harness_stop(&bed->harness, admin, &bed->error), 0, "%s", bed->error.text);
    obx_instance_free(admin);
}

void bed_open(struct bed *bed, const char *table, bool made, const char *yaml)
{
    *bed = (struct bed){.table = table};
    bed->sql = bed_connect();
    cr_assert_eq(harness_open_uv(&bed->harness, NULL, &bed->error), 0, "%s", bed->error.text);
    configure(bed, yaml);
    if (made)
        make_table(bed);
    bed->store = bed_another(bed);
}

void bed_close(struct bed *bed)
{
    harness_stop(&bed->harness, bed->store, &bed->error);
    struct obx_violations violations = obx_instance_violations(bed->store);
    cr_assert_eq(violations.unknown_ops + violations.bad_outcomes, 0);
    obx_instance_free(bed->store);
    cr_assert_eq(harness_close(&bed->harness), 0);
    PQfinish(bed->sql);
    cr_assert_eq(mem_live(), 0);
}

static char *with_table(const struct bed *bed, const char *sql)
{
    struct obx_buf text = {0};
    for (const char *at; (at = strstr(sql, "%s")); sql = at + 2) {
        obx_buf_add(&text, sql, (size_t)(at - sql));
        obx_buf_puts(&text, bed->table);
    }
    obx_buf_puts(&text, sql);
    return text.data;
}

static PGresult *run(struct bed *bed, PGconn *pg, const char *sql)
{
    char *text = with_table(bed, sql);
    PGresult *result = PQexec(pg, text);
    ExecStatusType status = PQresultStatus(result);
    cr_assert(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s: %s", text, PQerrorMessage(pg));
    obx_free(text);
    return result;
}

void bed_exec(struct bed *bed, PGconn *pg, const char *sql)
{
    PQclear(run(bed, pg, sql));
}

int64_t bed_number(struct bed *bed, const char *sql)
{
    PGresult *result = run(bed, bed->sql, sql);
    int64_t number = PQntuples(result) ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : -1;
    PQclear(result);
    return number;
}

void bed_insert(struct bed *bed, PGconn *pg, const char *key)
{
    char sql[200];
    snprintf(sql, sizeof sql,
             "INSERT INTO %%s (aggregatetype, aggregateid, type, payload) VALUES ('order', '%s', 'placed', 'x')", key);
    bed_exec(bed, pg, sql);
}

struct obx_instance *bed_another(struct bed *bed)
{
    struct obx_instance *store;
    cr_assert_eq(harness_instance(&bed->harness, OUTBOX_STORE, "store", &store, &bed->error), 0, "%s", bed->error.text);
    return store;
}

int bed_start(struct bed *bed, struct obx_instance *store)
{
    return harness_store_start(&bed->harness, store, columns, OBX_COUNT(columns), &bed->error);
}

int bed_acquire(struct bed *bed, struct obx_instance *store, struct outbox_acquire *acquire)
{
    struct harness_call call = {0};
    harness_reset(&call);
    obx_store_acquire(store, &call.call, 0, acquire); /* with the lease that the test chose */
    int code = harness_wait(&bed->harness, &call);
    bed->error = call.error;
    return code;
}

void bed_begin(struct bed *bed)
{
    struct outbox_acquire acquire = {.struct_size = sizeof acquire, .lease_ms = 10000};
    cr_assert_eq(bed_start(bed, bed->store), 0, "%s", bed->error.text);
    cr_assert_eq(bed_acquire(bed, bed->store, &acquire), 0, "%s", bed->error.text);
}

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

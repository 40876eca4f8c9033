/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/capture_fixture.c - see capture_fixture.h */
#include "capture_fixture.h"

#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define YAML "  capture: binlog\n"

void capture_open(struct capture *capture, const char *table)
{
    capture_open_with(capture, table, "");
}

void capture_open_with(struct capture *capture, const char *table, const char *yaml)
{
    char section[500];
    memset(capture, 0, sizeof *capture);
    snprintf(section, sizeof section, "%s%s", YAML, yaml);
    fixture_open(&capture->base, table, true, YAML);
    fixture_reconfigure(&capture->base, &(struct server_place){0}, section);
    fixture_run(&capture->base, "SET GLOBAL binlog_row_metadata = FULL");
    fixture_begin(&capture->base);
}

void capture_close(struct capture *capture)
{
    capture_forget(capture);
    fixture_close(&capture->base);
}

void capture_restart(struct capture *capture)
{
    capture_forget(capture);
    obx_instance_free((fixture_stop(&capture->base), capture->base.store));
    capture->base.store = fixture_another(&capture->base);
    fixture_begin(&capture->base);
}

void capture_run(struct capture *capture, const char *sql)
{
    char one[2000];
    while (*sql) {
        size_t size = strcspn(sql, ";");
        snprintf(one, sizeof one, "%.*s", (int)size, sql);
        fixture_run(&capture->base, one);
        sql += size + (sql[size] == ';');
        sql += strspn(sql, " ");
    }
}

static void note(struct capture *capture, const struct outbox_batch *batch)
{
    enum { KEY = 1 };
    for (uint32_t i = 0; i < batch->rows; i++) {
        const struct outbox_value *key = &batch->values[(size_t)i * batch->columns + KEY];
        size_t at = strlen(capture->keys);
        if (at + key->size + 2 < sizeof capture->keys)
            snprintf(capture->keys + at, sizeof capture->keys - at, "%s%.*s", at ? " " : "", (int)key->size,
                     (const char *)key->as.data);
        capture->last = batch->positions[i].major;
    }
    capture->rows += batch->rows;
    capture->spooled += batch->flags & OUTBOX_BATCH_SPOOLED ? batch->rows : 0;
    cr_assert_lt(capture->count, (uint32_t)CAPTURE_BATCHES);
    capture->batches[capture->count++] = (struct outbox_batch *)(uintptr_t)batch;
}

int capture_claim(struct capture *capture, uint32_t flags, uint32_t max_rows)
{
    struct outbox_claim claim = {
        .struct_size = sizeof claim, .flags = flags, .max_rows = max_rows, .max_bytes = 1 << 20};
    int code = loop_fixture_claim(&capture->base.base, capture->base.store, &claim, &capture->base.error);
    if (!code && claim.batch)
        note(capture, claim.batch);
    capture->behind = !code && !claim.batch && claim.result & OUTBOX_CLAIMED_BEHIND;
    return code;
}

void capture_await(struct capture *capture, uint32_t flags, uint32_t max_rows)
{
    int64_t end = fixture_now_ms() + LOOP_FIXTURE_TIMEOUT_MS;
    do {
        cr_assert_eq(capture_claim(capture, flags, max_rows), 0, "%s", capture->base.error.text);
        flags = 0;
    } while (capture->behind && fixture_now_ms() < end);
}

/* Claims until one gives nothing. On a busy machine a claim may give nothing while the reader is behind: as long as
 * less came than is expected, it is awaited. */
static void claim_all(struct capture *capture, uint32_t flags, const char *expected)
{
    uint32_t before;
    do {
        before = capture->count;
        if (strlen(capture->keys) < strlen(expected))
            capture_await(capture, flags, 1000);
        else
            cr_assert_eq(capture_claim(capture, flags, 1000), 0, "%s", capture->base.error.text);
        flags = 0;
    } while (capture->count > before);
    cr_assert_str_eq(capture->keys, expected);
}

void capture_expect(struct capture *capture, const char *keys)
{
    capture->keys[0] = '\0';
    claim_all(capture, 0, keys);
}

void capture_expect_rewound(struct capture *capture, const char *keys)
{
    capture_forget(capture);
    claim_all(capture, OUTBOX_CLAIM_REWIND, keys);
}

void capture_forget(struct capture *capture)
{
    while (capture->count)
        obx_store_release(capture->base.store, capture->batches[--capture->count]);
    capture->keys[0] = '\0';
    capture->rows = capture->spooled = 0;
}

/* The spans of rows first .. first + count - 1 over all batches. */
static uint32_t make_spans(struct capture *capture, uint32_t first, uint32_t count, struct outbox_span *spans)
{
    uint32_t found = 0;
    for (uint32_t i = 0, at = 0; i < capture->count; at += capture->batches[i++]->rows) {
        uint32_t begin = first > at ? first - at : 0, rows = capture->batches[i]->rows;
        uint32_t end = first + count > at ? first + count - at : 0;
        end = end < rows ? end : rows;
        if (begin < end)
            spans[found++] = (struct outbox_span){capture->batches[i], begin, end - begin};
    }
    return found;
}

int capture_settle(struct capture *capture, uint32_t first, uint32_t count, uint64_t low)
{
    return capture_settle_asking(capture, first, count, low, NULL);
}

int capture_settle_asking(struct capture *capture, uint32_t first, uint32_t count, uint64_t low,
                          struct outbox_refused *refused)
{
    static struct outbox_span spans[CAPTURE_BATCHES];
    struct outbox_settle settle = {
        .struct_size = sizeof settle, .spans = spans, .refused = refused, .low = {.major = low}};
    struct loop_fixture_call call = {0};
    settle.span_count = make_spans(capture, first, count, spans);
    loop_fixture_reset(&call);
    obx_store_settle(capture->base.store, &call.call, 0, &settle);
    int code = loop_fixture_wait(&capture->base.base, &call);
    capture->base.error = call.error;
    return code;
}

int capture_spool(struct capture *capture, uint32_t first, uint32_t count, uint64_t low)
{
    return capture_spool_counting(capture, first, count, low, NULL);
}

int capture_spool_counting(struct capture *capture, uint32_t first, uint32_t count, uint64_t low, uint64_t *refused)
{
    static struct outbox_span spans[CAPTURE_BATCHES];
    struct outbox_spool spool = {
        .struct_size = sizeof spool, .spans = spans, .low = {.major = low}, .refused = refused};
    struct loop_fixture_call call = {0};
    spool.span_count = make_spans(capture, first, count, spans);
    loop_fixture_reset(&call);
    obx_store_spool(capture->base.store, &call.call, 0, &spool);
    int code = loop_fixture_wait(&capture->base.base, &call);
    capture->base.error = call.error;
    return code;
}

void capture_replay(struct capture *capture)
{
    struct outbox_dead dead = {.struct_size = sizeof dead, .action = OUTBOX_DEAD_REPLAY};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_dead(capture->base.store, &call.call, 0, &dead);
    cr_assert_eq(loop_fixture_wait(&capture->base.base, &call), 0, "%s", call.error.text);
}

void capture_settle_all(struct capture *capture)
{
    cr_assert_eq(capture_settle(capture, 0, capture->rows, capture->last), 0, "%s", capture->base.error.text);
    capture_forget(capture);
}

void capture_expect_failure(struct capture *capture, int code, const char *part)
{
    int found = 0;
    for (int64_t end = fixture_now_ms() + LOOP_FIXTURE_TIMEOUT_MS; !found && fixture_now_ms() < end;)
        found = capture_claim(capture, 0, 1000);
    cr_assert_eq(found, code, "%s", capture->base.error.text);
    cr_assert_not_null(strstr(capture->base.error.text, part), "%s", capture->base.error.text);
}

char *capture_position(struct capture *capture)
{
    MYSQL *mysql = session_handle(capture->base.sql);
    char sql[200];
    snprintf(sql, sizeof sql, "SELECT CONCAT_WS(' ', log_position, log_index, sequence - (1 << 62)) FROM %s_position",
             capture->base.table);
    cr_assert_eq(mysql_query(mysql, sql), 0, "%s", mysql_error(mysql));
    MYSQL_RES *result = mysql_store_result(mysql);
    MYSQL_ROW row = mysql_fetch_row(result);
    char *text = strdup(row[0]);
    mysql_free_result(result);
    return text;
}

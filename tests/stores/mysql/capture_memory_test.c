/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/mysql/capture_memory_test.c - a transaction of any size takes the memory of its batches, and little more
 *
 * M16. Batches of MEMORY bytes are kept, as a relay with that `memory` does; then they are settled, and the next are
 * claimed. All memory of the store counts, but for that of the client library, which has none of the log.
 */
#include "capture_fixture.h"
#include "mem_fault.h"

#include <stdio.h>
#include <string.h>

#define MEMORY ((size_t)4 << 20)
#define MORE ((size_t)16 << 20)

static uint64_t bytes_of(const struct capture *capture)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < capture->count; i++)
        bytes += capture->batches[i]->bytes;
    return bytes;
}

static void claim_one(struct capture *capture)
{
    uint32_t rows = capture->rows;
    while (capture->rows == rows)
        cr_assert_eq(capture_claim(capture, 0, 500), 0, "%s", capture->base.error.text);
}

/* Returns how many rows came until `rows` were there. */
static void relay(struct capture *capture, uint32_t rows)
{
    for (uint32_t done = 0; done < rows;) {
        do
            claim_one(capture);
        while (bytes_of(capture) < MEMORY - (1 << 20) && done + capture->rows < rows);
        done += capture->rows;
        capture_settle_all(capture);
        cr_assert_eq(capture->last, (UINT64_C(1) << 62) + done);
    }
}

static void insert_payloads(struct capture *capture, const char *table, const char *payload)
{
    char sql[700];
    fixture_run(&capture->base, "CREATE TABLE IF NOT EXISTS digits (n INT PRIMARY KEY)");
    fixture_run(&capture->base, "INSERT IGNORE INTO digits WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 "
                                "FROM r WHERE n < 250) SELECT n FROM r");
    snprintf(sql, sizeof sql,
             "INSERT INTO %s (aggregatetype, aggregateid, type, payload) SELECT 't', a.n, 'e', %s FROM digits a JOIN "
             "digits b WHERE b.n <= 240",
             table, payload);
    fixture_run(&capture->base, sql);
}

/* 64 MiB and more. */
static void insert_many(struct capture *capture, const char *table)
{
    insert_payloads(capture, table, "REPEAT(SHA2(a.n * 1000 + b.n, 256), 16)");
}

enum { ROWS = 250 * 240 };

static void expect_little_memory(const char *table, const char *setting)
{
    struct capture capture;
    capture_open(&capture, table);
    session_run(capture.base.sql, setting);
    mem_grown();
    insert_many(&capture, table);
    relay(&capture, ROWS);
    size_t grown = mem_grown();
    cr_assert_leq(grown, MEMORY + MORE, "%zu bytes", grown);
    cr_assert_geq(grown, (size_t)1 << 20);
    capture_expect(&capture, "");
    capture_close(&capture);
}

Test(capture_memory, of_a_huge_transaction)
{
    expect_little_memory("huge_plain", "DO 0");
}

/* Of MySQL the whole transaction is one event, whose packed form is in memory. */
Test(capture_memory, of_a_huge_compressed_transaction)
{
    expect_little_memory("huge_packed", BY_KIND("", "SET GLOBAL log_bin_compress = ON",
                                                "SET SESSION binlog_transaction_compression = ON"));
    struct session *other = session_open();
    session_try(other, "SET GLOBAL log_bin_compress = OFF");
    session_close(other);
}

static void count_warning(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    (void)subject;
    *(unsigned *)arg += level == OUTBOX_LOG_WARN && strstr(text, "is compressed, and its ");
}

/* What cannot be packed further is in memory as a whole; the log has that. MariaDB packs each event alone. */
Test(capture_memory, compressed_transaction_that_is_large_is_named)
{
    const size_t packed = (size_t)24 << 20;
    struct capture capture;
    unsigned warnings = 0;
    capture_open(&capture, "large_packed");
    capture.base.base.log.write = count_warning;
    capture.base.base.log.arg = &warnings;
    if (server_kind() != MARIADB)
        session_run(capture.base.sql, "SET SESSION binlog_transaction_compression = ON");
    mem_grown();
    insert_payloads(&capture, "large_packed", "TO_BASE64(RANDOM_BYTES(300))");
    relay(&capture, ROWS);
    size_t grown = mem_grown();
    cr_assert_leq(grown, packed + MEMORY + MORE, "%zu bytes", grown);
    cr_assert_eq(warnings, server_kind() != MARIADB);
    capture_close(&capture);
}

/* The loop goes on while it is unpacked, and what follows is relayed. */
Test(capture_memory, compressed_transaction_of_other_tables_is_passed)
{
    struct capture capture;
    capture_open(&capture, "packed_others");
    if (server_kind() != MARIADB)
        session_run(capture.base.sql, "SET SESSION binlog_transaction_compression = ON");
    fixture_run(&capture.base,
                "CREATE TABLE others (aggregatetype TEXT, aggregateid TEXT, type TEXT, payload LONGTEXT)");
    mem_grown();
    insert_many(&capture, "others");
    fixture_insert(&capture.base, capture.base.sql, "a");
    capture_expect(&capture, "a");
    size_t grown = mem_grown();
    cr_assert_leq(grown, MORE, "%zu bytes", grown);
    fixture_run(&capture.base, "DROP TABLE others");
    capture_close(&capture);
}

/* What a large event needed is given back. */
Test(capture_memory, of_a_large_event_is_given_back)
{
    struct capture capture;
    capture_open(&capture, "once_large");
    fixture_run(&capture.base, "SET GLOBAL max_allowed_packet = 67108864");
    session_close(capture.base.sql);
    capture.base.sql = session_open();
    fixture_insert(&capture.base, capture.base.sql, "a");
    capture_expect(&capture, "a");
    capture_settle_all(&capture);
    mem_grown();
    fixture_run(
        &capture.base,
        "INSERT INTO %s (aggregatetype, aggregateid, type, payload) VALUES ('t', 'b', 'e', REPEAT('x', 17 << 20))");
    capture_expect(&capture, "b");
    cr_assert_geq(mem_grown(), (size_t)17 << 20);
    capture_settle_all(&capture);
    fixture_insert(&capture.base, capture.base.sql, "c");
    capture_expect(&capture, "c");
    size_t before = mem_live_bytes();
    capture_settle_all(&capture);
    cr_assert_leq(before, (size_t)8 << 20, "%zu bytes", before);
    capture_close(&capture);
}

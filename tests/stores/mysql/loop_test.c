/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/mysql/loop_test.c - no call of the store on the loop thread can wait: connecting, claiming, settling,
 * losing the session, stopping; over TCP, over TLS, over the socket
 *
 * blocking.h detects the calls. To see a failure, clear O_NONBLOCK once a connection is made: each test but the first
 * then names the call.
 */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"
#include "blocking.h"

enum { ROWS = 2000, CLAIM = 4 << 20 }; /* rows and bytes, as a relay with the default memory claims them */

/* The detector itself. */
Test(loop, call_that_may_block_is_detected)
{
    struct blocking seen = {0};
    int ends[2];
    char byte = 'x';
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    blocking_begin(&seen);
    cr_assert_eq(send(ends[0], &byte, 1, MSG_DONTWAIT), 1);
    cr_assert_eq(seen.calls, 0);
    cr_assert_eq(recv(ends[1], &byte, 1, 0), 1); /* it need not wait, but could have */
    cr_assert_eq(seen.calls, 1);
    blocking_end();
    cr_assert_str_eq(seen.first, "recv");
    cr_assert_eq(seen.io, 1);
    cr_assert_eq(write(ends[0], &byte, 1), 1); /* off */
    cr_assert_eq(seen.calls, 1);
    close(ends[0]);
    close(ends[1]);
}

static void check(const struct blocking *seen, const char *what)
{
    cr_assert_eq(seen->calls, 0, "%s: %u calls could wait, the first was %s", what, seen->calls, seen->first);
    cr_assert_gt(seen->io, 0, "%s: nothing was read or written at all", what);
}

/* Every n-th row is a large one. */
static void fill(struct sql_fixture *fixture, int rows, int nth, int large)
{
    char sql[400];
    snprintf(sql, sizeof sql,
             "INSERT INTO %%s (aggregatetype, aggregateid, type, payload) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL "
             "SELECT i + 1 FROM n WHERE i < %d) SELECT 'order', i, 'placed', REPEAT('x', IF(i %% %d, 128, %d)) FROM n",
             rows / 2, nth, large);
    fixture_run(fixture, sql);
    fixture_run(fixture, sql);
}

/* most: rows of a batch. */
static void claim_and_settle(struct sql_fixture *fixture, struct blocking *seen, uint32_t most)
{
    int64_t left = fixture_count_rows(fixture);
    while (left > 0) {
        blocking_begin(seen);
        struct outbox_batch *batch = fixture_claim_batch(fixture, ROWS, CLAIM);
        blocking_end();
        cr_assert_not_null(batch);
        uint32_t rows = batch->rows;
        cr_assert_leq(rows, most);
        blocking_begin(seen);
        int code = fixture_settle(fixture, batch, 0, rows);
        obx_store_release(fixture->store, batch);
        blocking_end();
        cr_assert_eq(code, 0, "%s", fixture->error.text);
        left -= rows;
    }
}

/* The server ends the owner's session in the middle of a wait: the store notices and reports that without blocking. */
static void lose(struct sql_fixture *fixture, struct blocking *seen)
{
    server_end_owner(fixture->sql, fixture->table);
    blocking_begin(seen);
    fixture_await_loss(fixture);
    blocking_end();
}

static void all_of_it(const char *table, const char *yaml, int rows, int nth, int large)
{
    struct sql_fixture fixture;
    struct blocking seen = {0};
    fixture_open(&fixture, table, true, "");
    cr_assert_eq(loop_fixture_configure(&fixture.base, "test.yaml", yaml, &fixture.error), 0, "%s", fixture.error.text);
    obx_instance_free(fixture.store);
    fixture.store = fixture_another(&fixture);
    fill(&fixture, rows, nth, large);
    for (int round = 0; round < 2; round++) {
        blocking_begin(&seen);
        fixture_begin(&fixture);
        blocking_end();
        check(&seen, "connecting");
        if (!round)
            claim_and_settle(&fixture, &seen, large < 1 << 20 ? ROWS : 1); /* decrypted in one step: see claim.c */
        check(&seen, "claiming and settling");
        lose(&fixture, &seen);
        blocking_begin(&seen);
        loop_fixture_stop(&fixture.base, fixture.store, &fixture.error);
        blocking_end();
        check(&seen, "losing the session");
        fixture.base.losses = 0;
        fixture_await_no_owner(&fixture);
    }
    fprintf(stderr, "# %s: %u steps, the longest took %.2f ms, %.2f ms of the processor\n", table, seen.steps,
            seen.worst_ms, seen.worst_cpu_ms);
    fixture_close(&fixture);
}

#define STORE(table, how) \
    "store:\n  plugin: mysql\n  user: outbox\n  password: outbox\n  database: outbox\n  table: " table "\n" how

Test(loop, loop_never_blocks_over_tcp)
{
    all_of_it("tcp", STORE("tcp", "  host: 127.0.0.1\n  port: ${OUTBOX_TEST_MYSQL_PORT}\n"), ROWS, 50, 20000);
}

Test(loop, loop_never_blocks_over_the_socket)
{
    all_of_it("local", STORE("local", "  socket: ${OUTBOX_TEST_MYSQL_DIR}/sock\n"), ROWS, 50, 20000);
}

#define TLS \
    "  host: 127.0.0.1\n  port: ${OUTBOX_TEST_MYSQL_PORT}\n  tls: verify\n  tls_ca: ${OUTBOX_TEST_MYSQL_DIR}/ca.pem\n"

Test(loop, loop_never_blocks_over_tls)
{
    all_of_it("crypt", STORE("crypt", TLS), ROWS, 50, 20000);
}

Test(loop, loop_never_blocks_for_rows_of_a_megabyte)
{
    all_of_it("crypt_large", STORE("crypt_large", TLS), 24, 1, 1 << 20);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/capture_tls_test.c - the binlog over TLS, which only the client library can read */
#include "capture_fixture.h"

#define EVENT(key) "INSERT INTO %s (aggregatetype, aggregateid, type, payload) VALUES ('t', '" key "', 'e', 'x')"
#define TLS "  tls: verify\n  tls_ca: ${OUTBOX_TEST_MYSQL_DIR}/ca.pem\n"

Test(capture_tls, events_are_read_by_the_library)
{
    struct capture capture;
    capture_open_with(&capture, "tls_capture", TLS);
    capture_run(&capture, EVENT("a") "; " EVENT("b"));
    capture_expect(&capture, "a b");
    capture_settle_all(&capture);
    capture_restart(&capture);
    capture_run(&capture, EVENT("c"));
    capture_expect(&capture, "c");
    capture_close(&capture);
}

/* A packet holds 16 MiB less one byte; a larger event comes in several, and a larger one than any buffer. */
Test(capture_tls, event_of_several_packets_is_whole)
{
    enum { SIZE = 17 << 20 };
    struct capture capture;
    capture_open_with(&capture, "tls_large", TLS);
    fixture_run(&capture.base, "SET GLOBAL max_allowed_packet = 67108864");
    capture_restart(&capture);
    session_close(capture.base.sql);
    capture.base.sql = session_open();
    fixture_run(&capture.base,
                "INSERT INTO %s (aggregatetype, aggregateid, type, payload) VALUES ('t', 'a', 'e', REPEAT('x', "
                "17 << 20))");
    capture_run(&capture, EVENT("b"));
    capture_await(&capture, 0, 1);
    cr_assert_eq(capture.rows, 1);
    cr_assert_eq(capture.batches[0]->values[2].size, (uint32_t)SIZE);
    capture_forget(&capture);
    capture_expect(&capture, "b");
    capture_close(&capture);
}

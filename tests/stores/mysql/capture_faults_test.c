/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/capture_faults_test.c - the server is killed, and replaced by its replica */
#include "capture_fixture.h"

#include <stdio.h>
#include <string.h>

#define EVENT(key) "INSERT INTO %s (aggregatetype, aggregateid, type, payload) VALUES ('t', '" key "', 'e', 'x')"

Test(capture_faults, killed_server_loses_nothing)
{
    struct capture capture;
    capture_open(&capture, "killed");
    capture_run(&capture, EVENT("a") "; " EVENT("b") "; " EVENT("c"));
    capture_expect(&capture, "a b c");
    cr_assert_eq(capture_settle(&capture, 0, 1, capture.last - 2), 0, "%s", capture.base.error.text);
    session_close(capture.base.sql);
    server_do("kill");
    server_do("restart");
    capture.base.sql = session_open();
    capture_run(&capture, EVENT("d"));
    capture_restart(&capture);
    capture_expect(&capture, "b c d");
    capture_close(&capture);
}

static int standby_port(void)
{
    return server_port() + 1;
}

/* M12 */
Test(capture_faults, replica_goes_on_by_gtid)
{
    struct capture capture;
    char port[12];
    capture_open(&capture, "moved");
    server_standby("start", standby_port());
    capture_run(&capture, EVENT("a") "; " EVENT("b") "; " EVENT("c"));
    capture_expect(&capture, "a b c");
    uint64_t last = capture.last;
    cr_assert_eq(capture_settle(&capture, 0, 2, last - 1), 0, "%s", capture.base.error.text);
    capture_forget(&capture);
    struct session *replica = session_open_at(standby_port());
    char wait[200];
    snprintf(wait, sizeof wait, "SELECT COUNT(*) FROM moved_position WHERE sequence = %llu",
             (unsigned long long)last - 1);
    int64_t there = 0, end = fixture_now_ms() + LOOP_FIXTURE_TIMEOUT_MS;
    while (there <= 0 && fixture_now_ms() < end) {
        session_run(replica, "DO SLEEP(0.01)");
        if (session_try(replica, "SELECT 1 FROM moved_position"))
            there = session_run(replica, wait);
    }
    cr_assert_eq(there, 1);
    fixture_stop(&capture.base);
    session_close(capture.base.sql);
    server_do("kill");
    server_standby("promote", standby_port());
    capture.base.sql = replica;
    snprintf(port, sizeof port, "%d", standby_port());
    fixture_reconfigure(&capture.base, &(struct server_place){.hosts = "127.0.0.1", .ports = port},
                        "  capture: binlog\n");
    fixture_begin(&capture.base);
    capture_run(&capture, EVENT("d"));
    capture_expect(&capture, "c d");
    cr_assert_eq(capture.last, last + 1);
    capture_close(&capture);
    server_standby("stop", standby_port());
    server_do("restart");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/wal_failure_test.c - WAL streams that cannot be opened, that break, or that are open during a
 * stop
 */
#include <dirent.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "wakeup.h"

#define WAL "  wakeup: wal\n"
static const char stream_pid[] = "SELECT pid FROM pg_stat_replication WHERE application_name = 'outbox test wakeup'";

static void end_streams(struct sql_fixture *fixture)
{
    fixture_run(fixture, "SELECT pg_terminate_backend(pid) FROM pg_stat_replication");
}

/* ---- a server that answers no new connection --------------------------------------------------------------------- */

static int descriptors(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

struct connecting {
    struct sql_fixture *fixture;
    int before;
};

static bool has_more_descriptors(void *arg)
{
    const struct connecting *connecting = arg;
    wakeup_armed(connecting->fixture);
    return descriptors() > connecting->before;
}

static pid_t postmaster(void)
{
    char path[300];
    int pid = 0;
    snprintf(path, sizeof path, "%s/pid", server_dir());
    FILE *file = fopen(path, "r");
    cr_assert(file && fscanf(file, "%d", &pid) == 1 && pid > 0);
    fclose(file);
    return (pid_t)pid;
}

/* ---- refused, ended
 * ----------------------------------------------------------------------------------------------------- */

static void expect_recovery(struct sql_fixture *fixture, const struct wakeup_log *log)
{
    wakeup_arm(fixture);
    cr_assert(log->warnings == 1 && log->recoveries == 1, "%u warnings, %u recoveries", log->warnings, log->recoveries);
    wakeup_expect_on_insert(fixture);
}

static void expect_warning(const struct wakeup_log *log, const char *why)
{
    char text[400];
    snprintf(text, sizeof text, "wake-up notifications do not work; the relay polls until they do: %s", why);
    cr_assert_str_eq(log->warning, text, "%s", log->warning);
}

/* A store of the role `name`, which may do all but replicate. */
static void open_as(struct sql_fixture *fixture, const char *name, const char *may, struct wakeup_log *log)
{
    fixture_open(fixture, name, true, "");
    server_make_user(fixture->sql, name, may);
    server_grant(fixture->sql, "SELECT, DELETE", name, name);
    fixture_reconfigure(fixture, &(struct server_place){.user = name}, WAL);
    wakeup_capture_log(fixture, log);
    fixture_begin(fixture);
}

Test(wal_failure, outbox_is_polled_until_the_permission_is_granted)
{
    struct sql_fixture fixture;
    struct wakeup_log log;
    char why[400];
    open_as(&fixture, "wal_mute", "", &log);
    wakeup_await_warning(&fixture);
    bool is_before_16 = fixture_run(&fixture, "SELECT current_setting('server_version_num')::int") < 160000;
    snprintf(
        why, sizeof why,
        "connect (127.0.0.1:%d as wal_mute): connection to server at \"127.0.0.1\", port %d failed: FATAL:  42501: "
        "%s; see 'outbox init --print-grants'",
        server_port(), server_port(),
        is_before_16 ? "must be superuser or replication role to start walsender"
                     : "permission denied to start WAL sender DETAIL:  Only roles with the REPLICATION attribute may "
                       "start a WAL sender process");
    expect_warning(&log, why);
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_await_rows(&fixture);
    cr_assert_eq(fixture.count, 1);
    fixture_run(&fixture, "ALTER ROLE wal_mute REPLICATION");
    expect_recovery(&fixture, &log);
    fixture_close(&fixture);
}

/* `line` before what is there; "": what was there at first. */
static void edit_hba(const char *line)
{
    static char was[16384];
    char path[300];
    snprintf(path, sizeof path, "%s/data/pg_hba.conf", server_dir());
    FILE *file = fopen(path, "r+");
    cr_assert(file);
    if (!*was)
        was[fread(was, 1, sizeof was - 1, file)] = '\0';
    rewind(file);
    cr_assert(!ftruncate(fileno(file), 0) && fprintf(file, "%s%s", line, was) > 0);
    fclose(file);
    struct session *session = session_open();
    session_run(session, "SELECT pg_reload_conf()");
    session_close(session);
}

Test(wal_failure, outbox_is_polled_while_pg_hba_rejects_the_stream)
{
    struct sql_fixture fixture;
    struct wakeup_log log;
    char why[400];
    edit_hba("host replication wal_walled all reject\n");
    open_as(&fixture, "wal_walled", "REPLICATION", &log);
    wakeup_await_warning(&fixture);
    snprintf(
        why, sizeof why,
        "connect (127.0.0.1:%d as wal_walled): connection to server at \"127.0.0.1\", port %d failed: FATAL:  28000: "
        "pg_hba.conf rejects replication connection for host \"127.0.0.1\", user \"wal_walled\", no encryption; let "
        "the role in by a line for the database \"replication\" in pg_hba.conf",
        server_port(), server_port());
    expect_warning(&log, why);
    edit_hba("");
    expect_recovery(&fixture, &log);
    fixture_close(&fixture);
}

Test(wal_failure, outbox_is_polled_while_no_wal_sender_is_free)
{
    enum { MANY = 64 };
    struct sql_fixture fixture;
    struct wakeup_log log;
    PGconn *others[MANY];
    char dsn[200];
    int count = 0, most;
    fixture_open(&fixture, "wal_crowd", true, WAL);
    most = (int)fixture_run(&fixture, "SELECT setting FROM pg_settings WHERE name = 'max_wal_senders'");
    cr_assert(most > 0 && most <= MANY);
    snprintf(dsn, sizeof dsn, "host=127.0.0.1 port=%d user=outbox replication=true", server_port());
    do
        others[count] = PQconnectdb(dsn);
    while (PQstatus(others[count]) == CONNECTION_OK && ++count < most);
    wakeup_capture_log(&fixture, &log);
    fixture_begin(&fixture);
    wakeup_await_warning(&fixture);
    cr_assert(strstr(log.warning, "number of requested standby connections exceeds ") &&
                  strstr(log.warning, ": check max_wal_senders"),
              "%s", log.warning);
    for (int i = 0; i <= count && i < most; i++)
        PQfinish(others[i]);
    expect_recovery(&fixture, &log);
    fixture_close(&fixture);
}

Test(wal_failure, ended_stream_wakes_the_relay_and_reconnects)
{
    struct sql_fixture fixture;
    struct wakeup_log log;
    fixture_open(&fixture, "wal_cut", true, WAL);
    fixture_begin(&fixture);
    wakeup_arm(&fixture);
    wakeup_capture_log(&fixture, &log);
    uint32_t wakes = fixture.base.wakes;
    end_streams(&fixture);
    cr_assert(loop_fixture_until_woken(&fixture.base, wakes));
    expect_warning(&log, "follow the server's log: terminating connection due to administrator command (57P01)");
    expect_recovery(&fixture, &log);
    fixture_close(&fixture);
}

static bool has_warned(void *arg)
{
    const struct wakeup_log *log = arg;
    return log->warnings > 0;
}

/* The server removes a segment between the poll that saw the end of the log and the connection that starts there. */
Test(wal_failure, stream_restarts_after_the_server_removed_its_segment)
{
    struct sql_fixture fixture;
    struct wakeup_log log;
    fixture_open(&fixture, "wal_thrown", true, WAL);
    wakeup_capture_log(&fixture, &log);
    fixture_begin(&fixture);
    struct connecting connecting = {&fixture, descriptors()};
    kill(postmaster(), SIGSTOP);
    bool connects = loop_fixture_poll(&fixture.base, has_more_descriptors, &connecting);
    fixture_run(&fixture, "SELECT pg_switch_wal()");
    fixture_run(&fixture, "CHECKPOINT");
    kill(postmaster(), SIGCONT);
    cr_assert(connects);
    cr_assert(loop_fixture_poll(&fixture.base, has_warned, &log),
              "no warning was logged"); /* no poll meanwhile: it would see a later end */
    cr_assert(strstr(log.warning, "follow the server's log: requested WAL segment ") &&
                  strstr(log.warning, " has already been removed (58P01)"),
              "%s", log.warning);
    fixture_insert(&fixture, fixture.sql, "a");
    fixture_await_rows(&fixture);
    cr_assert_eq(fixture.count, 1, "the outbox is polled");
    wakeup_arm(&fixture);
    cr_assert_eq(log.warnings, 1);
    wakeup_expect_on_insert(&fixture);
    fixture_close(&fixture);
}

/* The polls of a sleeping relay detect the silence. */
static bool is_warned(void *arg)
{
    struct sql_fixture *fixture = arg;
    const struct wakeup_log *log = fixture->base.log.arg;
    wakeup_armed(fixture);
    return log->warnings > 0;
}

Test(wal_failure, silent_stream_is_closed)
{
    struct sql_fixture fixture;
    struct wakeup_log log;
    wakeup_open_armed(&fixture, "wal_silent", WAL);
    wakeup_capture_log(&fixture, &log);
    pid_t pid = (pid_t)fixture_run(&fixture, stream_pid);
    cr_assert(pid > 0 && !kill(pid, SIGSTOP));
    bool closed = loop_fixture_poll(&fixture.base, is_warned, &fixture);
    kill(pid, SIGCONT);
    cr_assert(closed);
    expect_warning(&log, "follow the server's log: the server does not answer");
    expect_recovery(&fixture, &log);
    fixture_close(&fixture);
}

/* The server sends keepalives, and ends a stream whose client does not answer within its timeout. On a busy machine it
 * may end one all the same: any stream counts that lives for longer. */
Test(wal_failure, keepalives_are_answered)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "wal_answer", true, WAL);
    fixture_reconfigure(&fixture, &(struct server_place){.more = "options='-c wal_sender_timeout=600ms'"}, WAL);
    fixture_begin(&fixture);
    wakeup_arm(&fixture);
    wakeup_poll_until(&fixture,
                      "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'outbox test wakeup' "
                      "AND reply_time > backend_start + interval '1.5 s'");
    fixture_close(&fixture);
}

/* ---- check and init ------------------------------------------------------------------------------------------ */

Test(wal_failure, check_opens_a_stream)
{
    struct sql_fixture fixture;
    struct wakeup_log log;
    open_as(&fixture, "wal_checked", "", &log);
    struct fixture_findings refused = fixture_check(&fixture, "wake-up notifications do not work: connect (127.0.0.1:");
    cr_assert(refused.count == 1 && refused.severity == OUTBOX_SEVERITY_WARNING && refused.advised);
    fixture_run(&fixture, "ALTER ROLE wal_checked REPLICATION");
    struct fixture_findings works = fixture_check(&fixture, "wake-up notifications work: the server sends its log");
    cr_assert(works.count == 1 && works.severity == OUTBOX_SEVERITY_OK);
    wakeup_arm(&fixture);
    cr_assert_eq(fixture_check(&fixture, "wake-up notifications work").count, 1, "while the stream is open");
    wakeup_expect_on_insert(&fixture);
    fixture_close(&fixture);
}

Test(wal_failure, check_reports_a_trigger_that_wakes_no_relay)
{
    static const char trigger[] = "run a wake-up trigger that no relay is to use";
    struct sql_fixture fixture;
    fixture_open(&fixture, "wal_trigger", true, "  wakeup: trigger\n");
    fixture_begin(&fixture);
    cr_assert_eq(fixture_check(&fixture, trigger).count, 0);
    fixture_stop(&fixture);
    fixture_reconfigure(&fixture, &(struct server_place){0}, WAL);
    fixture_begin(&fixture);
    cr_assert_eq(fixture_check(&fixture, trigger).count, 1);
    fixture_run(&fixture, "DROP TRIGGER outbox_wakeup ON %s");
    cr_assert_eq(fixture_check(&fixture, trigger).count, 0);
    fixture_close(&fixture);
}

static void find_right(void *arg, const char *line)
{
    *(bool *)arg |= !strcmp(line, "ALTER ROLE \"outbox\" REPLICATION;");
}

Test(wal_failure, grants_include_the_replication_attribute)
{
    struct sql_fixture fixture;
    bool found = false;
    fixture_open(&fixture, "wal_granted", false, "  wakeup: trigger\n");
    cr_assert_eq(obx_store_print(fixture.store, OUTBOX_PRINT_GRANTS, find_right, &found, &fixture.error), 0);
    cr_assert_not(found);
    fixture_reconfigure(&fixture, &(struct server_place){0}, WAL);
    cr_assert_eq(obx_store_print(fixture.store, OUTBOX_PRINT_GRANTS, find_right, &found, &fixture.error), 0);
    cr_assert(found);
    fixture_close(&fixture);
}

/* ---- its end ----------------------------------------------------------------------------------------------------- */

/* The server answers no new connection; the two existing connections continue. */
Test(wal_failure, relay_stops_while_the_listener_connects)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "wal_slow", true, WAL);
    fixture_begin(&fixture);
    int before = descriptors();
    kill(postmaster(), SIGSTOP);
    bool connects = loop_fixture_poll(&fixture.base, has_more_descriptors, &(struct connecting){&fixture, before});
    int code = loop_fixture_stop(&fixture.base, fixture.store, &fixture.error);
    kill(postmaster(), SIGCONT);
    cr_assert(connects && !code, "%d, %s", code, fixture.error.text);
    cr_assert_eq(descriptors(), before - 2, "a connection is left");
    fixture_begin_again(&fixture);
    wakeup_arm(&fixture);
    fixture_close(&fixture);
}

Test(wal_failure, relay_stops_while_the_server_hangs)
{
    struct sql_fixture fixture;
    struct loop_fixture_call call = {0};
    wakeup_open_armed(&fixture, "wal_hung", WAL);
    server_do("pause");
    loop_fixture_reset(&call);
    obx_instance_stop(fixture.store, &call.call, 200);
    int code = loop_fixture_wait(&fixture.base, &call);
    server_do("resume");
    cr_assert_eq(code, 0, "%s", call.error.text);
    fixture_begin_again(&fixture);
    wakeup_arm(&fixture);
    fixture_close(&fixture);
}

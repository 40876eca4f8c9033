/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/postgres/wal_trouble_test.c - a stream of the log that cannot be had, breaks, or is in the way of a stop
 */
#include <dirent.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bell.h"

#define WAL "  wakeup: wal\n"
static const char stream_pid[] = "SELECT pid FROM pg_stat_replication WHERE application_name = 'outbox test wakeup'";

static void end_streams(struct bed *bed)
{
    bed_run(bed, "SELECT pg_terminate_backend(pid) FROM pg_stat_replication");
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
    struct bed *bed;
    int before;
};

static bool has_more_descriptors(void *arg)
{
    const struct connecting *connecting = arg;
    bell_parks(connecting->bed);
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

static void until_it_works(struct bed *bed, const struct bell_heard *heard)
{
    bell_park(bed);
    cr_assert(heard->warnings == 1 && heard->news == 1, "%u warnings, %u news", heard->warnings, heard->news);
    bell_wake_by_insert(bed);
}

static void expect_warning(const struct bell_heard *heard, const char *why)
{
    char text[400];
    snprintf(text, sizeof text, "wake-up notifications do not work; the relay polls until they do: %s", why);
    cr_assert_str_eq(heard->warning, text, "%s", heard->warning);
}

/* A store of the role `name`, which may do all but replicate. */
static void open_as(struct bed *bed, const char *name, const char *may, struct bell_heard *heard)
{
    bed_open(bed, name, true, "");
    server_make_user(bed->sql, name, may);
    server_grant(bed->sql, "SELECT, DELETE", name, name);
    bed_reconfigure(bed, &(struct server_place){.user = name}, WAL);
    bell_listen(bed, heard);
    bed_begin(bed);
}

Test(wal_trouble, without_the_right_the_outbox_is_polled_until_it_is_granted)
{
    struct bed bed;
    struct bell_heard heard;
    char why[400];
    open_as(&bed, "wal_mute", "", &heard);
    bell_until_warned(&bed);
    bool says_less = bed_run(&bed, "SELECT current_setting('server_version_num')::int") < 160000;
    snprintf(
        why, sizeof why,
        "connect (127.0.0.1:%d as wal_mute): connection to server at \"127.0.0.1\", port %d failed: FATAL:  42501: "
        "%s; see 'outbox init --print-grants'",
        server_port(), server_port(),
        says_less ? "must be superuser or replication role to start walsender"
                  : "permission denied to start WAL sender DETAIL:  Only roles with the REPLICATION attribute may "
                    "start a WAL sender process");
    expect_warning(&heard, why);
    bed_insert(&bed, bed.sql, "a");
    bed_claim_some(&bed);
    cr_assert_eq(bed.count, 1);
    bed_run(&bed, "ALTER ROLE wal_mute REPLICATION");
    until_it_works(&bed, &heard);
    bed_close(&bed);
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

Test(wal_trouble, a_server_that_lets_no_replica_in_is_polled_until_it_does)
{
    struct bed bed;
    struct bell_heard heard;
    char why[400];
    edit_hba("host replication wal_walled all reject\n");
    open_as(&bed, "wal_walled", "REPLICATION", &heard);
    bell_until_warned(&bed);
    snprintf(
        why, sizeof why,
        "connect (127.0.0.1:%d as wal_walled): connection to server at \"127.0.0.1\", port %d failed: FATAL:  28000: "
        "pg_hba.conf rejects replication connection for host \"127.0.0.1\", user \"wal_walled\", no encryption; let "
        "the role in by a line for the database \"replication\" in pg_hba.conf",
        server_port(), server_port());
    expect_warning(&heard, why);
    edit_hba("");
    until_it_works(&bed, &heard);
    bed_close(&bed);
}

Test(wal_trouble, a_server_with_no_place_for_another_replica_is_polled_until_it_has)
{
    enum { MANY = 64 };
    struct bed bed;
    struct bell_heard heard;
    PGconn *others[MANY];
    char dsn[200];
    int count = 0, most;
    bed_open(&bed, "wal_crowd", true, WAL);
    most = (int)bed_run(&bed, "SELECT setting FROM pg_settings WHERE name = 'max_wal_senders'");
    cr_assert(most > 0 && most <= MANY);
    snprintf(dsn, sizeof dsn, "host=127.0.0.1 port=%d user=outbox replication=true", server_port());
    do
        others[count] = PQconnectdb(dsn);
    while (PQstatus(others[count]) == CONNECTION_OK && ++count < most);
    bell_listen(&bed, &heard);
    bed_begin(&bed);
    bell_until_warned(&bed);
    cr_assert(strstr(heard.warning, "number of requested standby connections exceeds ") &&
                  strstr(heard.warning, ": look at max_wal_senders"),
              "%s", heard.warning);
    for (int i = 0; i <= count && i < most; i++)
        PQfinish(others[i]);
    until_it_works(&bed, &heard);
    bed_close(&bed);
}

Test(wal_trouble, a_stream_that_is_ended_wakes_the_relay_and_comes_back)
{
    struct bed bed;
    struct bell_heard heard;
    bed_open(&bed, "wal_cut", true, WAL);
    bed_begin(&bed);
    bell_park(&bed);
    bell_listen(&bed, &heard);
    uint32_t wakes = bed.harness.wakes;
    end_streams(&bed);
    cr_assert(harness_until_woken(&bed.harness, wakes));
    expect_warning(&heard, "follow the server's log: terminating connection due to administrator command (57P01)");
    until_it_works(&bed, &heard);
    bed_close(&bed);
}

static bool has_warned(void *arg)
{
    const struct bell_heard *heard = arg;
    return heard->warnings > 0;
}

/* The log is thrown away between the look that saw its end and the connection that asks for it from there. */
Test(wal_trouble, a_stream_from_what_the_server_has_thrown_away_is_begun_further_on)
{
    struct bed bed;
    struct bell_heard heard;
    bed_open(&bed, "wal_thrown", true, WAL);
    bell_listen(&bed, &heard);
    bed_begin(&bed);
    struct connecting connecting = {&bed, descriptors()};
    kill(postmaster(), SIGSTOP);
    bool connects = harness_poll(&bed.harness, has_more_descriptors, &connecting);
    bed_run(&bed, "SELECT pg_switch_wal()");
    bed_run(&bed, "CHECKPOINT");
    kill(postmaster(), SIGCONT);
    cr_assert(connects);
    cr_assert(harness_poll(&bed.harness, has_warned, &heard), "nothing is said"); /* without a look, which sees more */
    cr_assert(strstr(heard.warning, "follow the server's log: requested WAL segment ") &&
                  strstr(heard.warning, " has already been removed (58P01)"),
              "%s", heard.warning);
    bed_insert(&bed, bed.sql, "a");
    bed_claim_some(&bed);
    cr_assert_eq(bed.count, 1, "it is polled");
    bell_park(&bed);
    cr_assert_eq(heard.warnings, 1);
    bell_wake_by_insert(&bed);
    bed_close(&bed);
}

/* The looks of a relay that is parked find it out. */
static bool is_warned(void *arg)
{
    struct bed *bed = arg;
    const struct bell_heard *heard = bed->harness.log.arg;
    bell_parks(bed);
    return heard->warnings > 0;
}

Test(wal_trouble, a_stream_that_falls_silent_is_given_up)
{
    struct bed bed;
    struct bell_heard heard;
    bell_open_parked(&bed, "wal_silent", WAL);
    bell_listen(&bed, &heard);
    pid_t pid = (pid_t)bed_run(&bed, stream_pid);
    cr_assert(pid > 0 && !kill(pid, SIGSTOP));
    bool given_up = harness_poll(&bed.harness, is_warned, &bed);
    kill(pid, SIGCONT);
    cr_assert(given_up);
    expect_warning(&heard, "follow the server's log: the server does not answer");
    until_it_works(&bed, &heard);
    bed_close(&bed);
}

/* The server asks whether we are there, and ends a stream whose client does not answer within its timeout. */
Test(wal_trouble, the_server_is_answered)
{
    struct bed bed;
    bed_open(&bed, "wal_answer", true, WAL);
    bed_reconfigure(&bed, &(struct server_place){.more = "options='-c wal_sender_timeout=200ms'"}, WAL);
    bed_begin(&bed);
    bell_park(&bed);
    char sql[200];
    snprintf(
        sql, sizeof sql,
        "SELECT count(*) FROM pg_stat_replication WHERE pid = %lld AND reply_time > backend_start + interval '1 s'",
        (long long)bed_run(&bed, stream_pid));
    bell_until(&bed, sql);
    bed_close(&bed);
}

/* ---- what the verbs say ------------------------------------------------------------------------------------------ */

Test(wal_trouble, check_tries_it)
{
    struct bed bed;
    struct bell_heard heard;
    open_as(&bed, "wal_checked", "", &heard);
    struct bed_findings refused = bed_look_for(&bed, "wake-up notifications do not work: connect (127.0.0.1:");
    cr_assert(refused.count == 1 && refused.level == OUTBOX_LOG_WARN && refused.advised);
    bed_run(&bed, "ALTER ROLE wal_checked REPLICATION");
    struct bed_findings works = bed_look_for(&bed, "wake-up notifications work: the server sends its log");
    cr_assert(works.count == 1 && works.level == OUTBOX_LOG_INFO);
    bell_park(&bed);
    cr_assert_eq(bed_look_for(&bed, "wake-up notifications work").count, 1, "beside its stream");
    bell_wake_by_insert(&bed);
    bed_close(&bed);
}

Test(wal_trouble, check_tells_of_a_trigger_that_wakes_nobody)
{
    static const char trigger[] = "run a wake-up trigger that no relay is to use";
    struct bed bed;
    bed_open(&bed, "wal_trigger", true, "  wakeup: trigger\n");
    bed_begin(&bed);
    cr_assert_eq(bed_look_for(&bed, trigger).count, 0);
    bed_stop(&bed);
    bed_reconfigure(&bed, &(struct server_place){0}, WAL);
    bed_begin(&bed);
    cr_assert_eq(bed_look_for(&bed, trigger).count, 1);
    bed_run(&bed, "DROP TRIGGER outbox_wakeup ON %s");
    cr_assert_eq(bed_look_for(&bed, trigger).count, 0);
    bed_close(&bed);
}

static void find_right(void *arg, const char *line)
{
    *(bool *)arg |= !strcmp(line, "ALTER ROLE \"outbox\" REPLICATION;");
}

Test(wal_trouble, the_right_is_among_the_grants)
{
    struct bed bed;
    bool found = false;
    bed_open(&bed, "wal_granted", false, "  wakeup: trigger\n");
    cr_assert_eq(obx_store_print(bed.store, OUTBOX_PRINT_GRANTS, find_right, &found, &bed.error), 0);
    cr_assert_not(found);
    bed_reconfigure(&bed, &(struct server_place){0}, WAL);
    cr_assert_eq(obx_store_print(bed.store, OUTBOX_PRINT_GRANTS, find_right, &found, &bed.error), 0);
    cr_assert(found);
    bed_close(&bed);
}

/* ---- its end ----------------------------------------------------------------------------------------------------- */

/* New connections are answered by nobody; the two that are there go on. */
Test(wal_trouble, a_relay_stops_while_its_bell_connects)
{
    struct bed bed;
    bed_open(&bed, "wal_slow", true, WAL);
    bed_begin(&bed);
    int before = descriptors();
    kill(postmaster(), SIGSTOP);
    bool connects = harness_poll(&bed.harness, has_more_descriptors, &(struct connecting){&bed, before});
    int code = harness_stop(&bed.harness, bed.store, &bed.error);
    kill(postmaster(), SIGCONT);
    cr_assert(connects && !code, "%d, %s", code, bed.error.text);
    cr_assert_eq(descriptors(), before - 2, "a connection is left");
    bed_begin_again(&bed);
    bell_park(&bed);
    bed_close(&bed);
}

Test(wal_trouble, a_relay_stops_while_the_server_hangs)
{
    struct bed bed;
    struct harness_call call = {0};
    bell_open_parked(&bed, "wal_hung", WAL);
    server_do("pause");
    harness_reset(&call);
    obx_instance_stop(bed.store, &call.call, 200);
    int code = harness_wait(&bed.harness, &call);
    server_do("resume");
    cr_assert_eq(code, 0, "%s", call.error.text);
    bed_begin_again(&bed);
    bell_park(&bed);
    bed_close(&bed);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/lock_wait_test.c - a relay that waits for a lock of another session says which, and whose */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"

struct logged {
    char text[2000];
};

static void capture(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    struct logged *logged = arg;
    size_t used = strlen(logged->text);
    (void)subject;
    if (level <= OUTBOX_LOG_WARN)
        snprintf(logged->text + used, sizeof logged->text - used, "%s\n", text);
}

/* As CREATE INDEX, or an ALTER TABLE, does it. */
static void lock_table(struct sql_fixture *fixture, struct session *session)
{
    if (server_kind() == POSTGRES)
        session_run(session, "BEGIN");
    fixture_run_on(fixture, session, BY_SERVER("LOCK TABLE %s IN SHARE MODE", "LOCK TABLES %s WRITE"));
}

static void unlock_table(struct session *session)
{
    session_run(session, BY_SERVER("COMMIT", "UNLOCK TABLES"));
}

static long long id_of(struct session *session)
{
    return session_run(session, BY_SERVER("SELECT pg_backend_pid()", "SELECT CONNECTION_ID()"));
}

static void expect_holder(const char *text, long long id)
{
    char who[80];
    snprintf(who, sizeof who,
             BY_SERVER("public.lock_waited, which pid %lld (user outbox",
                       "outbox.lock_waited, which connection %lld (user outbox"),
             id);
    cr_assert_not_null(strstr(text, who), "'%s' is not in '%s'", who, text);
}

/* As the relay does it: with a timeout. */
static void start_within(struct sql_fixture *fixture, uint32_t timeout_ms)
{
    static const struct outbox_column columns[] = {{"payload", 0}};
    const struct outbox_store_start start = {.struct_size = sizeof start, .columns = columns, .column_count = 1};
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_start(fixture->store, &call.call, timeout_ms, &start);
    loop_fixture_wait(&fixture->base, &call);
    fixture->error = call.error;
}

Test(lock_wait, start_names_the_lock_and_its_holder)
{
    struct sql_fixture fixture;
    struct logged logged = {""};
    fixture_open(&fixture, "lock_waited", true, "");
    struct session *other = session_open();
    lock_table(&fixture, other);
    fixture.base.log.write = capture;
    fixture.base.log.arg = &logged;
    start_within(&fixture, 10000);
    cr_assert_eq(fixture.error.code, OUTBOX_E_TIMEOUT, "%s", fixture.error.text);
    cr_assert_not_null(strstr(fixture.error.text, "no answer within 10000 ms: "), "%s", fixture.error.text);
    expect_holder(fixture.error.text, id_of(other));
    expect_holder(logged.text, id_of(other));
    unlock_table(other);
    fixture_stop(&fixture);
    cr_assert_eq(fixture_start(&fixture, fixture.store), 0, "%s", fixture.error.text);
    session_close(other);
    fixture_close(&fixture);
}

/* The server ends the wait, and its error has the reason. */
Test(lock_wait, start_that_fails_has_the_reason_in_its_error)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "lock_waited", true, "  statement_timeout: 10s\n");
    struct session *other = session_open();
    lock_table(&fixture, other);
    cr_assert_neq(fixture_start(&fixture, fixture.store), 0);
    expect_holder(fixture.error.text, id_of(other));
    unlock_table(other);
    session_close(other);
    fixture_close(&fixture);
}

struct catalog {
    struct session *session;
    bool locked;
};

/* From now on the question for the holder gets no answer. */
static void lock_catalog(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    struct catalog *catalog = arg;
    (void)level, (void)subject;
    if (catalog->locked || !strstr(text, "waits for"))
        return;
    catalog->locked = true;
    session_run(catalog->session, "BEGIN");
    session_run(catalog->session, "LOCK TABLE pg_catalog.pg_namespace IN ACCESS EXCLUSIVE MODE");
}

/* The statement ends while the next question for the holder is on its way. */
Test(lock_wait, start_that_fails_during_a_question_has_the_reason_of_the_one_before)
{
    struct sql_fixture fixture;
    if (server_kind() != POSTGRES)
        return; /* no lock delays the question there */
    fixture_open(&fixture, "lock_waited", true, "  statement_timeout: 6s\n");
    struct session *other = session_open();
    struct catalog catalog = {.session = session_open()};
    lock_table(&fixture, other);
    fixture.base.log.write = lock_catalog;
    fixture.base.log.arg = &catalog;
    cr_assert_neq(fixture_start(&fixture, fixture.store), 0);
    cr_assert(catalog.locked);
    expect_holder(fixture.error.text, id_of(other));
    session_run(catalog.session, "COMMIT");
    unlock_table(other);
    session_close(catalog.session);
    session_close(other);
    fixture_close(&fixture);
}

struct stopped {
    struct session *session; /* which holds the lock */
    long long pid;           /* of the server's process that waited for it; 0: not yet */
};

/* The lock is released, and the statement still has no answer. */
static void stop_waiting_process(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    struct stopped *stopped = arg;
    (void)level, (void)subject;
    if (stopped->pid || !strstr(text, "waits for"))
        return;
    stopped->pid = session_run(stopped->session, "SELECT pid FROM pg_locks WHERE NOT granted AND relation = "
                                                 "'lock_waited'::regclass");
    cr_assert_eq(kill((pid_t)stopped->pid, SIGSTOP), 0);
    unlock_table(stopped->session);
}

Test(lock_wait, lock_that_was_released_is_no_reason)
{
    struct sql_fixture fixture;
    if (server_kind() != POSTGRES)
        return; /* a session is no process there */
    fixture_open(&fixture, "lock_waited", true, "");
    struct stopped stopped = {.session = session_open()};
    lock_table(&fixture, stopped.session);
    fixture.base.log.write = stop_waiting_process;
    fixture.base.log.arg = &stopped;
    start_within(&fixture, 10000);
    cr_assert(stopped.pid);
    cr_assert_eq(kill((pid_t)stopped.pid, SIGCONT), 0);
    cr_assert_eq(fixture.error.code, OUTBOX_E_TIMEOUT, "%s", fixture.error.text);
    cr_assert_null(strstr(fixture.error.text, "waits for"), "%s", fixture.error.text);
    session_close(stopped.session);
    fixture_close(&fixture);
}

/* ---- several sessions wait --------------------------------------------------------------------------------------- */

static void *alter_table(void *session)
{
    session_try(session, "ALTER TABLE lock_waited ADD COLUMN later int");
    return NULL;
}

/* For a transaction that has read the table an ALTER TABLE waits, and behind that the relay. */
Test(lock_wait, session_that_waits_itself_is_not_named)
{
    struct sql_fixture fixture;
    pthread_t thread;
    if (server_kind() == POSTGRES)
        return; /* there a session "holds or waits for" the lock: the next one in the queue is named */
    fixture_open(&fixture, "lock_waited", true, "");
    struct session *reader = session_open(), *altering = session_open();
    long long id = id_of(reader);
    session_run(reader, "BEGIN");
    fixture_run_on(&fixture, reader, "SELECT COUNT(*) FROM %s");
    cr_assert_eq(pthread_create(&thread, NULL, alter_table, altering), 0);
    fixture_await_lock_wait(&fixture);
    start_within(&fixture, 10000);
    cr_assert_eq(fixture.error.code, OUTBOX_E_TIMEOUT, "%s", fixture.error.text);
    expect_holder(fixture.error.text, id);
    session_run(reader, "COMMIT");
    pthread_join(thread, NULL);
    session_close(reader);
    session_close(altering);
    fixture_close(&fixture);
}

/* ---- the next server --------------------------------------------------------------------------------------------- */

/* A server that takes connections and never answers. */
static int open_silent(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert(fd >= 0 && !bind(fd, (struct sockaddr *)&address, size) && !listen(fd, 5) &&
              !getsockname(fd, (struct sockaddr *)&address, &size));
    *port = ntohs(address.sin_port);
    return fd;
}

Test(lock_wait, lock_of_one_server_is_not_the_reason_of_the_next)
{
    struct sql_fixture fixture;
    char ports[32];
    int port, silent = open_silent(&port);
    if (server_kind() != POSTGRES)
        return; /* a wait for a lock that ends is no reason to try the next server there */
    fixture_open(&fixture, "lock_waited", true, "");
    snprintf(ports, sizeof ports, "%d,%d", server_port(), port);
    fixture_reconfigure(&fixture, &(struct server_place){.hosts = "127.0.0.1,127.0.0.1", .ports = ports},
                        "  statement_timeout: 3s\n  connect_timeout: 60s\n");
    struct session *other = session_open();
    lock_table(&fixture, other);
    start_within(&fixture, 12000);
    cr_assert_eq(fixture.error.code, OUTBOX_E_TIMEOUT, "%s", fixture.error.text);
    cr_assert_null(strstr(fixture.error.text, "waits for"), "%s", fixture.error.text);
    unlock_table(other);
    session_close(other);
    close(silent);
    fixture_close(&fixture);
}

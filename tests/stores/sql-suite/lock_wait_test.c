/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/lock_wait_test.c - a relay that waits for a lock of another session says which, and whose */
#include <stdio.h>
#include <string.h>

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

/* MariaDB tells that only with a plugin. */
static void expect_holder(const char *text, struct session *holder)
{
    char who[80] = "a lock of another session (Waiting for table metadata lock)";
    long long id = session_run(holder, BY_SERVER("SELECT pg_backend_pid()", "SELECT CONNECTION_ID()"));
    if (server_kind() == POSTGRES)
        snprintf(who, sizeof who, "public.lock_waited, which pid %lld (user outbox", id);
    if (server_kind() == MYSQL_SERVER)
        snprintf(who, sizeof who, "outbox.lock_waited, which connection %lld (user outbox", id);
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
    start_within(&fixture, 5000);
    cr_assert_eq(fixture.error.code, OUTBOX_E_TIMEOUT, "%s", fixture.error.text);
    cr_assert_not_null(strstr(fixture.error.text, "no answer within 5000 ms: "), "%s", fixture.error.text);
    expect_holder(fixture.error.text, other);
    expect_holder(logged.text, other);
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
    fixture_open(&fixture, "lock_waited", true, "  statement_timeout: 7s\n");
    struct session *other = session_open();
    lock_table(&fixture, other);
    cr_assert_neq(fixture_start(&fixture, fixture.store), 0);
    expect_holder(fixture.error.text, other);
    unlock_table(other);
    session_close(other);
    fixture_close(&fixture);
}

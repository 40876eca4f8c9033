/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/mysql/security_test.c - actions that either client library must refuse
 *
 * On the server of the test if possible, otherwise on a malicious server. tls_test.c covers the verification of
 * certificates.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "client.h" /* of the store */
#include "malicious_server.h"

#define SECRET "a secret of this machine"
#define PASSWORD "known to nobody else"

/* ---- the store's own steps, waited for --------------------------------------------------------------------------- */

static uint32_t wait_for(const struct mys_client *client, struct mys_wait wait)
{
    struct pollfd descriptor = {.fd = mys_fd(client)};
    descriptor.events =
        (short)((wait.events & OUTBOX_READABLE ? POLLIN : 0) | (wait.events & OUTBOX_WRITABLE ? POLLOUT : 0));
    if (poll(&descriptor, 1, wait.again_us ? 1 : 5000) <= 0)
        return 0;
    return descriptor.revents & (POLLERR | POLLHUP) ? wait.events
                                                    : (descriptor.revents & POLLIN ? OUTBOX_READABLE : 0) |
                                                          (descriptor.revents & POLLOUT ? OUTBOX_WRITABLE : 0);
}

static bool ask_for_key = true;

static void connect_to(struct mys_client *client, unsigned port, const char *password, bool statements)
{
    struct mys_target target = {.host = "127.0.0.1",
                                .port = port,
                                .user = "outbox",
                                .password = password,
                                .database = "outbox",
                                .statements = statements,
                                .ask_for_key = ask_for_key,
                                .timeout_s = 5};
    cr_assert_eq(mys_library(), 0);
    cr_assert(mys_new(client, &target));
    struct mys_wait wait = mys_connect(client, &target, 0);
    while (mys_waits(wait))
        wait = mys_connect(client, &target, wait_for(client, wait));
}

static void connect_here(struct mys_client *client, bool statements)
{
    connect_to(client, (unsigned)strtoul(getenv("OUTBOX_TEST_MYSQL_PORT"), NULL, 10), "outbox", statements);
    cr_assert_not(client->failed, "%s", mysql_error(client->mysql));
    mys_finish_connect(client);
}

/* Returns the number of the error, 0: none. */
static unsigned query(struct mys_client *client, const char *sql)
{
    struct mys_wait wait = mys_query(client, sql, strlen(sql), 0);
    while (mys_waits(wait))
        wait = mys_query(client, sql, strlen(sql), wait_for(client, wait));
    return client->failed ? mysql_errno(client->mysql) : 0;
}

/* ---- on an honest server ----------------------------------------------------------------------------------------- */

Test(security, several_statements_in_a_packet_need_the_option)
{
    struct mys_client one, several;
    connect_here(&one, false);
    connect_here(&several, true);
    cr_assert_eq(query(&one, "DO 1; DO 2"), 1064); /* a syntax error */
    cr_assert_eq(query(&several, "DO 1; DO 2"), 0);
    mys_close(&one, false);
    mys_close(&several, true);
}

static void write_secret(char *path, size_t size)
{
    snprintf(path, size, "%s/secret", getenv("OUTBOX_TEST_MYSQL_DIR"));
    FILE *file = fopen(path, "we");
    cr_assert_not_null(file);
    fputs(SECRET, file);
    cr_assert_eq(fclose(file), 0);
}

Test(security, local_infile_stays_disabled_when_the_server_allows_it)
{
    struct sql_fixture fixture;
    struct mys_client client;
    char path[200], sql[300];
    fixture_open(&fixture, "loaded", false, "");
    fixture_run(&fixture, "SET GLOBAL local_infile = 1");
    fixture_run(&fixture, "CREATE TABLE %s (line TEXT)");
    write_secret(path, sizeof path);
    connect_here(&client, false);
    snprintf(sql, sizeof sql, "LOAD DATA LOCAL INFILE '%s' INTO TABLE loaded", path);
    cr_assert_neq(query(&client, sql), 0);
    cr_assert_eq(fixture_run(&fixture, "SELECT COUNT(*) FROM %s"), 0);
    mys_close(&client, true);
    fixture_close(&fixture);
}

Test(security, password_is_erased_after_connecting)
{
    struct mys_client client;
    connect_here(&client, false);
    const char *kept = client.mysql->passwd;
    static const char nothing[sizeof "outbox" - 1];
    cr_assert(!kept || !memcmp(kept, nothing, sizeof nothing));
    mys_close(&client, false);
}

Test(security, ended_session_is_not_replaced)
{
    struct sql_fixture fixture;
    struct mys_client client;
    char sql[64];
    fixture_open(&fixture, "replaced", false, "");
    connect_here(&client, false);
    unsigned long session = mysql_thread_id(client.mysql);
    snprintf(sql, sizeof sql, "KILL %lu", session);
    fixture_run(&fixture, sql);
    cr_assert_neq(query(&client, "DO 1"), 0);
    cr_assert_neq(query(&client, "DO 1"), 0);
    cr_assert_eq(mysql_thread_id(client.mysql), session);
    mys_close(&client, true);
    fixture_close(&fixture);
}

/* ---- on a malicious
 * -------------------------------------------------------------------------------------------------- */

Test(security, password_is_never_sent_in_clear_text)
{
    static struct malicious_server malicious = {.requests_password = true};
    struct mys_client client;
    malicious_server_start(&malicious);
    connect_to(&client, malicious.port, PASSWORD, false);
    cr_assert(client.failed);
    mys_close(&client, true);
    malicious_server_end(&malicious);
    cr_assert_gt(malicious.size, 0);
    cr_assert(malicious_server_received(&malicious, "caching_sha2_password"));
    cr_assert_not(malicious_server_received(&malicious, PASSWORD));
}

/* The server answers "full authentication" to the scramble, and waits for what the client asks next. */
static bool is_asked_for_key(void)
{
    struct malicious_server malicious = {.wants_key = true};
    struct mys_client client;
    malicious_server_start(&malicious);
    connect_to(&client, malicious.port, PASSWORD, false);
    cr_assert(client.failed);
    mys_close(&client, true);
    malicious_server_end(&malicious);
    cr_assert_not(malicious_server_received(&malicious, PASSWORD));
    return malicious.was_asked_for_key;
}

Test(security, key_of_a_server_on_another_machine_is_not_asked_for_without_tls)
{
    cr_assert(is_asked_for_key());
    ask_for_key = false;
    cr_assert_not(is_asked_for_key());
}

Test(security, server_that_requests_a_file_gets_none)
{
    static struct malicious_server malicious;
    struct mys_client client;
    char path[200];
    write_secret(path, sizeof path);
    malicious.file = path;
    malicious_server_start(&malicious);
    connect_to(&client, malicious.port, PASSWORD, false);
    cr_assert_not(client.failed, "%s", mysql_error(client.mysql));
    cr_assert_neq(query(&client, "DO 1"), 0);
    mys_close(&client, true);
    malicious_server_end(&malicious);
    cr_assert_eq(malicious.statements, 1);
    cr_assert_not(malicious_server_received(&malicious, SECRET));
}

static void refuses_to_go_without_tls(const char *table, const char *tls)
{
    static struct malicious_server malicious = {.file = "nothing"};
    struct sql_fixture fixture;
    char yaml[400];
    malicious_server_start(&malicious);
    fixture_open(&fixture, table, false, "");
    snprintf(yaml, sizeof yaml,
             "store:\n  plugin: mysql\n  host: 127.0.0.1\n  port: %u\n  user: outbox\n  password: outbox\n"
             "  database: outbox\n  tls: %s\n",
             malicious.port, tls);
    cr_assert_eq(loop_fixture_configure(&fixture.base, "test.yaml", yaml, &fixture.error), 0, "%s", fixture.error.text);
    obx_instance_free(fixture.store);
    fixture.store = fixture_another(&fixture);
    cr_assert_eq(fixture_start(&fixture, fixture.store), OUTBOX_E_PERMISSION, "%d: %s", fixture.error.code,
                 fixture.error.text);
    fixture_close(&fixture);
    malicious_server_end(&malicious);
    cr_assert_eq(malicious.statements, 0);
}

Test(security, tls_require_refuses_a_server_without_tls)
{
    refuses_to_go_without_tls("malicious_require", "require");
}

Test(security, tls_verify_refuses_a_server_without_tls)
{
    refuses_to_go_without_tls("malicious_verify", "verify");
}

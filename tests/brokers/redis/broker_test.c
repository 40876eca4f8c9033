/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/redis/broker_test.c - outages, a silent server, login, ids that Redis 8.6 knows; against real servers
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../fixture.h"

static struct publishing publishing;

#define PLAIN "plugin: redis\n server: %s\n "

TestSuite(redis, .timeout = 300);

static void publish_all(uint32_t count)
{
    memset(publishing.results, 0, sizeof publishing.results);
    publishing.is_done = false;
    fixture_submit(&publishing, count);
    fixture_wait(&publishing);
}

/* ---- outages ----------------------------------------------------------------------------------------------------- */

static bool is_lost(void *arg)
{
    (void)arg;
    return base.losses > 0;
}

Test(redis, dead_server_is_a_loss_and_the_broker_starts_again)
{
    struct outbox_error error;
    fixture_open(PLAIN, server());
    cr_assert_eq(fixture_publish("life").outcome, OUTBOX_DELIVERED);
    service("kill");
    cr_assert(loop_fixture_until(&base, is_lost, NULL));
    cr_assert_eq(base.losses, 1);
    struct result result = fixture_publish("life");
    cr_assert_eq(result.outcome, OUTBOX_NOT_CONNECTED, "it was not sent: %s", result.error.text);
    cr_assert_str_eq(result.error.text, "add an entry: 127.0.0.1 is not connected");
    cr_assert_eq(fixture_stop_within(0), OUTBOX_OK);
    cr_assert_eq(loop_fixture_broker_start(&base, broker, &error), OUTBOX_E_NOT_CONNECTED, "%s", error.text);
    service("restart");
    fixture_must_start();
    cr_assert_eq(fixture_publish("life").outcome, OUTBOX_DELIVERED);
    fixture_close();
}

Test(redis, silent_server_makes_what_was_sent_unknown)
{
    fixture_open(PLAIN "timeout: 5s", server());
    service("pause");
    event_set(&publishing, 0, "life", "k", "{}");
    publish_all(1);
    service("resume");
    cr_assert_eq(publishing.results[0].outcome, OUTBOX_UNKNOWN, "%s", publishing.results[0].error.text);
    cr_assert_eq(base.losses, 1);
    fixture_close();
}

/* The kernel accepts the connection, and nobody answers. Nothing but the broker's own timer ends the start. */
Test(redis, server_that_never_answers_fails_the_start)
{
    struct outbox_error error;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(listen(listener, 8), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    cr_assert_eq(fixture_try(&error, "plugin: redis\n server: 127.0.0.1:%d", ntohs(address.sin_port)), OUTBOX_OK);
    cr_assert_eq(loop_fixture_broker_start(&base, broker, &error), OUTBOX_E_TIMEOUT, "%s", error.text);
    cr_assert_str_eq(error.text, "connect to 127.0.0.1: no answer within 3000 ms");
    fixture_close();
    close(listener);
}

/* "localhost" is ::1 first, where the server does not listen. */
Test(redis, next_address_of_a_name_is_tried)
{
    fixture_open("plugin: redis\n server: localhost:%s", strrchr(server(), ':') + 1);
    cr_assert_eq(fixture_publish("life").outcome, OUTBOX_DELIVERED);
    fixture_close();
}

/* ---- what cancel() ends ------------------------------------------------------------------------------------------ */

static void note_nothing(void *arg, const struct outbox_finding *finding)
{
    (void)arg, (void)finding;
}

Test(redis, canceled_check_leaves_publishes_alone)
{
    static const char *const topics[] = {"life", NULL};
    struct outbox_check check = {.struct_size = sizeof check, .report = note_nothing, .topics = topics};
    struct loop_fixture_call call = {0};
    fixture_open(PLAIN "timeout: 60s", server());
    service("pause");
    event_set(&publishing, 0, "life", "k", "{}");
    publishing.is_done = false;
    memset(publishing.results, 0, sizeof publishing.results);
    fixture_submit(&publishing, 1);
    loop_fixture_reset(&call);
    obx_broker_check(broker, &call.call, 200, &check);
    cr_assert_eq(loop_fixture_wait(&base, &call), OUTBOX_E_TIMEOUT, "%s", call.error.text);
    service("resume");
    fixture_wait(&publishing);
    cr_assert_eq(publishing.results[0].outcome, OUTBOX_DELIVERED, "%s", publishing.results[0].error.text);
    cr_assert_eq(base.losses, 0);
    fixture_close();
}

/* ---- login and TLS ----------------------------------------------------------------------------------------------- */

static int start_code(struct outbox_error *error)
{
    int code = loop_fixture_broker_start(&base, broker, error);
    fixture_close();
    return code;
}

Test(redis, login_is_checked)
{
    struct outbox_error error;
    const char *with_login = getenv("OUTBOX_TEST_SERVER_LOGIN");
    fixture_open(PLAIN "password: secret", with_login);
    cr_assert_eq(fixture_publish("life").outcome, OUTBOX_DELIVERED);
    fixture_close();
    fixture_open(PLAIN "user: default\n password: secret", with_login);
    fixture_close();
    cr_assert_eq(fixture_try(&error, PLAIN "password: guessed", with_login), OUTBOX_OK);
    cr_assert_eq(start_code(&error), OUTBOX_E_PERMISSION, "%s", error.text);
    cr_assert_null(strstr(error.text, "guessed"));
    cr_assert_eq(fixture_try(&error, PLAIN, with_login), OUTBOX_OK);
    cr_assert_eq(start_code(&error), OUTBOX_E_PERMISSION, "%s", error.text);
}

/* hiredis of Debian 12 has no TLS: then nothing may go out in clear text. */
Test(redis, tls_is_not_replaced_by_clear_text)
{
    struct outbox_error error;
    cr_assert_eq(fixture_try(&error, PLAIN "tls: true", server()), OUTBOX_OK);
    cr_assert_neq(start_code(&error), OUTBOX_OK, "the server speaks no TLS");
}

/* ---- ids that the server knows ----------------------------------------------------------------------------------- */

/* The last XADD of the server that claims to be Redis 8.6. */
static json_t *last_command(void)
{
    char path[300];
    json_t *command = NULL, *next;
    snprintf(path, sizeof path, "%s/new", getenv("OUTBOX_TEST_DIR"));
    FILE *file = fopen(path, "re");
    cr_assert_not_null(file);
    while ((next = json_loadf(file, JSON_DISABLE_EOF_CHECK, NULL))) {
        json_decref(command);
        command = next;
    }
    fclose(file);
    return command;
}

static const char *word(const json_t *command, size_t index)
{
    return json_string_value(json_array_get(command, index));
}

static void start_as(const char *outbox)
{
    struct loop_fixture_call call = {0};
    struct outbox_broker_start start = {.struct_size = sizeof start, .outbox = outbox};
    loop_fixture_reset(&call);
    obx_broker_start(broker, &call.call, 0, &start);
    cr_assert_eq(loop_fixture_wait(&base, &call), OUTBOX_OK, "%s", call.error.text);
}

Test(redis, ids_are_proven_within_their_outbox)
{
    struct outbox_error error;
    cr_assert_eq(fixture_try(&error, PLAIN, getenv("OUTBOX_TEST_SERVER_NEW")), OUTBOX_OK);
    start_as("shop of the north");
    cr_assert_eq(fixture_publish("life").outcome, OUTBOX_DELIVERED);
    json_t *command = last_command();
    cr_assert_str_eq(word(command, 2), "IDMP");
    cr_assert_str_eq(word(command, 3), "shop of the north", "another outbox may have the same ids");
    cr_assert_str_eq(word(command, 4), "id-0");
    json_decref(command);
    event_set(&publishing, 0, "life", "k", "{}");
    publishing.messages[0].id = (struct outbox_bytes){"", 0};
    publish_all(1);
    command = last_command();
    cr_assert_str_eq(word(command, 2), "*", "without an id every event would be a duplicate");
    json_decref(command);
    fixture_close();
}

Test(redis, server_that_refuses_the_proof_gets_events_without)
{
    fixture_open(PLAIN, getenv("OUTBOX_TEST_SERVER_NEW"));
    struct result result = fixture_publish("old");
    cr_assert_eq(result.outcome, OUTBOX_RETRY);
    cr_assert_eq(result.error.code, OUTBOX_E_AGAIN, "it costs no attempt: %s", result.error.text);
    cr_assert(strstr(logged, "does not know XADD IDMP"), "%s", logged);
    cr_assert_eq(fixture_publish("old").outcome, OUTBOX_DELIVERED);
    fixture_close();
}

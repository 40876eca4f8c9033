/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/nats/broker_test.c - messages, refusals, outages, login, TLS, check; against real servers */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "../fixture.h"

static struct publishing publishing;

#define PLAIN "plugin: nats\n servers: \"%s\"\n ack_timeout: 60s\n connect_timeout: 20s\n "
#define SECURE "plugin: nats\n servers: \"nats://%s\"\n user: relay\n tls: true\n "

TestSuite(nats, .timeout = 300);

static void publish_all(uint32_t count)
{
    memset(publishing.results, 0, sizeof publishing.results);
    publishing.is_done = false;
    fixture_submit(&publishing, count);
    fixture_wait(&publishing);
}

static const char *text_of(const json_t *event, const char *name)
{
    return json_string_value(json_object_get(event, name));
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

/* Clients cut blanks at the ends of a header's value: "a", " a" and "a " are three keys. */
Test(nats, keys_keep_blanks_and_line_ends)
{
    static const char *const keys[] = {"a", " a", "a ", "\ta", "a\nb", " ", "", NULL};
    enum { KEYS = sizeof keys / sizeof *keys };
    service("stream KEYS keys");
    fixture_open(PLAIN, server());
    for (uint32_t i = 0; i < KEYS; i++)
        event_set(&publishing, i, "keys", keys[i], "{}");
    publish_all(KEYS);
    json_t *events = stored("KEYS");
    cr_assert_eq(json_array_size(events), KEYS);
    for (uint32_t i = 0; i < KEYS; i++) {
        const char *key = text_of(json_array_get(events, i), "key");
        cr_assert(keys[i] ? key && !strcmp(key, keys[i]) : !key, "'%s' became '%s'", keys[i], key);
    }
    json_decref(events);
    fixture_close();
}

/* JetStream would drop it as a duplicate of the event whose id has no blank. */
Test(nats, id_with_a_blank_at_its_end_is_rejected)
{
    service("stream IDS ids");
    fixture_open(PLAIN, server());
    event_set(&publishing, 0, "ids", "k", "{}");
    publishing.messages[0].id = (struct outbox_bytes){" id-0", 5};
    publish_all(1);
    cr_assert_eq(publishing.results[0].outcome, OUTBOX_REJECTED, "%s", publishing.results[0].error.text);
    fixture_close();
}

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

Test(nats, subject_without_a_stream_is_the_topics_failure)
{
    service("stream FOUND found");
    fixture_open(PLAIN, server());
    for (uint32_t i = 0; i < 9; i++)
        event_set(&publishing, i, i == 4 ? "nowhere" : "found", "k", "{}");
    publish_all(9);
    for (uint32_t i = 0; i < 9; i++)
        cr_assert_eq(publishing.results[i].outcome, i == 4 ? OUTBOX_RETRY : OUTBOX_DELIVERED, "event %u: %s", i,
                     publishing.results[i].error.text);
    cr_assert_eq(publishing.results[4].error.code, OUTBOX_E_NOT_FOUND);
    fixture_close();
}

Test(nats, full_stream_costs_no_attempt)
{
    service("stream FULL full '{\"max_msgs\": 2, \"discard\": \"new\"}'");
    fixture_open(PLAIN, server());
    for (uint32_t i = 0; i < 4; i++)
        event_set(&publishing, i, "full", "k", "{}");
    publish_all(4);
    for (uint32_t i = 0; i < 4; i++)
        cr_assert_eq(publishing.results[i].outcome, i < 2 ? OUTBOX_DELIVERED : OUTBOX_RETRY, "event %u: %s", i,
                     publishing.results[i].error.text);
    cr_assert_eq(publishing.results[3].error.code, OUTBOX_E_AGAIN, "%s", publishing.results[3].error.text);
    fixture_close();
}

/* ---- outages ----------------------------------------------------------------------------------------------------- */

static bool is_lost(void *arg)
{
    (void)arg;
    return base.losses > 0;
}

Test(nats, dead_server_is_a_loss_and_the_broker_starts_again)
{
    struct outbox_error error;
    service("stream LIFE life");
    fixture_open(PLAIN, server());
    cr_assert_eq(fixture_publish("life").outcome, OUTBOX_DELIVERED);
    service("kill");
    cr_assert(loop_fixture_until(&base, is_lost, NULL));
    cr_assert_eq(base.losses, 1);
    cr_assert_eq(fixture_publish("life").outcome, OUTBOX_NOT_CONNECTED);
    cr_assert_eq(fixture_stop_within(0), OUTBOX_OK);
    cr_assert_eq(loop_fixture_broker_start(&base, broker, &error), OUTBOX_E_NOT_CONNECTED, "%s", error.text);
    cr_assert(strstr(error.text, server()), "the error names the server: %s", error.text);
    service("restart");
    fixture_must_start();
    event_set(&publishing, 0, "life", "k", "{}");
    publish_all(1);
    cr_assert_eq(publishing.results[0].outcome, OUTBOX_DELIVERED, "%s", publishing.results[0].error.text);
    fixture_close();
}

/* libnats finds it by PING, and closes its socket on a thread of its own. */
Test(nats, silent_server_is_found_and_makes_what_was_sent_unknown)
{
    service("stream SILENT silent");
    fixture_open(PLAIN, server());
    service("pause");
    event_set(&publishing, 0, "silent", "k", "{}");
    publish_all(1);
    service("resume");
    cr_assert_eq(publishing.results[0].outcome, OUTBOX_UNKNOWN, "%s", publishing.results[0].error.text);
    cr_assert_eq(base.losses, 1);
    fixture_close();
}

/* ---- check ------------------------------------------------------------------------------------------------------- */

static void note_nothing(void *arg, const struct outbox_finding *finding)
{
    (void)arg, (void)finding;
}

Test(nats, canceled_check_leaves_publishes_alone)
{
    static const char *const topics[] = {"checked", "other", "third", NULL};
    struct outbox_check check = {.struct_size = sizeof check, .report = note_nothing, .topics = topics};
    struct loop_fixture_call call = {0};
    service("stream CHECKED checked");
    fixture_open(PLAIN, server());
    service("pause");
    event_set(&publishing, 0, "checked", "k", "{}");
    memset(publishing.results, 0, sizeof publishing.results);
    publishing.is_done = false;
    fixture_submit(&publishing, 1);
    loop_fixture_reset(&call);
    obx_broker_check(broker, &call.call, 100, &check);
    cr_assert_eq(loop_fixture_wait(&base, &call), OUTBOX_E_TIMEOUT, "%s", call.error.text);
    service("resume");
    fixture_wait(&publishing);
    cr_assert_eq(publishing.results[0].outcome, OUTBOX_DELIVERED, "%s", publishing.results[0].error.text);
    fixture_close();
}

/* ---- login and TLS ----------------------------------------------------------------------------------------------- */

static int start_code(struct outbox_error *error)
{
    int code = loop_fixture_broker_start(&base, broker, error);
    fixture_close();
    return code;
}

Test(nats, login_in_a_url_is_refused)
{
    struct outbox_error error;
    cr_assert_eq(fixture_try(&error, "plugin: nats\n servers: nats://relay:secret@localhost:4222"), OUTBOX_E_CONFIG);
    cr_assert(strstr(error.text, "set user and password"), "%s", error.text);
    cr_assert_null(strstr(error.text, "secret@"));
}

Test(nats, wrong_password_is_refused)
{
    struct outbox_error error;
    cr_assert_eq(fixture_try(&error, SECURE "password: guessed\n tls_ca: %s/ca.pem", getenv("OUTBOX_TEST_SERVER_TLS"),
                             getenv("OUTBOX_TEST_DIR")),
                 OUTBOX_OK);
    cr_assert_eq(start_code(&error), OUTBOX_E_PERMISSION, "%s", error.text);
    cr_assert_null(strstr(error.text, "guessed"));
}

Test(nats, certificates_and_names_are_verified)
{
    struct outbox_error error;
    const char *with_tls = getenv("OUTBOX_TEST_SERVER_TLS"), *dir = getenv("OUTBOX_TEST_DIR");
    char by_address[60];
    snprintf(by_address, sizeof by_address, "127.0.0.1%s", strrchr(with_tls, ':'));
    fixture_open(SECURE "password: secret\n tls_ca: %s/ca.pem", with_tls, dir);
    struct result result = fixture_publish("forbidden");
    cr_assert_eq(result.outcome, OUTBOX_RETRY);
    cr_assert_eq(result.error.code, OUTBOX_E_PERMISSION, "%s", result.error.text);
    fixture_close();
    cr_assert_eq(fixture_try(&error, SECURE "password: secret\n tls_ca: %s/other-ca.pem", with_tls, dir), OUTBOX_OK);
    cr_assert_neq(start_code(&error), OUTBOX_OK, "another authority");
    cr_assert_eq(fixture_try(&error, SECURE "password: secret", with_tls), OUTBOX_OK);
    cr_assert_neq(start_code(&error), OUTBOX_OK, "the system's authorities did not sign it");
    cr_assert_eq(fixture_try(&error, SECURE "password: secret\n tls_ca: %s/ca.pem", by_address, dir), OUTBOX_OK);
    cr_assert_neq(start_code(&error), OUTBOX_OK, "the certificate is for another name");
}

Test(nats, server_without_tls_is_refused)
{
    struct outbox_error error;
    cr_assert_eq(fixture_try(&error, PLAIN "tls: true", server()), OUTBOX_OK);
    cr_assert_eq(start_code(&error), OUTBOX_E_CONFIG, "%s", error.text);
}

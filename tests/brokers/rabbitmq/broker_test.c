/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/rabbitmq/broker_test.c - messages, refusals, outages, stop, login, TLS, check; against a real server */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../altered.h"
#include "../fixture.h"

static struct publishing publishing;

#define PLAIN "plugin: rabbitmq\n servers: %s\n connect_timeout: 30s\n "
#define EVENTS PLAIN "exchange: events\n "

TestSuite(rabbitmq, .timeout = 300);

static const char *text_of(const json_t *event, const char *name)
{
    return json_string_value(json_object_get(event, name));
}

static void publish_all(uint32_t count)
{
    memset(publishing.results, 0, sizeof publishing.results);
    publishing.is_done = false;
    fixture_submit(&publishing, count);
    fixture_wait(&publishing);
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

Test(rabbitmq, message_is_persistent_and_has_the_properties)
{
    static const struct outbox_header headers[] = {{{"tenant", 6}, {"seven", 5}}, {{"none", 4}, {NULL, 0}}};
    service("bind events properties properties");
    fixture_open(EVENTS, server());
    event_set(&publishing, 0, "properties", "a\nkey", "{\"a\": 1}");
    publishing.messages[0].headers = headers;
    publishing.messages[0].header_count = 2;
    publish_all(1);
    cr_assert_eq(publishing.results[0].outcome, OUTBOX_DELIVERED, "%s", publishing.results[0].error.text);
    json_t *events = stored("properties"), *event = json_array_get(events, 0);
    cr_assert_eq(json_array_size(events), 1);
    cr_assert_str_eq(text_of(event, "topic"), "properties");
    cr_assert_str_eq(text_of(event, "key"), "a\nkey");
    cr_assert_str_eq(text_of(event, "id"), "id-0");
    cr_assert_str_eq(text_of(event, "type"), "placed");
    cr_assert_str_eq(text_of(event, "content_type"), "application/json");
    cr_assert_eq(json_integer_value(json_object_get(event, "delivery_mode")), 2);
    cr_assert_eq(json_integer_value(json_object_get(event, "timestamp")), 1700000000);
    cr_assert_str_eq(header_of(event, "tenant"), "seven");
    cr_assert_null(header_of(event, "none"));
    json_decref(events);
    fixture_close();
}

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

Test(rabbitmq, message_without_a_queue_is_the_topics_failure)
{
    service("bind events routed routed");
    fixture_open(EVENTS, server());
    for (uint32_t i = 0; i < 9; i++)
        event_set(&publishing, i, i % 3 == 1 ? "unrouted" : "routed", "k", "{}");
    publish_all(9);
    for (uint32_t i = 0; i < 9; i++) {
        const struct result *result = &publishing.results[i];
        cr_assert_eq(result->outcome, i % 3 == 1 ? OUTBOX_RETRY : OUTBOX_DELIVERED, "event %u: %s", i,
                     result->error.text);
        cr_assert_eq(result->error.code, i % 3 == 1 ? OUTBOX_E_NOT_FOUND : OUTBOX_OK);
    }
    fixture_close();
    fixture_open(EVENTS "mandatory: false", server());
    cr_assert_eq(fixture_publish("unrouted").outcome, OUTBOX_DELIVERED);
    fixture_close();
}

static void state_a_huge_size(struct alter *alter, uint8_t *frame, size_t size)
{
    enum { HEADER = 2, BODY_SIZE = 7 + 4 };
    (void)alter;
    if (*frame == HEADER && size >= BODY_SIZE + 8)
        memset(frame + BODY_SIZE, 0xff, 8);
}

Test(rabbitmq, size_that_the_server_states_for_a_returned_message_is_not_allocated)
{
    char address[40];
    struct altering_proxy proxy = {0};
    struct alter_protocol protocol = *altered_broker.protocol;
    protocol.alter = alter_emit;
    protocol.renumber = state_a_huge_size;
    altering_proxy_start(&proxy, &protocol, atoi(strrchr(server(), ':') + 1));
    snprintf(address, sizeof address, "127.0.0.1:%u", proxy.port);
    service("bind events sized sized");
    fixture_open(EVENTS, address);
    cr_assert_eq(fixture_publish("nowhere").error.code, OUTBOX_E_NOT_FOUND);
    cr_assert_eq(fixture_publish("sized").outcome, OUTBOX_DELIVERED);
    fixture_close();
    altering_proxy_stop(&proxy);
}

Test(rabbitmq, full_queue_costs_no_attempt)
{
    service("bind events full full '{\"x-max-length\": 1, \"x-overflow\": \"reject-publish\"}'");
    fixture_open(EVENTS, server());
    for (uint32_t i = 0; i < 5; i++)
        cr_assert_eq(fixture_publish("full").outcome, i ? OUTBOX_RETRY_UNKNOWN : OUTBOX_DELIVERED, "event %u", i);
    cr_assert_eq(fixture_publish("full").error.code, OUTBOX_E_AGAIN);
    fixture_close();
}

Test(rabbitmq, missing_exchange_is_found_and_healed)
{
    fixture_open(PLAIN "exchange: later", server());
    struct result result = fixture_publish("late");
    cr_assert_eq(result.outcome, OUTBOX_RETRY);
    cr_assert_eq(result.error.code, OUTBOX_E_NOT_FOUND, "%s", result.error.text);
    service("bind later late late");
    cr_assert_eq(fixture_publish("late").outcome, OUTBOX_DELIVERED, "on the same connection");
    cr_assert_eq(base.losses, 0);
    fixture_close();
}

/* The server closes the channel, and does not name the message. */
Test(rabbitmq, message_that_is_too_large_is_found_among_others)
{
    static char large[200001];
    memset(large, 'L', sizeof large - 1);
    service("bind events sizes sizes");
    fixture_open(EVENTS, server());
    for (uint32_t i = 0; i < 9; i++)
        event_set(&publishing, i, "sizes", "k", i == 4 ? large : "{}");
    publish_all(9);
    cr_assert_eq(publishing.results[4].outcome, OUTBOX_RETRY_UNKNOWN, "%s", publishing.results[4].error.text);
    cr_assert_eq(publishing.results[4].error.code, OUTBOX_E_AGAIN, "%s", publishing.results[4].error.text);
    for (int i = 0; i < 20; i++) /* meanwhile other events go on */
        cr_assert_eq(fixture_publish("sizes").outcome, OUTBOX_DELIVERED);
    publish_all(9);
    for (uint32_t i = 0; i < 9; i++)
        cr_assert_eq(publishing.results[i].outcome, i == 4 ? OUTBOX_REJECTED : OUTBOX_DELIVERED, "event %u: %s", i,
                     publishing.results[i].error.text);
    cr_assert_eq(base.losses, 0);
    fixture_close();
}

Test(rabbitmq, topic_without_permission_is_the_topics_failure)
{
    service("bind events mine mine");
    service("ctl add_user limited secret");
    service("ctl set_permissions limited '.*' '.*' '.*'");
    service("ctl set_topic_permissions limited events '^mine$' '.*'");
    fixture_open(EVENTS "user: limited\n password: secret", server());
    cr_assert_eq(fixture_publish("mine").outcome, OUTBOX_DELIVERED);
    struct result result = fixture_publish("yours");
    cr_assert_eq(result.outcome, OUTBOX_RETRY);
    cr_assert_eq(result.error.code, OUTBOX_E_PERMISSION, "%s", result.error.text);
    cr_assert_eq(fixture_publish("mine").outcome, OUTBOX_DELIVERED);
    fixture_close();
}

/* ---- outages ----------------------------------------------------------------------------------------------------- */

static bool is_lost(void *arg)
{
    (void)arg;
    return base.losses > 0;
}

Test(rabbitmq, dead_server_is_a_loss_and_the_broker_starts_again)
{
    struct outbox_error error;
    service("bind events life life");
    fixture_open(EVENTS, server());
    cr_assert_eq(fixture_publish("life").outcome, OUTBOX_DELIVERED);
    service("kill");
    cr_assert(loop_fixture_until(&base, is_lost, NULL));
    cr_assert_eq(base.losses, 1);
    cr_assert_eq(fixture_publish("life").outcome, OUTBOX_NOT_CONNECTED);
    cr_assert_eq(fixture_stop_within(0), OUTBOX_OK);
    cr_assert_eq(loop_fixture_broker_start(&base, broker, &error), OUTBOX_E_NOT_CONNECTED, "%s", error.text);
    service("restart");
    fixture_must_start();
    cr_assert_eq(fixture_publish("life").outcome, OUTBOX_DELIVERED);
    fixture_close();
}

Test(rabbitmq, silent_server_is_found_by_heartbeats)
{
    service("bind events life life");
    fixture_open(EVENTS "confirm_timeout: 1h", server());
    service("pause");
    event_set(&publishing, 0, "life", "k", "{}");
    fixture_submit(&publishing, 1);
    fixture_wait(&publishing);
    service("resume");
    cr_assert_eq(publishing.results[0].outcome, OUTBOX_UNKNOWN, "%s", publishing.results[0].error.text);
    cr_assert_eq(base.losses, 1);
    fixture_close();
}

Test(rabbitmq, late_confirmation_is_not_a_loss)
{
    service("bind events life life");
    fixture_open(EVENTS "confirm_timeout: 300ms", server());
    service("pause");
    event_set(&publishing, 0, "life", "k", "{}");
    fixture_submit(&publishing, 1);
    fixture_wait(&publishing);
    service("resume");
    cr_assert_eq(publishing.results[0].outcome, OUTBOX_RETRY_UNKNOWN);
    cr_assert_eq(publishing.results[0].error.code, OUTBOX_E_TIMEOUT, "%s", publishing.results[0].error.text);
    fixture_run_for(1000); /* the confirmation finds no message */
    cr_assert_eq(base.losses, 0);
    fixture_close();
}

Test(rabbitmq, canceled_stop_gives_up_at_once)
{
    service("bind events life life");
    fixture_open(EVENTS "confirm_timeout: 1h", server());
    service("pause");
    event_set(&publishing, 0, "life", "k", "{}");
    fixture_submit(&publishing, 1);
    fixture_run_for(1500);    /* its thread sends it, on a busy machine, too */
    fixture_stop_within(200); /* or it would wait for the confirmation, for an hour */
    service("resume");
    cr_assert_eq(publishing.results[0].outcome, OUTBOX_UNKNOWN);
    fixture_close();
}

/* The kernel accepts the connection, and nobody answers for an hour. */
Test(rabbitmq, stop_ends_a_start_that_still_connects)
{
    struct outbox_error error;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct loop_fixture_call call = {0};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(listen(listener, 8), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    cr_assert_eq(fixture_try(&error, "plugin: rabbitmq\n connect_timeout: 1h\n servers: 127.0.0.1:%d, 127.0.0.1:%d",
                             ntohs(address.sin_port), ntohs(address.sin_port)),
                 OUTBOX_OK);
    loop_fixture_reset(&call);
    obx_broker_start(broker, &call.call, 0, &obx_no_outbox);
    int logging_in = accept(listener, NULL, NULL); /* the thread waits for an answer to its login */
    cr_assert_eq(fixture_stop_within(0), OUTBOX_OK);
    cr_assert_eq(loop_fixture_wait(&base, &call), OUTBOX_E_CANCELED, "%s", call.error.text);
    fixture_close();
    close(logging_in);
    close(listener);
}

static bool is_published(void *arg)
{
    (void)arg;
    return publishing.is_done;
}

static bool is_blocked(void *arg)
{
    (void)arg;
    return strstr(logged, "RabbitMQ blocks publishers");
}

/* The server reads the first message and then no more. */
Test(rabbitmq, blocked_publisher_waits_and_loses_nothing)
{
    service("bind events memory memory");
    fixture_open(EVENTS "confirm_timeout: 500ms", server());
    service("ctl set_vm_memory_high_watermark absolute 1MB");
    for (uint32_t i = 0; i < 20; i++)
        event_set(&publishing, i, "memory", "k", "{}");
    fixture_submit(&publishing, 20);
    cr_assert(loop_fixture_until(&base, is_blocked, NULL), "%s", logged);
    fixture_run_for(1500);
    cr_assert_not(publishing.is_done);
    service("ctl set_vm_memory_high_watermark absolute 512MB");
    cr_assert(loop_fixture_until(&base, is_published, NULL));
    for (uint32_t i = 0; i < 20; i++)
        cr_assert_eq(publishing.results[i].outcome, OUTBOX_DELIVERED, "%s", publishing.results[i].error.text);
    cr_assert(strstr(logged, "RabbitMQ accepts messages again"), "%s", logged);
    fixture_close();
}

/* ---- login, TLS, check ------------------------------------------------------------------------------------------- */

static int start_code(struct outbox_error *error)
{
    int code = loop_fixture_broker_start(&base, broker, error);
    fixture_close();
    return code;
}

Test(rabbitmq, wrong_login_is_refused)
{
    struct outbox_error error;
    cr_assert_eq(fixture_try(&error, PLAIN "password: guessed", server()), OUTBOX_OK);
    cr_assert_eq(start_code(&error), OUTBOX_E_PERMISSION, "%s", error.text);
    cr_assert_null(strstr(error.text, "guessed"));
    cr_assert_eq(fixture_try(&error, PLAIN "virtual_host: missing", server()), OUTBOX_OK);
    cr_assert_neq(start_code(&error), OUTBOX_OK);
    cr_assert(strstr(error.text, "missing"), "%s", error.text);
}

Test(rabbitmq, certificates_are_verified)
{
    struct outbox_error error;
    service("bind events sealed sealed");
    fixture_open(EVENTS "tls: true\n tls_ca: %s/ca.pem", getenv("OUTBOX_TEST_SERVER_TLS"), getenv("OUTBOX_TEST_DIR"));
    cr_assert_eq(fixture_publish("sealed").outcome, OUTBOX_DELIVERED);
    fixture_close();
    cr_assert_eq(fixture_try(&error, EVENTS "tls: true\n tls_ca: %s/other-ca.pem", getenv("OUTBOX_TEST_SERVER_TLS"),
                             getenv("OUTBOX_TEST_DIR")),
                 OUTBOX_OK);
    cr_assert_eq(start_code(&error), OUTBOX_E_PERMISSION, "%s", error.text);
    cr_assert_eq(fixture_try(&error, EVENTS "tls: true", getenv("OUTBOX_TEST_SERVER_TLS")), OUTBOX_OK);
    cr_assert_eq(start_code(&error), OUTBOX_E_PERMISSION, "the system's authorities did not sign it: %s", error.text);
}

Test(rabbitmq, second_server_is_tried)
{
    service("bind events life life");
    fixture_open("plugin: rabbitmq\n servers: 127.0.0.1:1, %s\n exchange: events", server());
    cr_assert_eq(fixture_publish("life").outcome, OUTBOX_DELIVERED);
    fixture_close();
}

Test(rabbitmq, check_finds_the_exchange)
{
    char findings[2000];
    service("bind events life life");
    fixture_open(EVENTS, server());
    fixture_check(findings, sizeof findings);
    cr_assert(strstr(findings, "exchange 'events': it exists"), "%s", findings);
    cr_assert_eq(fixture_publish("life").outcome, OUTBOX_DELIVERED);
    fixture_close();
    fixture_open(PLAIN "exchange: nowhere", server());
    fixture_check(findings, sizeof findings);
    cr_assert(strstr(findings, "2 exchange 'nowhere'"), "%s", findings);
    fixture_close();
}

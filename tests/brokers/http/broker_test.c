/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/http/broker_test.c - outcomes by answer, limits, stop, redirects, addresses, TLS */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../fixture.h"

static struct publishing publishing;

#define PLAIN "plugin: http\n url: %s/hook/{topic}\n allow_private: true\n "

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void clear(void)
{
    service("clear");
}

TestSuite(http_broker, .init = clear, .timeout = 300);

/* ---- answers ----------------------------------------------------------------------------------------------------- */

Test(http_broker, status_decides_the_outcome)
{
    static const struct {
        int status;
        uint32_t outcome;
        int code;
    } cases[] = {
        {200, OUTBOX_DELIVERED, OUTBOX_OK},
        {202, OUTBOX_DELIVERED, OUTBOX_OK},
        {400, OUTBOX_REJECTED, OUTBOX_E_REJECTED},
        {413, OUTBOX_REJECTED, OUTBOX_E_REJECTED},
        {422, OUTBOX_REJECTED, OUTBOX_E_REJECTED},
        {401, OUTBOX_RETRY, OUTBOX_E_PERMISSION},
        {403, OUTBOX_RETRY, OUTBOX_E_PERMISSION},
        {404, OUTBOX_RETRY, OUTBOX_E_NOT_FOUND},
        {410, OUTBOX_RETRY, OUTBOX_E_NOT_FOUND},
        {302, OUTBOX_RETRY, OUTBOX_E_NOT_FOUND},
        {408, OUTBOX_RETRY, OUTBOX_E_IO},
        {409, OUTBOX_RETRY, OUTBOX_E_IO},
        {425, OUTBOX_RETRY, OUTBOX_E_IO},
        {429, OUTBOX_RETRY, OUTBOX_E_AGAIN},
        {500, OUTBOX_RETRY, OUTBOX_E_IO},
        {503, OUTBOX_RETRY, OUTBOX_E_AGAIN},
        {502, OUTBOX_RETRY_UNKNOWN, OUTBOX_E_AGAIN},
        {504, OUTBOX_RETRY_UNKNOWN, OUTBOX_E_TIMEOUT},
    };
    fixture_open(PLAIN, server());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char topic[40];
        snprintf(topic, sizeof topic, "do.status.%d", cases[i].status);
        struct result result = fixture_publish(topic);
        cr_assert_eq(result.outcome, cases[i].outcome, "%d: outcome %u", cases[i].status, result.outcome);
        cr_assert_eq(result.error.code, cases[i].code, "%d: %s", cases[i].status, result.error.text);
        cr_assert(!result.error.code || strstr(result.error.text, topic + 10), "%s", result.error.text);
        cr_assert_eq(result.retry_after_ms, 0);
    }
    fixture_close();
}

Test(http_broker, retry_after_is_passed_on_in_seconds_and_as_a_date)
{
    fixture_open(PLAIN, server());
    cr_assert_eq(fixture_publish("do.status.429.7").retry_after_ms, 7000);
    cr_assert_eq(fixture_publish("do.status.503.2").retry_after_ms, 2000);
    cr_assert_eq(fixture_publish("do.status.503.99999").retry_after_ms, 3600000, "an hour at most");
    struct result result = fixture_publish("do.date.30");
    cr_assert(result.retry_after_ms >= 20000 && result.retry_after_ms <= 30000, "%u", result.retry_after_ms);
    cr_assert_eq(fixture_publish("do.date.-100").retry_after_ms, 0, "a date of the past");
    cr_assert_eq(fixture_publish("do.status.503.-5").retry_after_ms, 0);
    fixture_close();
}

Test(http_broker, refusal_in_the_middle_leaves_the_others_delivered)
{
    fixture_open(PLAIN, server());
    for (uint32_t i = 0; i < 9; i++)
        event_set(&publishing, i, i == 4 ? "do.status.503" : "fine", "k", "{}");
    fixture_submit(&publishing, 9);
    fixture_wait(&publishing);
    for (uint32_t i = 0; i < 9; i++)
        cr_assert_eq(publishing.results[i].outcome, i == 4 ? OUTBOX_RETRY : OUTBOX_DELIVERED, "event %u", i);
    fixture_close();
}

Test(http_broker, request_that_times_out_may_have_been_delivered)
{
    fixture_open(PLAIN "timeout: 3s", server());
    struct result result = fixture_publish("do.hang");
    cr_assert_eq(result.outcome, OUTBOX_RETRY_UNKNOWN);
    cr_assert_eq(result.error.code, OUTBOX_E_TIMEOUT, "%s", result.error.text);
    fixture_close();
}

Test(http_broker, lost_answer_may_have_been_delivered_and_costs_no_attempt)
{
    fixture_open(PLAIN, server());
    struct result result = fixture_publish("do.lose");
    cr_assert_eq(result.outcome, OUTBOX_RETRY_UNKNOWN);
    cr_assert_eq(result.error.code, OUTBOX_E_AGAIN, "%s", result.error.text);
    fixture_close();
}

/* The server reads the event on a connection that it kept, and dies. libcurl sends the request again, on a new
 * connection, which is refused. */
Test(http_broker, request_that_was_sent_before_the_connection_is_refused_may_have_been_delivered)
{
    fixture_open(PLAIN, server());
    cr_assert_eq(fixture_publish("fine").outcome, OUTBOX_DELIVERED);
    struct result result = fixture_publish("do.die");
    service("restart");
    cr_assert_eq(result.outcome, OUTBOX_RETRY_UNKNOWN, "%s", result.error.text);
    fixture_close();
}

Test(http_broker, request_that_was_not_sent_was_certainly_not_delivered)
{
    fixture_open(PLAIN, server());
    cr_assert_eq(fixture_publish("fine").outcome, OUTBOX_DELIVERED);
    service("kill");
    struct result result = fixture_publish("fine");
    cr_assert_eq(result.outcome, OUTBOX_RETRY, "%s", result.error.text);
    cr_assert_eq(result.error.code, OUTBOX_E_AGAIN, "%s", result.error.text);
    service("restart");
    cr_assert_eq(fixture_publish("fine").outcome, OUTBOX_DELIVERED, "the same broker works again");
    fixture_close();
}

static size_t lines(const char *text)
{
    size_t count = 0;
    while ((text = strchr(text, '\n')))
        text++, count++;
    return count;
}

Test(http_broker, outage_is_logged_once)
{
    fixture_open(PLAIN, server());
    service("kill");
    for (int i = 0; i < 5; i++)
        cr_assert_eq(fixture_publish("fine").outcome, OUTBOX_RETRY);
    cr_assert_eq(lines(logged), 1, "%s", logged);
    cr_assert(strstr(logged, "events wait, and are sent again"), "%s", logged);
    service("restart");
    cr_assert_eq(fixture_publish("fine").outcome, OUTBOX_DELIVERED);
    cr_assert_eq(lines(logged), 2, "%s", logged);
    cr_assert(strstr(logged, "answers again after 5 failed requests"), "%s", logged);
    fixture_close();
}

Test(http_broker, endless_answer_is_cut_off_and_its_status_counts)
{
    fixture_open(PLAIN, server());
    cr_assert_eq(fixture_publish("do.flood").outcome, OUTBOX_DELIVERED);
    fixture_close();
}

/* ---- requests in flight ------------------------------------------------------------------------------------------ */

static size_t distinct_clients(void)
{
    json_t *events = stored(""), *clients = json_object(), *event;
    size_t i;
    json_array_foreach(events, i, event)
    {
        char port[16];
        snprintf(port, sizeof port, "%d", (int)json_integer_value(json_object_get(event, "client")));
        json_object_set_new(clients, port, json_true());
    }
    size_t count = json_object_size(clients);
    json_decref(events);
    json_decref(clients);
    return count;
}

Test(http_broker, connections_are_reused)
{
    fixture_open(PLAIN, server());
    for (int i = 0; i < 20; i++)
        cr_assert_eq(fixture_publish("fine").outcome, OUTBOX_DELIVERED);
    cr_assert_eq(distinct_clients(), 1);
    fixture_close();
}

Test(http_broker, requests_in_flight_are_limited)
{
    fixture_open(PLAIN "max_requests: 4", server());
    for (uint32_t i = 0; i < 20; i++)
        event_set(&publishing, i, "do.delay.100", "k", "{}");
    double before = seconds();
    fixture_submit(&publishing, 20);
    fixture_wait(&publishing);
    cr_assert_geq(seconds() - before, 0.5, "five rounds of 100 ms");
    cr_assert_leq(distinct_clients(), 4);
    fixture_close();
}

/* ---- stop -------------------------------------------------------------------------------------------------------- */

Test(http_broker, stop_waits_for_requests_and_returns_the_queue)
{
    fixture_open(PLAIN "max_requests: 2", server());
    for (uint32_t i = 0; i < 5; i++)
        event_set(&publishing, i, "do.delay.300", "k", "{}");
    fixture_submit(&publishing, 5);
    cr_assert_eq(fixture_stop_within(0), OUTBOX_OK);
    cr_assert(publishing.is_done);
    for (uint32_t i = 0; i < 5; i++)
        cr_assert_eq(publishing.results[i].outcome, i < 2 ? OUTBOX_DELIVERED : OUTBOX_NOT_CONNECTED, "event %u", i);
    fixture_close();
}

Test(http_broker, canceled_stop_gives_up_at_once)
{
    fixture_open(PLAIN "timeout: 1h", server());
    event_set(&publishing, 0, "do.hang", "k", "{}");
    fixture_submit(&publishing, 1);
    fixture_run_for(1000);
    fixture_stop_within(200); /* or it would wait for the answer, for an hour */
    cr_assert_eq(publishing.results[0].outcome, OUTBOX_UNKNOWN);
    fixture_must_start();
    cr_assert_eq(fixture_publish("fine").outcome, OUTBOX_DELIVERED, "it starts again");
    fixture_close();
}

/* ---- redirects and addresses ------------------------------------------------------------------------------------- */

Test(http_broker, redirects_are_not_followed_by_default)
{
    fixture_open(PLAIN, server());
    struct result result = fixture_publish("do.redirect");
    cr_assert_eq(result.outcome, OUTBOX_RETRY);
    cr_assert_eq(result.error.code, OUTBOX_E_NOT_FOUND);
    cr_assert(strstr(result.error.text, "/hook/redirected"), "%s", result.error.text);
    json_t *events = stored("");
    cr_assert_eq(json_array_size(events), 0);
    json_decref(events);
    fixture_close();
}

Test(http_broker, redirects_are_followed_on_the_same_host_only)
{
    fixture_open(PLAIN "redirects: true", server());
    cr_assert_eq(fixture_publish("do.redirect").outcome, OUTBOX_DELIVERED);
    cr_assert_eq(fixture_publish("do.away").error.code, OUTBOX_E_NOT_FOUND);
    cr_assert_eq(fixture_publish("do.loop").error.code, OUTBOX_E_NOT_FOUND, "a loop ends");
    json_t *events = stored("");
    cr_assert_eq(json_array_size(events), 1);
    cr_assert_str_eq(json_string_value(json_object_get(json_array_get(events, 0), "payload_base64")), "e30=");
    json_decref(events);
    fixture_close();
}

Test(http_broker, private_addresses_are_refused_unless_allowed)
{
    fixture_open("plugin: http\n url: %s/hook/{topic}", server());
    struct result result = fixture_publish("fine");
    cr_assert_eq(result.outcome, OUTBOX_RETRY);
    cr_assert_eq(result.error.code, OUTBOX_E_PERMISSION, "%s", result.error.text);
    cr_assert(strstr(result.error.text, "127.0.0.1 is not public; allow_private"), "%s", result.error.text);
    json_t *events = stored("");
    cr_assert_eq(json_array_size(events), 0);
    json_decref(events);
    fixture_close();
}

/* ---- TLS, check, configuration ----------------------------------------------------------------------------------- */

static void open_tls(const char *ca)
{
    fixture_open("plugin: http\n url: %s/hook/{topic}\n allow_private: true\n connect_timeout: 30s\n tls_ca: %s/%s",
                 getenv("OUTBOX_TEST_SERVER_TLS"), getenv("OUTBOX_TEST_DIR"), ca);
}

Test(http_broker, certificates_are_verified)
{
    open_tls("ca.pem");
    cr_assert_eq(fixture_publish("fine").outcome, OUTBOX_DELIVERED);
    fixture_close();
    open_tls("other-ca.pem");
    struct result result = fixture_publish("fine");
    cr_assert_eq(result.outcome, OUTBOX_RETRY);
    cr_assert_eq(result.error.code, OUTBOX_E_PERMISSION, "%s", result.error.text);
    fixture_close();
}

Test(http_broker, check_connects_and_sends_nothing)
{
    char findings[2000];
    open_tls("ca.pem");
    fixture_check(findings, sizeof findings);
    cr_assert(strstr(findings, "connected to https://127.0.0.1:"), "%s", findings);
    fixture_close();
    open_tls("other-ca.pem");
    fixture_check(findings, sizeof findings);
    cr_assert_eq(findings[0], '0' + OUTBOX_SEVERITY_ERROR, "%s", findings);
    fixture_close();
    fixture_open("plugin: http\n url: %s/hook", server());
    fixture_check(findings, sizeof findings);
    cr_assert(strstr(findings, "is not public"), "%s", findings);
    fixture_close();
}

Test(http_broker, senseless_configuration_is_refused)
{
    static const char *const sections[] = {
        "url: ftp://example.com/x",
        "url: 'https://{topic}.example.com/x'",
        "url: 'https://example.com{topic}'",
        "url: https://user:word@example.com/x",
        "url: hooks.example.com",
        "url: https://example.com/x\n secret: short",
        "url: https://example.com/x\n secret: whsec_***",
        "url: https://example.com/x\n previous_secret: 0123456789abcdef",
        "url: https://example.com/x\n user: me",
        "url: https://example.com/x\n tls_cert: me.pem",
        "url: https://example.com/x\n headers: { 'a b': c }",
    };
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        struct outbox_error error;
        cr_assert_eq(fixture_try(&error, "plugin: http\n %s", sections[i]), OUTBOX_E_CONFIG, "%s: %s", sections[i],
                     error.text);
        loop_fixture_close(&base);
    }
}

/* ---- HTTP/2 ------------------------------------------------------------------------------------------------------ */

/* "[id=1] [  0.120] recv (stream_id=13) :method: POST": requests, and the connections that they came by. */
static void count_requests(unsigned *requests, unsigned *connections)
{
    char path[300], line[1000], seen[64] = "";
    snprintf(path, sizeof path, "%s/http2", getenv("OUTBOX_TEST_DIR"));
    FILE *log = fopen(path, "re");
    cr_assert_not_null(log);
    *requests = *connections = 0;
    while (fgets(line, sizeof line, log)) {
        const char *id = strstr(line, "[id=");
        unsigned long number = id ? strtoul(id + 4, NULL, 10) : 0;
        if (!strstr(line, ":method: POST") || number >= sizeof seen)
            continue;
        ++*requests;
        *connections += !seen[number];
        seen[number] = 1;
    }
    fclose(log);
}

Test(http_broker, requests_are_streams_of_one_connection_of_http2)
{
    unsigned requests, connections;
    fixture_open("plugin: http\n url: %s/hook/{topic}\n allow_private: true\n connect_timeout: 30s\n tls_ca: %s/ca.pem",
                 getenv("OUTBOX_TEST_SERVER_2"), getenv("OUTBOX_TEST_DIR"));
    for (uint32_t i = 0; i < 40; i++)
        event_set(&publishing, i, "two", "k", "{\"a\": 1}");
    memset(publishing.results, 0, sizeof publishing.results);
    publishing.is_done = false;
    fixture_submit(&publishing, 40);
    fixture_wait(&publishing);
    for (uint32_t i = 0; i < 40; i++)
        cr_assert_eq(publishing.results[i].outcome, OUTBOX_DELIVERED, "event %u: %s", i,
                     publishing.results[i].error.text);
    fixture_close();
    count_requests(&requests, &connections);
    cr_assert_eq(requests, 40);
    cr_assert_eq(connections, 1, "%u connections", connections);
}

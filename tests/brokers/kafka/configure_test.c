/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/kafka/configure_test.c - options: which are passed through, which are refused, and the texts */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "mem_fault.h"

static struct fixture t;

#define OPEN(options) fixture_open(&t, "bootstrap.servers: 127.0.0.1:1\noptions: {" options "}\n")

#define REFUSED(options, expected)                                     \
    do {                                                               \
        cr_assert_eq(OPEN(options), OUTBOX_E_CONFIG);                  \
        cr_assert(strstr(t.error.text, expected), "%s", t.error.text); \
        cr_assert_eq(fixture_close(&t), 0);                            \
        cr_assert_eq(mem_live(), 0);                                   \
    } while (0)

Test(kafka_configure, bootstrap_servers_is_required)
{
    cr_assert_eq(fixture_open(&t, "require_key: true"), OUTBOX_E_CONFIG);
    cr_assert(strstr(t.error.text, "bootstrap.servers"), "%s", t.error.text);
    cr_assert_eq(fixture_close(&t), 0);
}

Test(kafka_configure, options_pass_through_to_librdkafka)
{
    cr_assert_eq(OPEN("compression.codec: lz4, linger.ms: 20, acks: all"), OUTBOX_OK, "%s", t.error.text);
    cr_assert_eq(t.logged_size, 0, "%s", t.logged);
    cr_assert_eq(fixture_close(&t), 0);
    cr_assert_eq(mem_live(), 0);
}

Test(kafka_configure, unknown_options_fail_with_the_text_of_librdkafka)
{
    REFUSED("compresion.codec: lz4", "No such configuration property: \"compresion.codec\"");
    REFUSED("compression.codec: lzma", "refuses compression.codec: Invalid value \"lzma\"");
}

Test(kafka_configure, options_that_break_a_guarantee_are_refused)
{
    REFUSED("acks: 1", "options: acks=1 is refused: an event is settled only when all in-sync replicas have it; remove "
                       "it, or set unsafe: true");
    REFUSED("enable.idempotence: false", "without it retries reorder and duplicate events");
    REFUSED("message.timeout.ms: 5000", "timed out events leave gaps in the order of their key");
    REFUSED("delivery.timeout.ms: 5000", "timed out events leave gaps in the order of their key");
    REFUSED("max.in.flight: 1", "more requests in flight reorder events");
    REFUSED("retries: 3", "events that expire leave gaps in the order of their key");
    REFUSED("delivery.report.only.error: true", "events are settled by their delivery reports");
}

Test(kafka_configure, unsafe_allows_them_and_logs_a_warning)
{
    cr_assert_eq(fixture_open(&t, "bootstrap.servers: 127.0.0.1:1\nunsafe: true\noptions: {acks: 1}"), OUTBOX_OK);
    cr_assert_str_eq(t.logged, "1 unsafe: acks=1: an event is settled only when all in-sync replicas have it\n");
    cr_assert_eq(fixture_close(&t), 0);
}

Test(kafka_configure, list_without_a_broker_is_refused)
{
    cr_assert_eq(fixture_open(&t, "bootstrap.servers: ', ,'"), OUTBOX_E_CONFIG);
    cr_assert_str_eq(t.error.text, "test.yaml:2:1: bootstrap.servers: no broker in ', ,'; write for example "
                                   "kafka1:9092,kafka2:9092");
    cr_assert_eq(fixture_close(&t), 0);
    cr_assert_eq(fixture_open(&t, "bootstrap.servers: ''"), OUTBOX_E_CONFIG);
    cr_assert_eq(fixture_close(&t), 0);
    cr_assert_eq(mem_live(), 0);
}

Test(kafka_configure, options_with_a_key_of_their_own_are_refused)
{
    REFUSED("bootstrap.servers: other", "options: bootstrap.servers cannot be set here: set it in the section itself");
    REFUSED("transactional.id: me", "set it in the section itself");
    REFUSED("plugin.library.paths: /tmp/other",
            "plugin.library.paths cannot be set here: it loads code into the relay");
    REFUSED("ssl.engine.location: /tmp/other", "ssl.engine.location cannot be set here: it loads code into the relay");
}

Test(kafka_configure, unchecked_certificates_are_refused)
{
    REFUSED(
        "enable.ssl.certificate.verification: false",
        "options: enable.ssl.certificate.verification=false is refused: any host could pose as the broker; remove it, "
        "or set insecure: true");
    REFUSED("ssl.endpoint.identification.algorithm: none", "any certificate of the same authority would do");
    cr_assert_eq(fixture_open(&t, "bootstrap.servers: 127.0.0.1:1\ninsecure: true\n"
                                  "options: {enable.ssl.certificate.verification: false}"),
                 OUTBOX_OK);
    cr_assert_eq(fixture_close(&t), 0);
}

Test(kafka_configure, queue_smaller_than_an_event_is_refused)
{
    REFUSED("queue.buffering.max.kbytes: 100", "options: queue.buffering.max.kbytes holds 102400 bytes, less than one "
                                               "event of message.max.bytes=1000000; raise the former");
}

Test(kafka_configure, events_without_encryption_log_a_warning)
{
    static const char *const own[] = {"127.0.0.1:1", "localhost:1,[::1]:2", "PLAINTEXT://127.1.1.1:9092"};
    static const char *const others[] = {"db:1", "127.0.0.1.example:1", "localhost:1, 10.0.0.1:2",
                                         "PLAINTEXT://[::2]:9"};
    char yaml[120];
    for (unsigned i = 0; i < sizeof own / sizeof *own; i++) {
        snprintf(yaml, sizeof yaml, "bootstrap.servers: '%s'\n", own[i]);
        cr_assert_eq(fixture_open(&t, yaml), OUTBOX_OK);
        cr_assert_str_eq(t.logged, "", "%s", own[i]);
        cr_assert_eq(fixture_close(&t), 0);
    }
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(yaml, sizeof yaml, "bootstrap.servers: '%s'\n", others[i]);
        cr_assert_eq(fixture_open(&t, yaml), OUTBOX_OK);
        cr_assert(strstr(t.logged, "1 plaintext with "), "%s: %s", others[i], t.logged);
        cr_assert(strstr(t.logged, "an attacker on the way can read and change events"), "%s", t.logged);
        cr_assert_eq(fixture_close(&t), 0);
    }
    cr_assert_eq(fixture_open(&t, "bootstrap.servers: db:1\noptions: {security.protocol: sasl_plaintext, "
                                  "sasl.mechanisms: PLAIN, sasl.username: u, sasl.password: p}\n"),
                 OUTBOX_OK);
    cr_assert(strstr(t.logged, "1 sasl_plaintext with db:1, which is not this machine: an attacker on the way can read "
                               "the password, and events; set security.protocol to ssl or sasl_ssl"),
              "%s", t.logged);
    cr_assert_eq(fixture_close(&t), 0);
}

Test(kafka_configure, other_partitioner_logs_a_warning)
{
    cr_assert_eq(OPEN("partitioner: consistent_random"), OUTBOX_OK);
    cr_assert_str_eq(t.logged, "1 partitioner=consistent_random places keys in other partitions than the Java "
                               "client and the default do\n");
    cr_assert_eq(fixture_close(&t), 0);
}

/* A progress record has to fit into one message, and into the queue beside an event. */
Test(kafka_configure, progress_record_needs_room)
{
    static const char *const refused[][2] = {
        {"message.max.bytes: 525311", "message.max.bytes=525311 is less than the 525312 bytes that a progress record"},
        {"queue.buffering.max.kbytes: 1400", "holds 1433600 bytes, less than one event and a progress record of "
                                             "delivery: exactly-once, 1524288 bytes; raise it"}};
    char yaml[256];
    for (int i = 0; i < 2; i++) {
        snprintf(yaml, sizeof yaml, "bootstrap.servers: 127.0.0.1:1\ntransactional.id: me\noptions: {%s}",
                 refused[i][0]);
        cr_assert_eq(fixture_open_exactly_once(&t, yaml), OUTBOX_E_CONFIG);
        cr_assert(strstr(t.error.text, refused[i][1]), "%s", t.error.text);
        cr_assert_eq(fixture_close(&t), 0);
        cr_assert_eq(fixture_open(&t, yaml), OUTBOX_OK, "%s", t.error.text); /* at least once */
        cr_assert_eq(fixture_close(&t), 0);
    }
    cr_assert_eq(fixture_open_exactly_once(&t, "bootstrap.servers: 127.0.0.1:1\ntransactional.id: me\noptions: "
                                               "{message.max.bytes: 525312, queue.buffering.max.kbytes: 1025}"),
                 OUTBOX_OK, "%s", t.error.text);
    cr_assert_eq(fixture_close(&t), 0);
    cr_assert_eq(mem_live(), 0);
}

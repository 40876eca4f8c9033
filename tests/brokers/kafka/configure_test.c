/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/kafka/configure_test.c - options: what is passed through, what is refused, and in which words */
#include <criterion/criterion.h>
#include <string.h>

#include "harness.h"
#include "mem_fault.h"

static struct kt t;

#define OPEN(options) kt_open(&t, "bootstrap.servers: 127.0.0.1:1\noptions: {" options "}\n")

#define REFUSED(options, expected)                                     \
    do {                                                               \
        cr_assert_eq(OPEN(options), OUTBOX_E_CONFIG);                  \
        cr_assert(strstr(t.error.text, expected), "%s", t.error.text); \
        cr_assert_eq(kt_close(&t), 0);                                 \
        cr_assert_eq(mem_live(), 0);                                   \
    } while (0)

Test(kafka_configure, needs_brokers)
{
    cr_assert_eq(kt_open(&t, "require_key: true"), OUTBOX_E_CONFIG);
    cr_assert(strstr(t.error.text, "bootstrap.servers"), "%s", t.error.text);
    cr_assert_eq(kt_close(&t), 0);
}

Test(kafka_configure, passes_options_through)
{
    cr_assert_eq(OPEN("compression.codec: lz4, linger.ms: 20, acks: all"), OUTBOX_OK, "%s", t.error.text);
    cr_assert_eq(t.logged_size, 0, "%s", t.logged);
    cr_assert_eq(kt_close(&t), 0);
    cr_assert_eq(mem_live(), 0);
}

Test(kafka_configure, says_what_librdkafka_says)
{
    REFUSED("compresion.codec: lz4", "No such configuration property: \"compresion.codec\"");
    REFUSED("compression.codec: lzma", "refuses compression.codec: Invalid value \"lzma\"");
}

Test(kafka_configure, refuses_what_breaks_a_promise)
{
    REFUSED("acks: 1", "options: acks=1 is refused: an event is settled only when all in-sync replicas have it; remove "
                       "it, or say unsafe: true to give that up");
    REFUSED("enable.idempotence: false", "without it retries reorder and duplicate events");
    REFUSED("message.timeout.ms: 5000", "timed out events leave holes in the order of their key");
    REFUSED("delivery.timeout.ms: 5000", "timed out events leave holes in the order of their key");
    REFUSED("max.in.flight: 1", "more requests in flight reorder events");
    REFUSED("retries: 3", "events that are given up leave holes in the order of their key");
    REFUSED("delivery.report.only.error: true", "events are settled by their delivery reports");
}

Test(kafka_configure, unsafe_gives_a_promise_up_and_says_so)
{
    cr_assert_eq(kt_open(&t, "bootstrap.servers: 127.0.0.1:1\nunsafe: true\noptions: {acks: 1}"), OUTBOX_OK);
    cr_assert_str_eq(t.logged, "1 unsafe: acks=1: an event is settled only when all in-sync replicas have it\n");
    cr_assert_eq(kt_close(&t), 0);
}

Test(kafka_configure, refuses_a_list_without_a_broker)
{
    cr_assert_eq(kt_open(&t, "bootstrap.servers: ', ,'"), OUTBOX_E_CONFIG);
    cr_assert_str_eq(t.error.text, "bootstrap.servers: there is no broker in ', ,'; write for example "
                                   "kafka1:9092,kafka2:9092");
    cr_assert_eq(kt_close(&t), 0);
    cr_assert_eq(kt_open(&t, "bootstrap.servers: ''"), OUTBOX_E_CONFIG);
    cr_assert_eq(kt_close(&t), 0);
    cr_assert_eq(mem_live(), 0);
}

Test(kafka_configure, refuses_what_is_set_elsewhere)
{
    REFUSED("bootstrap.servers: other",
            "options: bootstrap.servers is not for here: set bootstrap.servers beside options");
    REFUSED("transactional.id: me", "transactions are not supported");
}

Test(kafka_configure, refuses_unchecked_certificates)
{
    REFUSED(
        "enable.ssl.certificate.verification: false",
        "options: enable.ssl.certificate.verification=false is refused: anybody could pose as the broker; remove it, "
        "or say insecure: true");
    REFUSED("ssl.endpoint.identification.algorithm: none", "any certificate of the same authority would do");
    cr_assert_eq(kt_open(&t, "bootstrap.servers: 127.0.0.1:1\ninsecure: true\n"
                             "options: {enable.ssl.certificate.verification: false}"),
                 OUTBOX_OK);
    cr_assert_eq(kt_close(&t), 0);
}

Test(kafka_configure, refuses_a_queue_that_an_event_does_not_fit_in)
{
    REFUSED("queue.buffering.max.kbytes: 100", "options: queue.buffering.max.kbytes holds 102400 bytes, less than one "
                                               "event of message.max.bytes=1000000; raise the former");
}

Test(kafka_configure, warns_of_another_partitioner)
{
    cr_assert_eq(OPEN("partitioner: consistent_random"), OUTBOX_OK);
    cr_assert_str_eq(t.logged, "1 partitioner=consistent_random places keys elsewhere than the Java client and this "
                               "broker's default do\n");
    cr_assert_eq(kt_close(&t), 0);
}

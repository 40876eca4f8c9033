/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/broker_test.c - against a real Apache Kafka: delivery, order, faults, records that only it can
 * refuse
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem_fault.h"
#include "real.h"

static struct fixture t;
static struct batch batch;

#define END(batch)                                                         \
    do {                                                                   \
        cr_assert_eq(fixture_stop(&t), OUTBOX_OK);                         \
        cr_assert_eq(obx_instance_violations(t.instance).unknown_ops, 0);  \
        cr_assert_eq(obx_instance_violations(t.instance).bad_outcomes, 0); \
        cr_assert_eq(fixture_close(&t), 0);                                \
        cr_assert_eq(mem_live(), 0);                                       \
        batch_free(batch);                                                 \
    } while (0)

#define NONE ((struct topic_setting){NULL, NULL})

static void check_topic(const char *topic, uint64_t count, uint64_t duplicates)
{
    struct seen seen = real_read(topic, count);
    cr_assert_eq(seen.distinct, count, "%s: %llu of %llu", topic, (unsigned long long)seen.distinct,
                 (unsigned long long)count);
    cr_assert_eq(seen.out_of_order, 0, "%s: %llu out of order", topic, (unsigned long long)seen.out_of_order);
    cr_assert_leq(seen.duplicates, duplicates, "%s: %llu duplicates", topic, (unsigned long long)seen.duplicates);
}

Test(kafka_broker, each_key_is_delivered_in_order)
{
    real_create("calm", 12, NONE, NONE);
    real_open(&t, "");
    batch_init(&batch, 20000);
    batch_fill(&batch, "calm", 200, 0);
    real_relay(&t, &batch, 8);
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 20000);
    check_topic("calm", 20000, 0);
    END(&batch);
}

Test(kafka_broker, survives_kill_and_restart_without_loss_or_duplicate)
{
    real_create("killed", 12, NONE, NONE);
    real_open(&t, "options: {linger.ms: 20}");
    real_service_later("kill restart", 200);
    batch_init(&batch, 200000);
    batch_fill(&batch, "killed", 200, 0);
    real_relay(&t, &batch, 8);
    real_join();
    check_topic("killed", 200000, 0);
    END(&batch);
}

/* Longer than socket.timeout.ms: requests in flight are sent again, which the broker recognises. */
Test(kafka_broker, survives_a_pause_without_loss_or_duplicate)
{
    real_create("paused", 12, NONE, NONE);
    real_open(&t, "options: {socket.timeout.ms: 1000, request.timeout.ms: 900, linger.ms: 20}");
    real_service_later("pause 4 resume", 200);
    batch_init(&batch, 200000);
    batch_fill(&batch, "paused", 200, 0);
    real_relay(&t, &batch, 8);
    real_join();
    check_topic("paused", 200000, 0);
    END(&batch);
}

Test(kafka_broker, events_of_a_missing_topic_wait_until_it_is_created)
{
    real_open(&t, "");
    batch_init(&batch, 100);
    batch_fill(&batch, "missing", 10, 0);
    fixture_publish(&t, &batch);
    cr_assert(fixture_wait(&t, &batch));
    cr_assert_eq(fixture_count(&batch, OUTBOX_RETRY), 100);
    cr_assert_eq(batch.errors[99].code, OUTBOX_E_NOT_FOUND);
    real_create("missing", 12, NONE, NONE);
    real_relay(&t, &batch, 1);
    cr_assert_eq(t.lost_count, 0);
    check_topic("missing", 100, 0);
    END(&batch);
}

/* A topic that takes less than the producer's batches: small events must not be blamed for the large one. */
Test(kafka_broker, event_too_large_for_its_topic_is_rejected_alone)
{
    static char large[20000];
    memset(large, 'x', sizeof large - 1);
    real_create("narrow", 1, (struct topic_setting){"max.message.bytes", "10000"}, NONE);
    real_open(&t, "options: {batch.size: 100000}");
    batch_init(&batch, 50);
    batch_fill(&batch, "narrow", 5, 0);
    batch.messages[20].value = (struct outbox_bytes){large, sizeof large - 1};
    real_relay(&t, &batch, 1);
    cr_assert_eq(fixture_count(&batch, OUTBOX_REJECTED), 1);
    cr_assert_eq(batch.outcomes[20], OUTBOX_REJECTED);
    cr_assert_str_eq(batch.errors[20].text, "publish to topic 'narrow': Broker: Message size too large: the event "
                                            "takes 20037 bytes as a Kafka record; raise the topic's "
                                            "max.message.bytes=10000, or make the event smaller");
    struct seen seen = real_read("narrow", 50);
    cr_assert_eq(seen.distinct, 49);
    cr_assert_eq(seen.duplicates, 0);
    cr_assert_eq(seen.out_of_order, 0);
    END(&batch);
}

Test(kafka_broker, event_without_a_key_for_a_compacted_topic_is_rejected_alone)
{
    real_create("compacted", 1, (struct topic_setting){"cleanup.policy", "compact"}, NONE);
    real_open(&t, "");
    batch_init(&batch, 50);
    batch_fill(&batch, "compacted", 5, 0);
    batch.messages[30].key = (struct outbox_bytes){NULL, 0};
    real_relay(&t, &batch, 1);
    cr_assert_eq(fixture_count(&batch, OUTBOX_REJECTED), 1);
    cr_assert_eq(batch.outcomes[30], OUTBOX_REJECTED);
    struct seen seen = real_read("compacted", 50);
    cr_assert_eq(seen.distinct, 49);
    cr_assert_eq(seen.duplicates, 0);
    cr_assert_eq(seen.out_of_order, 0);
    END(&batch);
}

Test(kafka_broker, check_reports_the_settings_of_topics)
{
    static const char *const topics[] = {"checked", "absent", NULL};
    char findings[4096];
    real_create("checked", 3, (struct topic_setting){"cleanup.policy", "compact"},
                (struct topic_setting){"max.message.bytes", "10000"});
    real_open(&t, "");
    batch_init(&batch, 0);
    cr_assert_eq(fixture_check(&t, topics, findings, sizeof findings), OUTBOX_OK, "%s", t.error.text);
    cr_assert(strstr(findings, "ok connected to 1 broker; \n"), "%s", findings);
    cr_assert(strstr(findings, " librdkafka is "), "%s", findings);
    cr_assert(strstr(findings, "ok topic 'checked' has 3 partitions, 1 replica; \n"), "%s", findings);
    cr_assert(strstr(findings, "ok the broker answers at the address that it advertises; \n"), "%s", findings);
    cr_assert(strstr(findings,
                     "warning topic 'checked' takes batches of 10000 bytes, message.max.bytes is 1000000: a batch that "
                     "is refused is sent again one by one; set options: message.max.bytes and batch.size below that\n"),
              "%s", findings);
    cr_assert(strstr(findings,
                     "warning topic 'checked' is compacted: events without a key are refused by the broker; set "
                     "require_key: true: the relay then rejects them before it sends them\n"),
              "%s", findings);
    cr_assert(strstr(findings, "error topic 'absent' does not exist; create it"), "%s", findings);
    cr_assert_null(strstr(findings, "without encryption"), "%s", findings);
    END(&batch);
}

/* The listener behind the proxy answers, and advertises the proxy, which does not run. */
Test(kafka_broker, check_names_the_advertised_address_that_does_not_answer)
{
    char findings[4096], text[100];
    snprintf(text, sizeof text, "bootstrap.servers: 127.0.0.1:%s", getenv("OUTBOX_TEST_KAFKA_BEHIND"));
    cr_assert_eq(fixture_open(&t, text), OUTBOX_OK, "%s", t.error.text);
    fixture_must_start(&t);
    batch_init(&batch, 0);
    cr_assert_eq(fixture_check(&t, NULL, findings, sizeof findings), OUTBOX_OK, "%s", t.error.text);
    snprintf(text, sizeof text,
             " does not answer at its advertised address 127.0.0.1:%s: ", getenv("OUTBOX_TEST_KAFKA_PROXY"));
    cr_assert(strstr(findings, "error broker "), "%s", findings);
    cr_assert(strstr(findings, text), "%s", findings);
    END(&batch);
}

/* Runs a finding's command as a user who pastes it into a shell. */
static void paste(const char *command)
{
    setenv("PASTED", command, 1);
    cr_assert_eq(system("bash -c 'kafka-topics.sh() { shift 2; \"$OUTBOX_TEST_KAFKA_SERVICE\" tool "
                        "\"$OUTBOX_TEST_KAFKA_DIR\" org.apache.kafka.tools.TopicCommand \"$@\"; }; eval \"$PASTED\"' "
                        ">/dev/null"),
                 0, "%s", command);
}

Test(kafka_broker, check_fails_for_a_missing_topic_of_waiting_events)
{
    static const char *const pending[] = {"awaited", "no topic", NULL};
    char findings[4096];
    real_open(&t, "");
    batch_init(&batch, 0);
    t.pending_topics = pending;
    cr_assert_eq(fixture_check(&t, NULL, findings, sizeof findings), OUTBOX_OK, "%s", t.error.text);
    cr_assert(
        strstr(findings, "error topic 'awaited' does not exist, and events for it wait in the outbox; create it\n"),
        "%s", findings);
    cr_assert(strstr(findings, "error topic 'no topic' has a character (0x20 at 2) that Kafka does not allow"), "%s",
              findings);
    paste(t.command);
    cr_assert_eq(fixture_check(&t, NULL, findings, sizeof findings), OUTBOX_OK, "%s", t.error.text);
    cr_assert(strstr(findings, "ok topic 'awaited' has "), "%s", findings);
    cr_assert(strstr(findings, "ok the settings of topic 'awaited' suit the relay"), "%s", findings);
    END(&batch);
}

Test(kafka_broker, stop_keeps_its_deadline_while_the_broker_hangs)
{
    real_create("hung", 12, NONE, NONE);
    real_open(&t, "");
    batch_init(&batch, 1000);
    batch_fill(&batch, "hung", 10, 0);
    fixture_publish(&t, &batch);
    cr_assert(fixture_wait(&t, &batch));
    real_service("pause");
    batch.completed = batch.reported = 0;
    fixture_publish(&t, &batch);
    fixture_run_for(&t, 1000); /* for librdkafka's threads to send some, on a busy machine, too */
    cr_assert_eq(fixture_stop_within(&t, 200), OUTBOX_OK);
    real_service("resume");
    cr_assert_eq(batch.completed, 1);
    cr_assert_eq(batch.reported, 1000);
    cr_assert_gt(fixture_count(&batch, OUTBOX_UNKNOWN), 0);
    cr_assert_eq(fixture_count(&batch, OUTBOX_UNKNOWN) + fixture_count(&batch, OUTBOX_NOT_CONNECTED), 1000);
    fixture_must_start(&t);
    END(&batch);
}

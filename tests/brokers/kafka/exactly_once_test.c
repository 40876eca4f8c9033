/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/exactly_once_test.c - delivery: exactly-once against a real Apache Kafka: restarts, fences, late
 * EndTxn requests, positions that were used again, a partition that two relays share, brokers that hang
 *
 * A relay's crash is a stop without settled(): what was committed is then still in the outbox. Read as read_committed.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mem_fault.h"
#include "proxy_process.h"
#include "real.h"

static struct fixture t, other;
static struct batch batch;

#define COMPACT ((struct topic_setting){"cleanup.policy", "compact"})
#define NONE ((struct topic_setting){NULL, NULL})

/* A progress topic and a transactional.id of the test's own. */
static void open_relay(struct fixture *fixture, const char *test, const char *bootstrap, const char *more)
{
    char yaml[1024];
    snprintf(yaml, sizeof yaml, "bootstrap.servers: \"%s\"\ntransactional.id: %s\nprogress_topic: %s-progress\n%s",
             bootstrap ? bootstrap : getenv("OUTBOX_TEST_KAFKA"), test, test, more);
    cr_assert_eq(fixture_open_exactly_once(fixture, yaml), OUTBOX_OK, "%s", fixture->error.text);
    fixture->start = (struct outbox_broker_start){.struct_size = sizeof fixture->start, .epoch = 1, .outbox = "one"};
}

static void create(const char *test)
{
    char topic[64];
    snprintf(topic, sizeof topic, "%s-progress", test);
    real_create(test, 6, NONE, NONE);
    real_create(topic, 1, COMPACT, NONE);
}

static void begin(const char *test)
{
    create(test);
    open_relay(&t, test, NULL, "");
    fixture_must_start(&t);
}

static void restart(void)
{
    cr_assert_eq(fixture_stop(&t), OUTBOX_OK);
    fixture_must_start(&t);
    t.lost_count = 0;
}

/* Events first ... first + count - 1: positions, ids and values are their numbers. */
static void fill(const char *topic, uint64_t first, uint32_t count, const char *id)
{
    batch_free(&batch);
    batch_init(&batch, count);
    batch_fill(&batch, topic, 20, first);
    for (uint32_t i = 0; i < count; i++) {
        batch.messages[i].position.major = first + i + 1;
        batch.messages[i].id = id ? (struct outbox_bytes){id, strlen(id)} : batch.messages[i].value;
    }
}

static uint32_t publish(const char *topic, uint64_t first, uint32_t count, const char *id)
{
    fill(topic, first, count, id);
    fixture_publish(&t, &batch);
    cr_assert(fixture_wait(&t, &batch));
    return fixture_count(&batch, OUTBOX_DELIVERED);
}

static void settle(uint64_t first, uint32_t count)
{
    struct outbox_position positions[4096];
    for (uint32_t i = 0; i < count; i++)
        positions[i] = (struct outbox_position){first + i + 1, 0};
    obx_broker_record(t.instance, &(struct outbox_record){.struct_size = sizeof(struct outbox_record),
                                                          .what = OUTBOX_RECORD_SETTLED,
                                                          .count = count,
                                                          .positions = positions});
}

static void check_topic(const char *topic, uint64_t records, uint64_t distinct)
{
    struct seen seen = real_read(topic, 1000000);
    cr_assert_eq(seen.records, records, "%llu records", (unsigned long long)seen.records);
    cr_assert_eq(seen.distinct, distinct, "%llu distinct", (unsigned long long)seen.distinct);
    cr_assert_eq(seen.out_of_order, 0);
}

static void end(struct fixture *fixture)
{
    cr_assert_eq(fixture_stop(fixture), OUTBOX_OK);
    cr_assert_eq(obx_instance_violations(fixture->instance).unknown_ops, 0);
    cr_assert_eq(obx_instance_violations(fixture->instance).bad_outcomes, 0);
    cr_assert_eq(fixture_close(fixture), 0);
}

Test(kafka_exactly_once, committed_event_is_not_sent_again_after_a_restart)
{
    begin("again");
    cr_assert_eq(publish("again", 0, 1000, NULL), 1000);
    cr_assert_eq(batch.already, 0);
    restart();
    cr_assert_eq(publish("again", 0, 1500, NULL), 1500);
    cr_assert_eq(batch.already, 1000);
    restart();
    settle(0, 1400); /* left the outbox; the next record forgets them */
    cr_assert_eq(publish("again", 1500, 1, NULL), 1);
    restart();
    cr_assert_eq(publish("again", 1380, 121, NULL), 121);
    cr_assert_eq(batch.already, 101);
    end(&t);
    check_topic("again", 1521, 1501); /* twenty were sent again: they had left the outbox */
    batch_free(&batch);
    cr_assert_eq(mem_live(), 0);
}

/* A failover that lost commits: the positions name other events now. */
Test(kafka_exactly_once, position_that_was_used_again_is_published)
{
    begin("reused");
    cr_assert_eq(publish("reused", 0, 100, NULL), 100);
    restart();
    cr_assert_eq(publish("reused", 0, 100, "another-id"), 100);
    cr_assert_eq(batch.already, 0);
    end(&t);
    check_topic("reused", 200, 100);
    batch_free(&batch);
}

Test(kafka_exactly_once, record_of_many_messages_is_read_back)
{
    begin("large");
    for (uint64_t first = 0; first < 60000; first += 20000)
        cr_assert_eq(publish("large", first, 20000, NULL), 20000);
    restart();
    cr_assert_eq(publish("large", 0, 60000, NULL), 60000);
    cr_assert_eq(batch.already, 60000);
    end(&t);
    check_topic("large", 60000, 60000);
    batch_free(&batch);
}

Test(kafka_exactly_once, partition_of_another_relay_is_refused)
{
    begin("shared");
    cr_assert_eq(publish("shared", 0, 1, NULL), 1);
    char yaml[512];
    snprintf(yaml, sizeof yaml, "bootstrap.servers: %s\ntransactional.id: stranger\nprogress_topic: shared-progress\n",
             getenv("OUTBOX_TEST_KAFKA"));
    cr_assert_eq(fixture_open_exactly_once(&other, yaml), OUTBOX_OK);
    cr_assert_eq(fixture_start(&other), OUTBOX_E_CONFIG);
    cr_assert(strstr(other.error.text, "it has records of transactional.id 'shared'"), "%s", other.error.text);
    end(&other);
    end(&t);
    batch_free(&batch);
}

/* Another producer's transaction is open in the partition of the record. */
static rd_kafka_t *open_transaction_in(const char *topic)
{
    char text[256], key[] = "stranger";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", getenv("OUTBOX_TEST_KAFKA"), text, sizeof text);
    rd_kafka_conf_set(conf, "transactional.id", "open-in-between", text, sizeof text);
    rd_kafka_conf_set(conf, "transaction.timeout.ms", "600000", text, sizeof text);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    cr_assert_null(rd_kafka_init_transactions(rk, FIXTURE_WAIT_MS));
    cr_assert_null(rd_kafka_begin_transaction(rk));
    const rd_kafka_vu_t fields[] = {{.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
                                    {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = 0},
                                    {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {key, 8}},
                                    {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {key, 8}}};
    cr_assert_null(rd_kafka_produceva(rk, fields, sizeof fields / sizeof *fields));
    cr_assert_eq(rd_kafka_flush(rk, FIXTURE_WAIT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
    return rk;
}

/* A reader of committed data stops before that transaction, and must not take what it sees for all. */
Test(kafka_exactly_once, record_after_an_open_transaction_of_another_is_waited_for)
{
    begin("between");
    cr_assert_eq(publish("between", 0, 1, NULL), 1);
    rd_kafka_t *stranger = open_transaction_in("between-progress");
    cr_assert_eq(publish("between", 1, 99, NULL), 99);
    cr_assert_eq(fixture_stop(&t), OUTBOX_OK);
    cr_assert_neq(fixture_start_within(&t, 3000), OUTBOX_OK);
    cr_assert_eq(fixture_stop(&t), OUTBOX_OK);
    cr_assert_null(rd_kafka_abort_transaction(stranger, FIXTURE_WAIT_MS));
    rd_kafka_destroy(stranger);
    fixture_must_start(&t);
    cr_assert_eq(publish("between", 0, 100, NULL), 100);
    cr_assert_eq(batch.already, 100);
    end(&t);
    check_topic("between", 100, 100);
    batch_free(&batch);
}

Test(kafka_exactly_once, missing_progress_topic_is_named_with_its_command)
{
    open_relay(&t, "missing", NULL, "");
    cr_assert_eq(fixture_start(&t), OUTBOX_E_NOT_FOUND, "%s", t.error.text);
    cr_assert(strstr(t.error.text, "kafka-topics.sh"), "%s", t.error.text);
    char findings[4096];
    cr_assert_eq(fixture_stop(&t), OUTBOX_OK);
    t.start.flags = OUTBOX_START_PROBE;
    fixture_must_start(&t);
    cr_assert_eq(fixture_check(&t, NULL, findings, sizeof findings), OUTBOX_OK);
    cr_assert(strstr(findings, "topic 'missing-progress' does not exist"), "%s", findings);
    end(&t);
}

Test(kafka_exactly_once, check_finds_a_record_that_expires)
{
    char findings[4096];
    real_create("expires-progress", 1, (struct topic_setting){"cleanup.policy", "delete"},
                (struct topic_setting){"max.message.bytes", "10000"});
    open_relay(&t, "expires", NULL, "options: {transaction.timeout.ms: 3600000}");
    t.start.flags = OUTBOX_START_PROBE;
    fixture_must_start(&t);
    cr_assert_eq(fixture_check(&t, NULL, findings, sizeof findings), OUTBOX_OK);
    cr_assert(strstr(findings, "has cleanup.policy=delete"), "%s", findings);
    cr_assert(strstr(findings, "takes messages of 10000 bytes"), "%s", findings);
    cr_assert(strstr(findings, "the progress record in partition 0 can be read"), "%s", findings);
    cr_assert(strstr(findings, "the brokers allow transactions of 900000 ms"), "%s", findings);
    cr_assert(strstr(findings, "isolation.level=read_committed"), "%s", findings);
    end(&t);
}

static bool is_lost(void *arg)
{
    return ((struct fixture *)arg)->lost_count > 0;
}

Test(kafka_exactly_once, former_owner_is_fenced_and_its_events_stay)
{
    begin("fenced");
    cr_assert_eq(publish("fenced", 0, 10, NULL), 10);
    open_relay(&other, "fenced", NULL, "");
    other.start.epoch = 2;
    fixture_must_start(&other);
    cr_assert_eq(publish("fenced", 10, 10, NULL), 0);
    cr_assert(fixture_run_until(&t, is_lost, &t, FIXTURE_WAIT_MS));
    cr_assert_eq(t.lost_error.code, OUTBOX_E_FENCED, "%s", t.lost_error.text);
    cr_assert_eq(fixture_stop(&t), OUTBOX_OK);
    cr_assert_eq(fixture_stop(&other), OUTBOX_OK);
    fixture_must_start(&other);
    struct batch sent;
    batch_init(&sent, 20);
    batch_fill(&sent, "fenced", 20, 0);
    for (uint32_t i = 0; i < 20; i++) {
        sent.messages[i].position.major = i + 1;
        sent.messages[i].id = sent.messages[i].value;
    }
    fixture_publish(&other, &sent);
    cr_assert(fixture_wait(&other, &sent));
    cr_assert_eq(fixture_count(&sent, OUTBOX_DELIVERED), 20);
    cr_assert_eq(sent.already, 10);
    batch_free(&sent);
    end(&other);
    cr_assert_eq(fixture_start(&t), OUTBOX_E_FENCED, "%s", t.error.text); /* the record is of a later owner */
    end(&t);
    check_topic("fenced", 20, 20);
    batch_free(&batch);
}

static atomic_bool commit_is_held, commit_waits;

/* Replaces librdkafka's. A commit that is held waits until all messages are reported, and then for the test. Worker. */
rd_kafka_error_t *rd_kafka_commit_transaction(rd_kafka_t *rk, int within_ms)
{
    rd_kafka_error_t *(*commit)(rd_kafka_t *, int) = NULL;
    *(void **)&commit = dlsym(RTLD_NEXT, "rd_kafka_commit_transaction");
    while (atomic_load(&commit_is_held)) {
        atomic_store(&commit_waits, !rd_kafka_outq_len(rk));
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return commit(rk, within_ms);
}

/* Of the commit's requests EndTxn alone is left then. */
static void publish_until_the_commit(void)
{
    atomic_store(&commit_is_held, true);
    fixture_publish(&t, &batch);
    for (int i = 0; i < FIXTURE_WAIT_MS / 10 && !atomic_load(&commit_waits); i++)
        fixture_run_for(&t, 10);
    cr_assert(atomic_load(&commit_waits), "the transaction is not committed");
}

/* librdkafka repeats an EndTxn without an answer, and the first one arrives in the next transaction. */
Test(kafka_exactly_once, late_end_of_a_transaction_does_not_end_the_next_one)
{
    struct proxy_process proxy;
    proxy_process_open(&proxy);
    create("late");
    open_relay(&t, "late", proxy.bootstrap, "options: {socket.timeout.ms: 2000, request.timeout.ms: 2000}");
    fixture_must_start(&t);
    cr_assert_eq(publish("late", 0, 100, NULL), 100);
    settle(0, 100);
    fill("late", 100, 100, NULL);
    publish_until_the_commit();
    proxy_process_command(&proxy, "kafka hold up");
    atomic_store(&commit_is_held, false);
    cr_assert(fixture_wait(&t, &batch));
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 100);
    cr_assert(fixture_run_until(&t, is_lost, &t, FIXTURE_WAIT_MS));
    cr_assert(strstr(t.lost_error.text, ", and its end was sent "), "%s", t.lost_error.text);
    restart();
    fill("late", 200, 60, NULL);
    fixture_publish(&t, &batch); /* the first half of the next transaction */
    fixture_run_for(&t, 15);
    proxy_process_command(&proxy, "kafka clear");
    cr_assert(fixture_wait(&t, &batch));
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 60);
    cr_assert_eq(publish("late", 260, 40, NULL), 40);
    end(&t);
    check_topic("late", 300, 300);
    batch_free(&batch);
    proxy_process_close(&proxy);
}

Test(kafka_exactly_once, stop_keeps_its_deadline_while_a_broker_hangs)
{
    create("hangs");
    open_relay(&t, "hangs", NULL, "options: {transaction.timeout.ms: 600000, socket.timeout.ms: 300000}");
    fixture_must_start(&t);
    cr_assert_eq(publish("hangs", 0, 10, NULL), 10);
    real_service("pause");
    fill("hangs", 10, 10, NULL);
    fixture_publish(&t, &batch);
    fixture_run_for(&t, 300);                              /* the commit waits */
    cr_assert_eq(fixture_stop_within(&t, 500), OUTBOX_OK); /* or it would wait for minutes */
    real_service("resume");
    cr_assert_eq(batch.completed, 1);
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 0);
    fixture_must_start(&t);
    fill("hangs", 0, 20, NULL);
    real_relay(&t, &batch, 1); /* a broker that was paused may have lost its session */
    end(&t);
    check_topic("hangs", 20, 20);
    batch_free(&batch);
}

/* The server alone can refuse this event: its transaction ends, and only this event is rejected. */
Test(kafka_exactly_once, refused_event_is_found_and_the_others_are_delivered_once)
{
    char *large = calloc(1, 3001);
    memset(large, 'x', 3000);
    real_create("refused", 1, (struct topic_setting){"max.message.bytes", "2000"}, NONE);
    real_create("refused-progress", 1, COMPACT, NONE);
    open_relay(&t, "refused", NULL, "");
    fixture_must_start(&t);
    fill("refused", 0, 100, NULL);
    batch.messages[50].value = (struct outbox_bytes){large, 3000};
    real_relay(&t, &batch, 1);
    cr_assert_eq(fixture_count(&batch, OUTBOX_REJECTED), 1);
    cr_assert_eq(batch.outcomes[50], OUTBOX_REJECTED);
    cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED), 99);
    end(&t);
    struct seen seen = real_read("refused", 1000000);
    cr_assert_eq(seen.records, 99);
    cr_assert_eq(seen.distinct, 99);
    batch_free(&batch);
    free(large);
}

Test(kafka_exactly_once, missing_topic_delays_no_event_of_another_for_ever)
{
    begin("present");
    fill("present", 0, 100, NULL);
    for (uint32_t i = 0; i < 100; i += 10)
        batch.messages[i].topic = (struct outbox_bytes){"absent", 6};
    fixture_publish(&t, &batch);
    cr_assert(fixture_wait(&t, &batch));
    cr_assert_geq(fixture_count(&batch, OUTBOX_RETRY), 1);
    uint32_t delivered = publish("present", 100, 100, NULL);
    if (t.lost_count) {
        restart();
        delivered = publish("present", 100, 100, NULL);
    }
    cr_assert_eq(delivered, 100);
    end(&t);
    batch_free(&batch);
}

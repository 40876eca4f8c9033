/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/kafka/real.c - see real.h */
#include "real.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "topic_reader.h"

static const char *bootstrap(void)
{
    return getenv("OUTBOX_TEST_KAFKA");
}

void real_open(struct fixture *t, const char *yaml)
{
    char text[1024];
    snprintf(text, sizeof text, "bootstrap.servers: %s\n%s", bootstrap(), yaml);
    cr_assert_eq(fixture_open(t, text), OUTBOX_OK, "%s", t->error.text);
    fixture_must_start(t);
}

void real_service(const char *verb)
{
    char command[1024];
    snprintf(command, sizeof command, "'%s' %s '%s' >/dev/null", getenv("OUTBOX_TEST_KAFKA_SERVICE"), verb,
             getenv("OUTBOX_TEST_KAFKA_DIR"));
    cr_assert_eq(system(command), 0, "%s", command);
}

static pid_t later;

/* exec at once: the parent has threads. */
void real_service_later(const char *verbs, unsigned after_ms)
{
    char command[2048];
    snprintf(command, sizeof command,
             "sleep %u.%03u; for v in %s; do case $v in [0-9]*) sleep $v ;; *) '%s' $v '%s' >/dev/null ;; esac; done",
             after_ms / 1000, after_ms % 1000, verbs, getenv("OUTBOX_TEST_KAFKA_SERVICE"),
             getenv("OUTBOX_TEST_KAFKA_DIR"));
    later = fork();
    if (!later) {
        execl("/bin/bash", "bash", "-c", command, (char *)NULL);
        _exit(127);
    }
}

void real_join(void)
{
    int status;
    cr_assert_eq(waitpid(later, &status, 0), later);
    cr_assert_eq(status, 0);
}

/* ---- topics ------------------------------------------------------------------------------------------------------ */

static rd_kafka_resp_err_t created(rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, FIXTURE_WAIT_MS);
    size_t count = 0;
    rd_kafka_resp_err_t err = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (!err) {
        const rd_kafka_topic_result_t **topics =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
        err = rd_kafka_topic_result_error(topics[0]);
    }
    if (event)
        rd_kafka_event_destroy(event);
    return err;
}

static rd_kafka_t *admin(void)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap(), text, sizeof text);
    return rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
}

/* A starved broker loses its session for a moment: no broker is there then for the replica. */
static rd_kafka_resp_err_t create(rd_kafka_t *rk, rd_kafka_queue_t *queue, rd_kafka_NewTopic_t *new)
{
    enum { TRIES = 60 };
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR;
    for (int i = 0; i < TRIES && err == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR; i++) {
        if (i)
            sleep(1);
        rd_kafka_CreateTopics(rk, &new, 1, NULL, queue);
        err = created(queue);
    }
    return err;
}

void real_create(const char *topic, int partitions, struct topic_setting first, struct topic_setting second)
{
    char text[256];
    rd_kafka_t *rk = admin();
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_NewTopic_t *new = rd_kafka_NewTopic_new(topic, partitions, 1, text, sizeof text);
    if (first.name)
        rd_kafka_NewTopic_set_config(new, first.name, first.value);
    if (second.name)
        rd_kafka_NewTopic_set_config(new, second.name, second.value);
    rd_kafka_resp_err_t err = create(rk, queue, new);
    rd_kafka_NewTopic_destroy(new);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
    cr_assert(!err || err == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS, "create %s: %s", topic, rd_kafka_err2name(err));
}

void real_delete(const char *topic)
{
    rd_kafka_t *rk = admin();
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_DeleteTopic_t *gone = rd_kafka_DeleteTopic_new(topic);
    rd_kafka_DeleteTopics(rk, &gone, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, FIXTURE_WAIT_MS);
    cr_assert_not_null(event);
    cr_assert_eq(rd_kafka_event_error(event), 0, "%s", rd_kafka_event_error_string(event));
    rd_kafka_event_destroy(event);
    rd_kafka_DeleteTopic_destroy(gone);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
}

static rd_kafka_AclBinding_t *binding(const char *topic, const char *user, rd_kafka_AclOperation_t operation,
                                      rd_kafka_AclPermissionType_t permission)
{
    char text[256];
    return rd_kafka_AclBinding_new(RD_KAFKA_RESOURCE_TOPIC, topic, RD_KAFKA_RESOURCE_PATTERN_LITERAL, user, "*",
                                   operation, permission, text, sizeof text);
}

/* One operation is denied, the other one and Describe are allowed. */
static void set_rights(const char *topic, const char *user, rd_kafka_AclOperation_t denied,
                       rd_kafka_AclOperation_t allowed)
{
    rd_kafka_t *rk = admin();
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_AclBinding_t *bindings[] = {
        binding(topic, user, denied, RD_KAFKA_ACL_PERMISSION_TYPE_DENY),
        binding(topic, user, allowed, RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW),
        binding(topic, user, RD_KAFKA_ACL_OPERATION_DESCRIBE, RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW)};
    rd_kafka_CreateAcls(rk, bindings, 3, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, FIXTURE_WAIT_MS);
    cr_assert_not_null(event);
    cr_assert_eq(rd_kafka_event_error(event), 0, "%s", rd_kafka_event_error_string(event));
    rd_kafka_event_destroy(event);
    rd_kafka_AclBinding_destroy_array(bindings, 3);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
}

void real_forbid(const char *topic, const char *user)
{
    set_rights(topic, user, RD_KAFKA_ACL_OPERATION_WRITE, RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS);
}

void real_hide_settings(const char *topic, const char *user)
{
    set_rights(topic, user, RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS, RD_KAFKA_ACL_OPERATION_WRITE);
}

/* ---- relaying ---------------------------------------------------------------------------------------------------- */

struct part {
    struct batch batch; /* first; a part of the whole, in order */
    uint32_t *rows;
};

static bool is_open(uint32_t outcome)
{
    return outcome != OUTBOX_DELIVERED && outcome != OUTBOX_REJECTED;
}

static uint32_t fill_part(struct part *part, const struct batch *whole, uint32_t from, uint32_t size)
{
    uint32_t count = 0;
    batch_init(&part->batch, size);
    part->rows = calloc(size, sizeof *part->rows);
    for (; from < whole->publish.count && count < size; from++)
        if (is_open(whole->outcomes[from])) {
            part->rows[count] = from;
            part->batch.messages[count++] = whole->messages[from];
        }
    part->batch.publish.count = count;
    return from;
}

static void take_part(struct part *part, struct batch *whole)
{
    for (uint32_t i = 0; i < part->batch.publish.count; i++) {
        whole->outcomes[part->rows[i]] = part->batch.outcomes[i];
        whole->errors[part->rows[i]] = part->batch.errors[i];
    }
    batch_free(&part->batch);
    free(part->rows);
}

/* One round over all open events. After a loss no more events are submitted, and stop() completes those in flight. */
static void round_of(struct fixture *t, struct batch *whole, uint32_t window)
{
    struct part *parts = calloc(window, sizeof *parts);
    uint32_t at = 0, lost_count = t->lost_count;
    while (at < whole->publish.count && t->lost_count == lost_count) {
        uint32_t used = 0;
        for (; used < window && at < whole->publish.count; used++) {
            at = fill_part(&parts[used], whole, at, 500);
            fixture_publish(t, &parts[used].batch);
        }
        for (uint32_t i = 0; i < used && t->lost_count == lost_count; i++)
            fixture_wait(t, &parts[i].batch);
        if (t->lost_count != lost_count) {
            cr_assert_eq(fixture_stop_within(t, 5000), OUTBOX_OK);
            fixture_must_start(t);
        }
        bool clean = true;
        for (uint32_t i = 0; i < used; i++) {
            cr_assert(fixture_wait(t, &parts[i].batch));
            clean = clean && fixture_count(&parts[i].batch, OUTBOX_DELIVERED) == parts[i].batch.publish.count;
            take_part(&parts[i], whole);
        }
        if (!clean)
            break; /* a later event must not go before one that failed */
    }
    free(parts);
}

static uint32_t count_open(const struct batch *whole)
{
    uint32_t open = 0;
    for (uint32_t i = 0; i < whole->publish.count; i++)
        open += is_open(whole->outcomes[i]);
    return open;
}

uint32_t real_relay(struct fixture *t, struct batch *batch, uint32_t window)
{
    uint32_t rounds = 0;
    for (; count_open(batch); rounds++) {
        uint32_t open = count_open(batch);
        cr_assert_lt(rounds, 2000);
        round_of(t, batch, window);
        if (count_open(batch) == open)
            fixture_run_for(t, 20); /* as the relay does before a retry */
    }
    return rounds;
}

/* ---- reading back ------------------------------------------------------------------------------------------------ */

struct last {
    uint64_t value; /* highest so far, + 1 */
};

static void note(struct seen *seen, bool *known, struct last *last, uint64_t value)
{
    seen->records++;
    if (known[value]) {
        seen->duplicates++;
        return;
    }
    known[value] = true;
    seen->distinct++;
    seen->out_of_order += value + 1 < last->value;
    if (value + 1 > last->value)
        last->value = value + 1;
}

struct seen real_read(const char *topic, uint64_t limit)
{
    struct seen seen = {0};
    struct topic_reader reader;
    bool *known = calloc(limit, sizeof *known);
    struct last *lasts = calloc(limit + 1, sizeof *lasts);
    rd_kafka_message_t *message;
    cr_assert(topic_reader_open(&reader, bootstrap(), topic));
    while ((message = topic_reader_next(&reader, true))) {
        char key[32], value[32];
        snprintf(key, sizeof key, "%.*s", (int)message->key_len, message->key ? (const char *)message->key : "");
        snprintf(value, sizeof value, "%.*s", (int)message->len,
                 message->payload ? (const char *)message->payload : "");
        uint64_t number = strtoull(value, NULL, 10), at = key[0] ? strtoull(key + 1, NULL, 10) : limit;
        cr_assert(number < limit && at <= limit, "%s=%s was never sent", key, value);
        note(&seen, known, &lasts[at], number);
        rd_kafka_message_destroy(message);
    }
    topic_reader_close(&reader);
    free(known);
    free(lasts);
    return seen;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/end-to-end/reader/create.c - see create.h
 *
 * Without --partitions the topic has as many as the broker's settings give it.
 */
#include "create.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000 };

static rd_kafka_t *admin(const char *bootstrap)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, why, sizeof why);
    return rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
}

static int partitions_of(int count, char **options)
{
    for (int i = 0; i + 1 < count; i += 2)
        if (!strcmp(options[i], "--partitions"))
            return atoi(options[i + 1]);
    return -1;
}

static bool set_options(rd_kafka_NewTopic_t *topic, int count, char **options)
{
    bool fine = count % 2 == 0;
    for (int i = 0; fine && i < count; i += 2) {
        char *value = strchr(options[i + 1], '=');
        if (!strcmp(options[i], "--config") && value) {
            *value = '\0';
            fine = !rd_kafka_NewTopic_set_config(topic, options[i + 1], value + 1);
        } else {
            fine = !strcmp(options[i], "--partitions");
        }
    }
    return fine;
}

/* Prints why it failed. */
static rd_kafka_resp_err_t result_of(rd_kafka_event_t *event)
{
    size_t count = 0;
    const rd_kafka_topic_result_t **topics =
        event ? rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count) : NULL;
    rd_kafka_resp_err_t err = count == 1 ? rd_kafka_topic_result_error(topics[0])
                              : event    ? rd_kafka_event_error(event)
                                         : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (err)
        fprintf(stderr, "outbox-reader: create: %s\n",
                count == 1 ? rd_kafka_topic_result_error_string(topics[0])
                : event    ? rd_kafka_event_error_string(event)
                           : "no answer");
    return err;
}

static rd_kafka_resp_err_t create(rd_kafka_t *rk, rd_kafka_NewTopic_t *topic)
{
    char why[256];
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_AdminOptions_t *how = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_operation_timeout(how, PATIENCE_MS, why, sizeof why);
    rd_kafka_CreateTopics(rk, &topic, 1, how, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 2 * PATIENCE_MS);
    rd_kafka_resp_err_t err = result_of(event);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(how);
    rd_kafka_queue_destroy(queue);
    return err;
}

/* A starved broker loses its session for a moment: no broker is there then for the replica. */
static bool create_in_time(rd_kafka_t *rk, rd_kafka_NewTopic_t *topic)
{
    rd_kafka_resp_err_t err = create(rk, topic);
    for (int i = 0; i < PATIENCE_MS / 1000 && err == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR; i++) {
        sleep(1);
        err = create(rk, topic);
    }
    return !err;
}

int create_topic(const char *bootstrap, const char *name, int count, char **options)
{
    char why[256];
    rd_kafka_t *rk = admin(bootstrap);
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions_of(count, options), 1, why, sizeof why);
    int code = !rk || !topic || !set_options(topic, count, options) ? 64 : create_in_time(rk, topic) ? 0 : 69;
    if (topic)
        rd_kafka_NewTopic_destroy(topic);
    if (rk)
        rd_kafka_destroy(rk);
    return code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/check_missing.c - why a topic is not in the list of the cluster's topics, and what follows
 *
 * The list leaves out a topic that this user may not describe. Asking for it by name tells the two cases apart; it is
 * asked by a client that lets the broker create no topic. A topic that does not exist is no trouble where the brokers
 * create topics on first use; whether they do is in their settings, which a user may not be allowed to read. On a
 * worker.
 */
#include "check.h"

#include <string.h>

#define ANSWER_MS 2000

/* ---- one topic by its name --------------------------------------------------------------------------------------- */

static rd_kafka_t *open_reader(struct kafka_broker *self)
{
    char reason[KAFKA_ERRSTR];
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(self->conf);
    static const char *const settings[][2] = {
        {"allow.auto.create.topics", "false"}, {"enable.gapless.guarantee", "false"}, {"enable.idempotence", "false"}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        rd_kafka_conf_set(conf, settings[i][0], settings[i][1], reason, sizeof reason);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (!rk)
        rd_kafka_conf_destroy(conf);
    return rk;
}

/* NO_ERROR: not known. */
static rd_kafka_resp_err_t error_of_topic(struct kafka_broker *self, struct kafka_findings *findings, const char *name)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t found = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (!findings->reader)
        findings->reader = open_reader(self);
    rd_kafka_topic_t *topic = findings->reader ? rd_kafka_topic_new(findings->reader, name, NULL) : NULL;
    if (!topic)
        return found;
    if (!rd_kafka_metadata(findings->reader, 0, topic, &metadata, ANSWER_MS)) {
        if (metadata->topic_cnt == 1)
            found = metadata->topics[0].err;
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(topic);
    return found;
}

/* ---- do the brokers create topics? ------------------------------------------------------------------------------- */

static enum kafka_creation read_creation(rd_kafka_event_t *event)
{
    size_t resources = 0, settings = 0;
    const rd_kafka_ConfigResource_t **resource =
        rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &resources);
    if (!resources || rd_kafka_ConfigResource_error(resource[0]))
        return KAFKA_CREATION_HIDDEN;
    const rd_kafka_ConfigEntry_t **setting = rd_kafka_ConfigResource_configs(resource[0], &settings);
    for (size_t i = 0; i < settings; i++) {
        const char *value = rd_kafka_ConfigEntry_value(setting[i]);
        if (value && !strcmp(rd_kafka_ConfigEntry_name(setting[i]), "auto.create.topics.enable"))
            return !strcmp(value, "true") ? KAFKA_CREATION_ON : KAFKA_CREATION_OFF;
    }
    return KAFKA_CREATION_HIDDEN;
}

static enum kafka_creation ask_creation(struct kafka_broker *self, const struct rd_kafka_metadata *metadata)
{
    char id[16];
    enum kafka_creation creation = KAFKA_CREATION_HIDDEN;
    if (!metadata->broker_cnt)
        return creation;
    snprintf(id, sizeof id, "%d", metadata->brokers[0].id);
    rd_kafka_t *rk = self->clients[KAFKA_MAIN].rk;
    rd_kafka_queue_t *answers = rd_kafka_queue_new(rk);
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_BROKER, id);
    rd_kafka_DescribeConfigs(rk, &resource, 1, NULL, answers);
    rd_kafka_event_t *event = rd_kafka_queue_poll(answers, ANSWER_MS);
    if (event && !rd_kafka_event_error(event))
        creation = read_creation(event);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_queue_destroy(answers);
    return creation;
}

/* ---- findings ---------------------------------------------------------------------------------------------------- */

static bool collides(struct kafka_broker *self, struct kafka_findings *findings,
                     const struct rd_kafka_metadata *metadata, const char *name)
{
    for (int i = 0; i < metadata->topic_cnt; i++)
        if (kafka_topics_collide(name, metadata->topics[i].topic)) {
            kafka_find(self, findings, OUTBOX_SEVERITY_ERROR,
                       "rename one of them in the route: Kafka takes '.' and '_' in a name for the same",
                       "topic '%s' does not exist, and cannot be created while '%s' exists", name,
                       metadata->topics[i].topic);
            return true;
        }
    return false;
}

static void find_forbidden(struct kafka_broker *self, struct kafka_findings *findings, const char *name)
{
    char user[128];
    size_t size = sizeof user;
    kafka_find(self, findings, OUTBOX_SEVERITY_ERROR, "allow this user to describe it and to write to it",
               "topic '%s': this user may not describe it: %s", name,
               rd_kafka_err2str(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED));
    if (rd_kafka_conf_get(self->conf, "sasl.username", user, &size) == RD_KAFKA_CONF_OK && size > 1 &&
        !strchr(user, '\''))
        kafka_find_command(findings,
                           "kafka-acls.sh --bootstrap-server '%s' --add --allow-principal 'User:%s' --operation "
                           "Describe --operation Write --topic '%s'",
                           self->bootstrap, user, name);
}

static void find_absent(struct kafka_broker *self, struct kafka_findings *findings, const char *name, bool pending)
{
    if (findings->creation == KAFKA_CREATION_ON) {
        kafka_find(self, findings, OUTBOX_SEVERITY_OK, NULL,
                   "topic '%s' does not exist; the brokers create it with the first event", name);
        return;
    }
    bool certain = findings->creation == KAFKA_CREATION_OFF;
    kafka_find(self, findings, certain || pending ? OUTBOX_SEVERITY_ERROR : OUTBOX_SEVERITY_WARNING,
               certain ? "create it"
                       : "create it; nothing to do if the brokers create topics on first use, which this user may not "
                         "read",
               "topic '%s' does not exist%s", name, pending ? ", and events for it wait in the outbox" : "");
    kafka_find_command(findings, "kafka-topics.sh --bootstrap-server '%s' --create --topic '%s'", self->bootstrap,
                       name);
}

void kafka_check_missing(struct kafka_broker *self, struct kafka_findings *findings,
                         const struct rd_kafka_metadata *metadata, const char *name, bool pending)
{
    if (collides(self, findings, metadata, name))
        return;
    if (error_of_topic(self, findings, name) == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
        find_forbidden(self, findings, name);
        return;
    }
    if (findings->creation == KAFKA_CREATION_UNASKED)
        findings->creation = ask_creation(self, metadata);
    find_absent(self, findings, name, pending);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/check_missing.c - why a topic is not in the list of the cluster's topics, and what follows
 *
 * The list leaves out a topic that this user may not describe. Asking for it by name tells the two cases apart; it is
 * asked by a client that lets the broker create no topic, and for two seconds again, since a broker learns of a new
 * topic late. A topic that does not exist is no trouble where the brokers create topics on first use; whether they do
 * is in their settings, which a user may not be allowed to read. On a worker.
 */
#include "check.h"

#include <string.h>
#include <time.h>

#define ANSWER_MS 2000
/* In all, so that topics that do not exist cost 2 s. */
#define AGAIN_NS 100000000
#define AGAIN_MAX 20

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

static const struct rd_kafka_metadata *request_metadata(struct kafka_findings *findings, const char *name)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(findings->reader, name, NULL);
    if (!topic)
        return NULL;
    if (rd_kafka_metadata(findings->reader, 0, topic, &metadata, ANSWER_MS))
        metadata = NULL;
    rd_kafka_topic_destroy(topic);
    if (metadata && metadata->topic_cnt == 1)
        return metadata;
    if (metadata)
        rd_kafka_metadata_destroy(metadata);
    return NULL;
}

const struct rd_kafka_metadata *kafka_check_topic_metadata(struct kafka_broker *self, struct kafka_findings *findings,
                                                           const char *name)
{
    const struct rd_kafka_metadata *metadata = NULL;
    if (!findings->reader && !(findings->reader = open_reader(self)))
        return NULL;
    while ((metadata = request_metadata(findings, name)) &&
           metadata->topics[0].err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && findings->repeated < AGAIN_MAX &&
           !atomic_load(&self->cancel_workers)) {
        findings->repeated++;
        rd_kafka_metadata_destroy(metadata);
        nanosleep(&(struct timespec){.tv_nsec = AGAIN_NS}, NULL);
    }
    return metadata;
}

/* ---- do the brokers create topics? ------------------------------------------------------------------------------- */

static void read_creation(void *arg, const char *name, const char *value)
{
    if (!strcmp(name, "auto.create.topics.enable"))
        *(enum kafka_creation *)arg = !strcmp(value, "true") ? KAFKA_CREATION_ON : KAFKA_CREATION_OFF;
}

static enum kafka_creation read_broker_creation(struct kafka_broker *self, struct kafka_findings *findings,
                                                const struct rd_kafka_metadata *metadata)
{
    char id[16];
    enum kafka_creation creation = KAFKA_CREATION_HIDDEN;
    if (!metadata->broker_cnt)
        return creation;
    snprintf(id, sizeof id, "%d", metadata->brokers[0].id);
    rd_kafka_resp_err_t err =
        kafka_check_settings(self, findings, RD_KAFKA_RESOURCE_BROKER, id, read_creation, &creation);
    return err == RD_KAFKA_RESP_ERR__TIMED_OUT ? KAFKA_CREATION_SILENT : creation;
}

/* ---- findings ---------------------------------------------------------------------------------------------------- */

static bool collides(struct kafka_findings *findings, const struct rd_kafka_metadata *metadata, const char *name)
{
    for (int i = 0; i < metadata->topic_cnt; i++)
        if (kafka_topics_collide(name, metadata->topics[i].topic)) {
            outbox_find(&findings->list, OUTBOX_SEVERITY_ERROR,
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
    struct outbox_found *found =
        outbox_find(&findings->list, OUTBOX_SEVERITY_ERROR, "allow this user to describe it and to write to it",
                    "topic '%s': this user may not describe it: %s", name,
                    rd_kafka_err2str(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED));
    outbox_find_code(found, OUTBOX_E_PERMISSION);
    if (rd_kafka_conf_get(self->conf, "sasl.username", user, &size) == RD_KAFKA_CONF_OK && size > 1 &&
        !strchr(user, '\''))
        outbox_find_command(found,
                            "kafka-acls.sh --bootstrap-server '%s' --add --allow-principal 'User:%s' --operation "
                            "Describe --operation Write --topic '%s'",
                            self->bootstrap, user, name);
}

static void find_absent(struct kafka_broker *self, struct kafka_findings *findings, const char *name, bool pending)
{
    if (findings->creation == KAFKA_CREATION_ON) {
        outbox_find(&findings->list, OUTBOX_SEVERITY_OK, NULL,
                    "topic '%s' does not exist; the brokers create it with the first event", name);
        return;
    }
    static const char *const advice[] = {
        [KAFKA_CREATION_OFF] = "create it",
        [KAFKA_CREATION_HIDDEN] = "create it; nothing to do if the brokers create topics on first use, which this user "
                                  "may not read",
        [KAFKA_CREATION_SILENT] = "create it; nothing to do if the brokers create topics on first use, for which the "
                                  "check got no answer"};
    bool certain = findings->creation == KAFKA_CREATION_OFF || pending;
    struct outbox_found *found = outbox_find(&findings->list, certain ? OUTBOX_SEVERITY_ERROR : OUTBOX_SEVERITY_WARNING,
                                             advice[findings->creation], "topic '%s' does not exist%s", name,
                                             pending ? ", and events for it wait in the outbox" : "");
    outbox_find_command(found, "kafka-topics.sh --bootstrap-server '%s' --create --topic '%s'", self->bootstrap, name);
}

void kafka_check_missing(struct kafka_broker *self, struct kafka_findings *findings,
                         const struct rd_kafka_metadata *metadata, const char *name, bool pending)
{
    const struct rd_kafka_metadata *described = kafka_check_topic_metadata(self, findings, name);
    const struct rd_kafka_metadata_topic *topic = described ? described->topics : NULL;
    if (topic && !topic->err) {
        kafka_check_present(self, findings, topic);
    } else if (topic && topic->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
        find_forbidden(self, findings, name);
    } else if (!collides(findings, metadata, name)) {
        if (findings->creation == KAFKA_CREATION_UNASKED)
            findings->creation = read_broker_creation(self, findings, metadata);
        find_absent(self, findings, name, pending);
    }
    if (described)
        rd_kafka_metadata_destroy(described);
}

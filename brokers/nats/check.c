/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/nats/check.c - the verb check: does a stream have the subject of each topic?
 *
 * A worker queries JetStream; the loop goes on serving the connection meanwhile. After cancel() the worker requests no
 * further topic.
 */
#include <jansson.h>

#include "broker.h"

enum { ANSWER_MS = 2000 };

static const char *topic_at(const struct nats_broker *broker, uint32_t index)
{
    bool pending;
    return outbox_check_topic(broker->check, index, &pending);
}

/* Worker. */
static void check_topic(struct nats_broker *broker, const char *topic)
{
    char request[512];
    natsMsg *answer = NULL;
    struct outbox_findings *findings = &broker->findings;
    outbox_findings_about(findings, "%s", topic);
    snprintf(request, sizeof request, "{\"subject\":\"%.*s\"}", OUTBOX_CUT(topic, 400));
    natsStatus status =
        natsConnection_RequestString(&answer, broker->connection, "$JS.API.STREAM.NAMES", request, ANSWER_MS);
    if (status != NATS_OK) {
        outbox_find(findings, OUTBOX_SEVERITY_ERROR,
                    "enable JetStream for the account, and allow it $JS.API.STREAM.NAMES", "subject %s: %s", topic,
                    natsStatus_GetText(status));
        return;
    }
    json_t *body = json_loadb(natsMsg_GetData(answer), (size_t)natsMsg_GetDataLength(answer), 0, NULL);
    const char *stream = json_string_value(json_array_get(json_object_get(body, "streams"), 0));
    if (stream)
        outbox_find(findings, OUTBOX_SEVERITY_OK, NULL, "subject %s: stream %s", topic, stream);
    else
        outbox_find(findings, OUTBOX_SEVERITY_ERROR, "add a stream: nats stream add --subjects SUBJECT NAME",
                    "subject %s: no stream has it", topic);
    json_decref(body);
    natsMsg_Destroy(answer);
}

static bool is_canceled(struct nats_broker *broker)
{
    pthread_mutex_lock(&broker->mutex);
    bool canceled = broker->check_canceled;
    pthread_mutex_unlock(&broker->mutex);
    return canceled;
}

static void check_topics(struct outbox_work *work)
{
    struct nats_broker *broker = work->arg;
    const char *topic;
    for (uint32_t i = 0; (topic = topic_at(broker, i)) && !is_canceled(broker); i++)
        check_topic(broker, topic);
}

static void end(struct nats_broker *broker, const struct outbox_error *error)
{
    outbox_op_t op = broker->check_op;
    broker->check_op = 0;
    broker->host->op_done(broker->host, op, error);
}

static void on_checked(struct outbox_work *work)
{
    struct nats_broker *broker = work->arg;
    struct outbox_error canceled;
    broker->working = false;
    outbox_error_set(&canceled, OUTBOX_E_CANCELED, "check %s: canceled", broker->servers);
    bool is_complete = !is_canceled(broker);
    outbox_findings_report(&broker->findings, is_complete ? broker->check : NULL);
    end(broker, is_complete ? NULL : &canceled);
    nats_end_stop(broker);
}

void nats_cancel_check(struct nats_broker *broker)
{
    pthread_mutex_lock(&broker->mutex);
    broker->check_canceled = true;
    pthread_mutex_unlock(&broker->mutex);
}

void nats_check(void *self, outbox_op_t op, const struct outbox_check *check)
{
    struct nats_broker *broker = self;
    char url[256] = "";
    broker->check_op = op;
    broker->check = check;
    broker->findings = (struct outbox_findings){.host = broker->host};
    broker->check_canceled = false; /* no worker runs */
    if (!broker->ready) {
        outbox_error_set(&broker->work_error, OUTBOX_E_NOT_CONNECTED, "check %s: not connected", broker->servers);
        end(broker, &broker->work_error);
        return;
    }
    natsConnection_GetConnectedUrl(broker->connection, url, sizeof url);
    outbox_report_finding(check, OUTBOX_SEVERITY_OK, "server", url, NULL);
    if (nats_offload(broker, check_topics, on_checked))
        end(broker, &broker->work_error);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/nats/check.c - the verb check: does a stream have the subject of each topic?
 *
 * A worker asks JetStream; the loop goes on serving the connection meanwhile. After cancel() the worker asks for no
 * further topic.
 */
#include <jansson.h>
#include <stdlib.h>

#include "broker.h"

enum { ANSWER_MS = 2000 };

struct finding {
    natsStatus status;
    char stream[100]; /* "": no stream */
};

static const char *topic_at(const struct nats_broker *broker, uint32_t index)
{
    bool pending;
    return outbox_check_topic(broker->check, index, &pending);
}

/* Worker. */
static void ask(struct nats_broker *broker, const char *topic, struct finding *finding)
{
    char request[512];
    natsMsg *answer = NULL;
    snprintf(request, sizeof request, "{\"subject\":\"%.400s\"}", topic);
    finding->status =
        natsConnection_RequestString(&answer, broker->connection, "$JS.API.STREAM.NAMES", request, ANSWER_MS);
    if (finding->status != NATS_OK)
        return;
    json_t *body = json_loadb(natsMsg_GetData(answer), (size_t)natsMsg_GetDataLength(answer), 0, NULL);
    const char *name = json_string_value(json_array_get(json_object_get(body, "streams"), 0));
    snprintf(finding->stream, sizeof finding->stream, "%s", name ? name : "");
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

static void ask_all(struct outbox_work *work)
{
    struct nats_broker *broker = work->arg;
    for (uint32_t i = 0; i < broker->finding_count && !is_canceled(broker); i++)
        ask(broker, topic_at(broker, i), &broker->findings[i]);
}

static void report(const struct nats_broker *broker, const char *topic, const struct finding *finding)
{
    const struct outbox_check *check = broker->check;
    char text[400];
    if (finding->status != NATS_OK) {
        snprintf(text, sizeof text, "subject %s: %s", topic, natsStatus_GetText(finding->status));
        outbox_report_finding(check, OUTBOX_SEVERITY_ERROR, topic, text,
                              "enable JetStream for the account, and allow it $JS.API.STREAM.NAMES");
    } else if (*finding->stream) {
        snprintf(text, sizeof text, "subject %s: stream %s", topic, finding->stream);
        outbox_report_finding(check, OUTBOX_SEVERITY_OK, topic, text, NULL);
    } else {
        snprintf(text, sizeof text, "subject %s: no stream has it", topic);
        outbox_report_finding(check, OUTBOX_SEVERITY_ERROR, topic, text,
                              "add a stream: nats stream add --subjects SUBJECT NAME");
    }
}

static void end(struct nats_broker *broker, const struct outbox_error *error)
{
    outbox_op_t op = broker->check_op;
    free(broker->findings);
    broker->findings = NULL;
    broker->check_op = 0;
    broker->host->op_done(broker->host, op, error);
}

static void asked(struct outbox_work *work)
{
    struct nats_broker *broker = work->arg;
    struct outbox_error canceled;
    broker->working = false;
    outbox_error_set(&canceled, OUTBOX_E_CANCELED, "check %s: canceled", broker->servers);
    bool is_complete = !is_canceled(broker);
    for (uint32_t i = 0; is_complete && i < broker->finding_count; i++)
        report(broker, topic_at(broker, i), &broker->findings[i]);
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
    broker->finding_count = 0;
    broker->check_canceled = false; /* no worker runs */
    if (!broker->ready) {
        outbox_error_set(&broker->work_error, OUTBOX_E_NOT_CONNECTED, "check %s: not connected", broker->servers);
        end(broker, &broker->work_error);
        return;
    }
    natsConnection_GetConnectedUrl(broker->connection, url, sizeof url);
    outbox_report_finding(check, OUTBOX_SEVERITY_OK, "server", url, NULL);
    while (topic_at(broker, broker->finding_count))
        broker->finding_count++;
    broker->findings = calloc(broker->finding_count + 1, sizeof *broker->findings);
    outbox_error_set(&broker->work_error, OUTBOX_E_NO_MEMORY, "check %s: out of memory", broker->servers);
    if (!broker->findings || nats_offload(broker, ask_all, asked))
        end(broker, &broker->work_error);
}

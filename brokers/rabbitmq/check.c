/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/rabbitmq/check.c - the verb check: does the exchange exist, or, without one, the queue of each topic?
 *
 * The thread declares passively, on a channel of its own, which each refusal closes. AMQP has no question for bindings:
 * a topic without a queue shows by the first event.
 */
#include "broker.h"

/* ---- thread ------------------------------------------------------------------------------------------------------ */

static void declare_passively(struct rabbit_broker *broker, const char *name, bool is_queue)
{
    struct outbox_error error;
    char attempt[160];
    amqp_bytes_t bytes = amqp_cstring_bytes(name);
    snprintf(attempt, sizeof attempt, "%s '%.*s'", is_queue ? "queue" : "exchange", OUTBOX_CUT(name, 100));
    amqp_channel_open(broker->connection, CHECK_CHANNEL);
    if (is_queue)
        amqp_queue_declare(broker->connection, CHECK_CHANNEL, bytes, 1, 0, 0, 0, amqp_empty_table);
    else
        amqp_exchange_declare(broker->connection, CHECK_CHANNEL, bytes, amqp_cstring_bytes("direct"), 1, 0, 0, 0,
                              amqp_empty_table);
    amqp_rpc_reply_t reply = amqp_get_rpc_reply(broker->connection);
    if (rabbit_reply_error(&error, attempt, reply)) {
        amqp_channel_close_ok_t ok = {0};
        outbox_find(&broker->findings, OUTBOX_SEVERITY_ERROR, "declare it, and allow the user to write to it", "%s",
                    error.text);
        if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION)
            amqp_send_method(broker->connection, CHECK_CHANNEL, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
    } else {
        outbox_find(&broker->findings, OUTBOX_SEVERITY_OK, NULL, "%s: it exists", attempt);
        amqp_channel_close(broker->connection, CHECK_CHANNEL, AMQP_REPLY_SUCCESS);
    }
}

void rabbit_check_now(struct rabbit_broker *broker)
{
    const char *topic;
    bool pending;
    broker->findings = (struct outbox_findings){.host = broker->host};
    outbox_findings_about(&broker->findings, "%s", broker->server);
    outbox_find(&broker->findings, OUTBOX_SEVERITY_OK, NULL, "connected to %s", broker->server);
    if (*broker->exchange)
        declare_passively(broker, broker->exchange, false);
    for (uint32_t i = 0; !*broker->exchange && (topic = outbox_check_topic(broker->check, i, &pending)); i++)
        declare_passively(broker, topic, true);
    pthread_mutex_lock(&broker->shared.mutex);
    broker->shared.has_checked = true;
    pthread_mutex_unlock(&broker->shared.mutex);
    broker->host->post(broker->host, &broker->task);
}

/* ---- loop -------------------------------------------------------------------------------------------------------- */

void rabbit_end_check(struct rabbit_broker *broker, const struct outbox_error *error)
{
    outbox_op_t op = broker->check_op;
    if (!op)
        return;
    outbox_findings_report(&broker->findings, broker->check);
    broker->check_op = 0;
    broker->host->op_done(broker->host, op, error);
}

void rabbit_check(void *self, outbox_op_t op, const struct outbox_check *check)
{
    struct rabbit_broker *broker = self;
    struct outbox_error error;
    broker->check_op = op;
    broker->check = check;
    broker->findings = (struct outbox_findings){.host = broker->host};
    outbox_error_set(&error, OUTBOX_E_NOT_CONNECTED, "check RabbitMQ: not connected");
    if (!broker->is_ready) {
        rabbit_end_check(broker, &error);
        return;
    }
    pthread_mutex_lock(&broker->shared.mutex);
    broker->shared.must_check = true;
    broker->shared.has_checked = false;
    pthread_mutex_unlock(&broker->shared.mutex);
    rabbit_wake(broker);
}

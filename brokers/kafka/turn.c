/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/turn.c - publish, and one round of reports, sending and completing
 *
 * A round runs when the event queues signal, when a timer or another file requests it (kafka_request_turn), and at a
 * publish that finds the queue empty. It is the one place from which messages are sent and publishes completed.
 */
#include "broker.h"

static void send_and_complete(struct kafka_broker *self)
{
    kafka_request_due_limits(self);
    kafka_send_pending(self);
    kafka_transaction_step(self);
    kafka_complete_publishes(self);
}

void kafka_turn(struct outbox_task *task)
{
    struct kafka_broker *self = task->arg;
    if (!kafka_has_clients(self))
        return;
    kafka_read_reports(self);
    send_and_complete(self);
    kafka_advance_stop(self);
}

void kafka_blocked_turn(struct outbox_task *task)
{
    struct kafka_broker *self = task->arg;
    if (kafka_blocked_keys_turn(&self->blocked, self->submitted, kafka_oldest_pending(self)))
        self->host->post(self->host, &self->blocked_turn);
}

static void fail_publish(struct kafka_broker *self, const struct kafka_publish *publish)
{
    struct outbox_error error;
    kafka_error(&error, OUTBOX_E_NO_MEMORY, 0, "publish %u events: out of memory", publish->args->count);
    kafka_replace_producer(self, &error); /* no later publish may overtake this one */
    self->host->op_done(self->host, publish->op, &error);
}

void kafka_publish(void *plugin, outbox_op_t op, const struct outbox_publish *args)
{
    struct kafka_broker *self = plugin;
    struct kafka_publish *publish = self->host->op_scratch(self->host, op);
    publish->op = op;
    publish->args = args;
    publish->number = ++self->submitted;
    if (!args->count) {
        self->host->op_done(self->host, op, NULL);
        return;
    }
    if (kafka_open_slot(self, publish)) {
        fail_publish(self, publish);
        return;
    }
    kafka_order_by_partition(self, publish);
    *self->pending_end = publish;
    self->pending_end = &publish->next;
    kafka_outage_events_wait(self);
    if (self->pending == publish)
        send_and_complete(self);
}

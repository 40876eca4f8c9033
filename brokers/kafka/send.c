/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/send.c - handing messages to librdkafka, in submission order, without waiting
 *
 * Publishes are queued. Only the first is passed to librdkafka, message by message, until it is done, librdkafka's
 * queue is full, a topic's state makes it wait, or the budget of this turn is used up. Reports or the next turn
 * continue. So nothing of a later publish overtakes an earlier one. Values are not copied: they stay where the store
 * has them until the publish completes (copying small ones was measured, and gains nothing).
 */
#include "broker.h"

#define SEND_BUDGET 4096u  /* messages handed over before other work gets its turn */
#define ANSWER_US 3000000u /* for the report of a message that was sent alone */

enum step { STEP_NEXT, STEP_WAIT };

/* ---- may the message be sent? ------------------------------------------------------------------------------------ */

/* One message on its way to librdkafka. */
struct sending {
    const struct outbox_message *message;
    struct kafka_topic *topic;
    uint32_t index;
    uint64_t size; /* of its record; 0 where no limit is known */
    bool suspect;  /* the broker may refuse it */
};

static void *opaque_of(const struct kafka_publish *publish, uint32_t index)
{
    return (void *)(((uintptr_t)publish->slot << KAFKA_INDEX_BITS) | index);
}

static void answer_timer_set(struct kafka_broker *self, struct kafka_topic *topic)
{
    topic->sent_at = self->host->now(self->host);
    if (self->answer_timer_set)
        return;
    self->answer_timer_set = true;
    self->host->timer_set(self->answer_timer, ANSWER_US);
}

/* Fails topics whose only message was not reported in time, unless no broker responds at all. */
void kafka_answer_due(void *plugin)
{
    struct kafka_broker *self = plugin;
    uint64_t now = self->host->now(self->host);
    bool again = false;
    for (struct kafka_topic *topic = NULL; (topic = kafka_topics_next(&self->topics, topic));) {
        if (!topic->in_flight || topic->state == KAFKA_TOPIC_OPEN || topic->state == KAFKA_TOPIC_FAILING)
            continue;
        if (kafka_outage_lasts(self))
            topic->sent_at = now; /* it has its time once a broker is there */
        if (now - topic->sent_at < ANSWER_US * 1000ull)
            again = true;
        else
            kafka_on_no_answer(self, topic);
    }
    self->answer_timer_set = again;
    if (again)
        self->host->timer_set(self->answer_timer, ANSWER_US / 4);
    kafka_request_turn(self);
}

/* After the first refusal of all, the limits of each topic are requested when it is used. Gives false if the broker
 * would refuse the message: it is reported. */
static bool admit(struct kafka_broker *self, struct kafka_publish *publish, struct sending *sending)
{
    struct outbox_error error;
    struct kafka_topic *topic = sending->topic;
    if (!self->refusals_seen)
        return true;
    if (topic->limits.state == KAFKA_LIMITS_UNKNOWN)
        kafka_request_limits(self, topic);
    sending->size = kafka_record_size_max(sending->message);
    enum kafka_admission admission = kafka_admit_to_topic(self, topic, sending->message, &error);
    sending->suspect = admission == KAFKA_SUSPECT;
    if (admission != KAFKA_REFUSED)
        return true;
    kafka_report_failure(self, topic, publish, sending->index, OUTBOX_REJECTED, &error);
    return false;
}

static void report_blocked(struct kafka_broker *self, struct kafka_publish *publish, const struct sending *sending)
{
    struct outbox_error error;
    kafka_error(&error, OUTBOX_E_AGAIN, 0, "publish to topic '%s': an earlier event of its key was not taken",
                sending->topic->name);
    kafka_report_failure(self, sending->topic, publish, sending->index, OUTBOX_RETRY, &error);
}

static bool may_fail(const struct sending *sending)
{
    return sending->suspect || sending->topic->state != KAFKA_TOPIC_OPEN;
}

static enum step hand_over(struct kafka_broker *self, struct kafka_publish *publish, const struct sending *sending,
                           bool alone)
{
    struct kafka_topic *topic = sending->topic;
    rd_kafka_resp_err_t err =
        OUTBOX_FAILPOINT_ERROR(self->host, kafka, before_produce, NULL)
            ? RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE
            : kafka_enqueue(self, sending->message, topic, alone, opaque_of(publish, sending->index));
    OUTBOX_FAILPOINT(self->host, kafka, produced);
    if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return STEP_WAIT;
    if (err) {
        struct kafka_result result = {.topic = topic,
                                      .publish = publish,
                                      .index = sending->index,
                                      .err = err,
                                      .status = RD_KAFKA_MSG_STATUS_NOT_PERSISTED,
                                      .alone = true,
                                      .local = true};
        kafka_on_result(self, &result);
        return STEP_NEXT;
    }
    if (self->exactly_once)
        kafka_transaction_sent(self, publish, sending->message);
    if (self->exactly_once && may_fail(sending))
        kafka_transaction_fill(self);
    kafka_topic_sent(topic, sending->suspect, sending->size);
    self->in_flight++;
    if (topic->state != KAFKA_TOPIC_OPEN)
        answer_timer_set(self, topic);
    return STEP_NEXT;
}

static enum step pass_gate(struct kafka_broker *self, struct kafka_publish *publish, const struct sending *sending)
{
    struct kafka_topic *topic = sending->topic;
    enum kafka_gate gate = kafka_topic_gate(topic, publish->number, sending->suspect, sending->size);
    if (gate == KAFKA_WAIT)
        return STEP_WAIT;
    if (gate == KAFKA_REFUSE)
        kafka_report_failure(self, topic, publish, sending->index, topic->outcome, &topic->error);
    else if (kafka_key_is_blocked(&self->blocked, topic->hash, sending->message->key, publish->number))
        report_blocked(self, publish, sending);
    else
        return hand_over(self, publish, sending, gate == KAFKA_SEND_ALONE);
    return STEP_NEXT;
}

/* Without memory for the topic its state is unknown, so no later message may be sent either. */
static void fail_without_topic(struct kafka_broker *self)
{
    struct outbox_error error;
    kafka_error(&error, OUTBOX_E_NO_MEMORY, 0, "publish: out of memory for a topic");
    kafka_replace_producer(self, &error);
}

/* An earlier start committed it, and did not see it leave the outbox. */
static void report_already(struct kafka_broker *self, struct kafka_publish *publish, uint32_t index)
{
    struct outbox_outcomes outcomes = {.struct_size = sizeof outcomes,
                                       .outcome = OUTBOX_DELIVERED,
                                       .first = index,
                                       .count = 1,
                                       .flags = OUTBOX_OUTCOME_ALREADY};
    self->host->outcomes(self->host, publish->op, &outcomes);
    publish->reported++;
    kafka_publish_changed(self, publish);
}

/* The part of delivery: exactly-once. Gives true if the message is to be sent; else step says how to go on. */
static bool enter_transaction(struct kafka_broker *self, struct kafka_publish *publish, const struct sending *sending,
                              enum step *step)
{
    *step = STEP_WAIT;
    if (!kafka_transaction_takes(self) || !kafka_transaction_reserve(self))
        return false;
    if (!kafka_progress_has(&self->transaction.progress, sending->message))
        return true;
    report_already(self, publish, sending->index);
    *step = STEP_NEXT;
    return false;
}

/* A message that may fail. Gives false as the function above. */
static bool enters_alone(struct kafka_broker *self, struct kafka_publish *publish, const struct sending *sending,
                         enum step *step)
{
    struct kafka_topic *topic = sending->topic;
    enum kafka_gate gate = kafka_verify_gate(self, topic);
    *step = gate == KAFKA_REFUSE ? STEP_NEXT : STEP_WAIT;
    if (gate == KAFKA_REFUSE)
        kafka_report_failure(self, topic, publish, sending->index, topic->outcome, &topic->error);
    return gate == KAFKA_SEND && (!may_fail(sending) || kafka_transaction_takes_alone(self));
}

/* The message at the cursor. */
static enum step send_next(struct kafka_broker *self, struct kafka_publish *publish)
{
    enum step step;
    struct sending sending = {.index = self->slots[publish->slot].order[publish->cursor]};
    sending.message = outbox_message_at(publish->args, sending.index);
    if (self->exactly_once && !enter_transaction(self, publish, &sending, &step))
        return step;
    sending.topic = kafka_topics_get(&self->topics, self->host, sending.message->topic);
    if (!sending.topic) {
        fail_without_topic(self);
        return STEP_WAIT;
    }
    if (publish->number <= sending.topic->barrier)
        return pass_gate(self, publish, &sending);
    if (!admit(self, publish, &sending))
        return STEP_NEXT;
    if (self->exactly_once && !enters_alone(self, publish, &sending, &step))
        return step;
    return pass_gate(self, publish, &sending);
}

/* ---- the queue --------------------------------------------------------------------------------------------------- */

static void report_not_sent(struct kafka_broker *self, struct kafka_publish *publish)
{
    struct outbox_error error;
    kafka_error(&error, OUTBOX_E_NOT_CONNECTED, 0, "publish: the producer is being replaced");
    kafka_report(self, publish, self->slots[publish->slot].order + publish->cursor,
                 publish->args->count - publish->cursor, OUTBOX_NOT_CONNECTED, &error);
    publish->cursor = publish->args->count;
}

/* Gives true when all messages of the publish were handed over or reported. */
static bool send_publish(struct kafka_broker *self, struct kafka_publish *publish, uint32_t *budget)
{
    while (publish->cursor < publish->args->count && kafka_is_sending(self)) {
        if (!*budget) {
            kafka_request_turn(self);
            return false;
        }
        if (send_next(self, publish) == STEP_NEXT)
            publish->cursor++;
        else if (kafka_is_sending(self))
            return false;
        --*budget;
    }
    report_not_sent(self, publish);
    return true;
}

void kafka_send_pending(struct kafka_broker *self)
{
    uint32_t budget = SEND_BUDGET;
    struct kafka_publish *publish;
    while ((publish = self->pending) && send_publish(self, publish, &budget)) {
        self->pending = publish->next;
        if (!self->pending)
            self->pending_end = &self->pending;
    }
    kafka_blocked_keys_trim(&self->blocked, kafka_oldest_pending(self));
}

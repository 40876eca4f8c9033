/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/topic_state.c - the state machine of a topic
 *
 * The table is the whole of it. A topic is open again after a refusal when as many messages were delivered one at a
 * time as single_remaining says; that number grows with each refusal, so a topic whose events are refused now and then
 * costs the main producer only a few times.
 */
#include "topic.h"

#define SINGLE_MIN                                                                                     \
    64u /* deliveries one at a time after the first refusal; four times as many after each further one \
         */
#define SINGLE_MAX 65536u
#define PAUSE_MIN_NS 100000000ull
#define PAUSE_MAX_NS 10000000000ull
#define PAUSE_DOUBLINGS 7u

#define U KAFKA_TOPIC_UNVERIFIED
#define O KAFKA_TOPIC_OPEN
#define S KAFKA_TOPIC_SINGLE
#define F KAFKA_TOPIC_FAILING
static const uint8_t next_state[KAFKA_TOPIC_STATES][KAFKA_TOPIC_EVENTS] = {
    /*    DELIVERED VERIFIED REFUSED FAILED NO_ANSWER LIMITS_KNOWN CLOSED */
    [U] = {S, O, S, F, F, U, U},
    [O] = {S, O, S, F, O, O, U},
    [S] = {S, O, S, F, F, U, S},
    [F] = {S, O, S, F, F, F, F},
};
#undef U
#undef O
#undef S
#undef F

bool kafka_topic_on(struct kafka_topic *topic, enum kafka_topic_event event)
{
    enum kafka_topic_state before = topic->state;
    if (event == KAFKA_TOPIC_LIMITS_KNOWN)
        topic->single_remaining = 0;
    topic->state = (enum kafka_topic_state)next_state[before][event];
    return topic->state != before;
}

/* A batch must not be larger than the topic takes; what is in flight may end in one batch. */
static bool overfills_batch(const struct kafka_topic *topic, uint64_t size)
{
    return topic->limits.max_batch && topic->together_bytes + size > topic->limits.max_batch;
}

enum kafka_gate kafka_topic_gate(const struct kafka_topic *topic, uint64_t publish_number, bool suspect, uint64_t size)
{
    if (publish_number <= topic->barrier)
        return KAFKA_REFUSE;
    if (!topic->in_flight)
        return suspect ? KAFKA_SEND_ALONE : KAFKA_SEND;
    if (topic->state == KAFKA_TOPIC_FAILING)
        return KAFKA_REFUSE;
    if (topic->state != KAFKA_TOPIC_OPEN || suspect || topic->suspect_in_flight || overfills_batch(topic, size))
        return KAFKA_WAIT;
    return KAFKA_SEND;
}

void kafka_topic_sent(struct kafka_topic *topic, bool suspect, uint64_t size)
{
    if (!topic->in_flight++) {
        topic->together = 0;
        topic->together_bytes = 0;
        topic->suspect_in_flight = suspect;
    }
    topic->together++;
    topic->together_bytes += size;
}

bool kafka_topic_delivered(struct kafka_topic *topic)
{
    bool was_failing = topic->state == KAFKA_TOPIC_FAILING;
    if (topic->single_remaining)
        topic->single_remaining--;
    if (topic->order_broken ||
        (topic->state == KAFKA_TOPIC_UNVERIFIED && topic->limits.state == KAFKA_LIMITS_REQUESTED))
        return false;
    kafka_topic_on(topic, topic->single_remaining ? KAFKA_TOPIC_DELIVERED : KAFKA_TOPIC_VERIFIED);
    return was_failing;
}

void kafka_topic_refused(struct kafka_topic *topic, bool alone)
{
    if (!topic->single_next)
        topic->single_next = SINGLE_MIN;
    if (topic->single_remaining < topic->single_next)
        topic->single_remaining = topic->single_next;
    if (!alone && topic->single_remaining < topic->together)
        topic->single_remaining = topic->together;
    if (topic->state != KAFKA_TOPIC_SINGLE && topic->single_next < SINGLE_MAX)
        topic->single_next *= 4;
    kafka_topic_on(topic, KAFKA_TOPIC_REFUSED);
}

void kafka_topic_fail(struct kafka_topic *topic, uint64_t barrier, uint32_t outcome, const struct outbox_error *error)
{
    topic->barrier = barrier;
    topic->outcome = outcome;
    topic->error = *error;
    topic->order_broken = topic->order_broken || topic->in_flight;
}

void kafka_topic_pause(struct kafka_topic *topic, uint64_t now)
{
    uint64_t pause = PAUSE_MIN_NS << (topic->failures < PAUSE_DOUBLINGS ? topic->failures : PAUSE_DOUBLINGS);
    topic->failures++;
    topic->verified = false;
    topic->retry_at = now + (pause < PAUSE_MAX_NS ? pause : PAUSE_MAX_NS);
}

bool kafka_topic_uses_probe(const struct kafka_topic *topic, bool refusals_seen)
{
    switch (topic->state) {
    case KAFKA_TOPIC_SINGLE:
        return true;
    case KAFKA_TOPIC_FAILING:
        return topic->error.code != OUTBOX_E_NOT_FOUND;
    case KAFKA_TOPIC_UNVERIFIED:
        return refusals_seen;
    default:
        return false;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/topic.h - the topics in use, and the state machine that keeps order when one of them fails
 *
 *   UNVERIFIED  nothing was delivered with this producer yet: one message in flight
 *   OPEN        many messages in flight
 *   SINGLE      the broker refused an event: one message in flight, through the probe producer
 *   FAILING     missing, forbidden or without an answer: one message in flight, all others are refused at once
 *
 * A missing or forbidden topic fails at its first message, and other topics do not notice. No I/O; loop thread.
 */
#ifndef OBX_BROKERS_KAFKA_TOPIC_H
#define OBX_BROKERS_KAFKA_TOPIC_H

#include "topic_limits.h"

enum kafka_topic_state {
    KAFKA_TOPIC_UNVERIFIED,
    KAFKA_TOPIC_OPEN,
    KAFKA_TOPIC_SINGLE,
    KAFKA_TOPIC_FAILING,
    KAFKA_TOPIC_STATES
};

enum kafka_topic_event {
    KAFKA_TOPIC_DELIVERED,    /* a message was delivered; the next ones go one at a time */
    KAFKA_TOPIC_VERIFIED,     /* a message was delivered; the others may go together */
    KAFKA_TOPIC_REFUSED,      /* the broker refused an event, or a batch with such an event */
    KAFKA_TOPIC_FAILED,       /* no event of it can be written now */
    KAFKA_TOPIC_NO_ANSWER,    /* its only message was not reported in time */
    KAFKA_TOPIC_LIMITS_KNOWN, /* events that the broker refuses are rejected before they are sent */
    KAFKA_TOPIC_CLOSED,       /* the producer is closed */
    KAFKA_TOPIC_EVENTS
};

enum kafka_client { KAFKA_MAIN, KAFKA_PROBE, KAFKA_CLIENTS };

struct kafka_topic {
    struct kafka_topic *next;                 /* in its bucket */
    rd_kafka_topic_t *handles[KAFKA_CLIENTS]; /* NULL: not used with this client yet */
    uint64_t hash;
    enum kafka_topic_state state;
    struct kafka_limits limits;

    uint32_t in_flight;      /* messages in librdkafka */
    uint32_t together;       /* messages handed over since in_flight was 0 last */
    uint64_t together_bytes; /* their size; counted only where the limits are known */
    bool suspect_in_flight;  /* the message in flight may be refused: nothing joins it */
    bool limits_due;         /* request the settings again */
    int32_t partitions;      /* as many have been seen */
    uint64_t sent_at;        /* host->now() of the last message that was sent alone */

    uint32_t single_remaining; /* deliveries one at a time before the topic is open again */
    uint32_t single_next;      /* how many after the next refusal */

    /* after a failure */
    uint64_t barrier;          /* nothing of a publish up to this number may be sent any more */
    bool order_broken;         /* failed while more of it was in flight, which could overtake what failed */
    uint32_t outcome;          /* of the last failure, and of what was refused because of it */
    struct outbox_error error; /* of the last failure */

    /* with delivery: exactly-once (verify.c) */
    bool verified;     /* a broker knows it, and its partitions have leaders */
    uint32_t failures; /* in a row */
    uint64_t retry_at; /* FAILING: host->now() of the next attempt */

    size_t size;
    char name[]; /* NUL-terminated */
};

struct kafka_topics {
    struct kafka_topic **buckets;
    uint32_t room; /* a power of two, or 0 */
    uint32_t count;
    struct kafka_topic *last; /* found last */
};

/* ---- the table (topic.c) ----------------------------------------------------------------------------------------- */

/* NULL: it is not there. */
struct kafka_topic *kafka_topics_find(struct kafka_topics *topics, struct outbox_bytes name);
/* Finds or adds it. NULL: no memory, or no name. Topics stay until kafka_topics_free(). */
struct kafka_topic *kafka_topics_get(struct kafka_topics *topics, const struct outbox_host *host,
                                     struct outbox_bytes name);
/* Every topic: start with NULL, ends with NULL. */
struct kafka_topic *kafka_topics_next(const struct kafka_topics *topics, const struct kafka_topic *topic);
void kafka_topics_free(struct kafka_topics *topics, const struct outbox_host *host);
/* Kafka cannot have both names: it takes '.' and '_' for the same. */
bool kafka_topics_collide(const char *name, const char *other);

/* ---- the state machine (topic_state.c) --------------------------------------------------------------------------- */

enum kafka_gate {
    KAFKA_SEND,
    KAFKA_SEND_ALONE, /* through the probe producer */
    KAFKA_WAIT,       /* for reports of this topic */
    KAFKA_REFUSE      /* with the topic's last failure */
};

/* May a message of a publish be sent to the topic? suspect: its broker may refuse it. size: bytes of its record. */
enum kafka_gate kafka_topic_gate(const struct kafka_topic *topic, uint64_t publish_number, bool suspect, uint64_t size);
void kafka_topic_sent(struct kafka_topic *topic, bool suspect, uint64_t size);
/* Gives true if the state changed. */
bool kafka_topic_on(struct kafka_topic *topic, enum kafka_topic_event event);
/* A message was delivered. Gives true if the topic was failing until now. */
bool kafka_topic_delivered(struct kafka_topic *topic);
/* The next messages go one at a time. alone: the refused event is known. */
void kafka_topic_refused(struct kafka_topic *topic, bool alone);
/* Nothing of the publishes up to `barrier` may be sent any more: the host submits them again in order. */
void kafka_topic_fail(struct kafka_topic *topic, uint64_t barrier, uint32_t outcome, const struct outbox_error *error);
/* After a failure: when the next attempt may be made. The pauses grow from 0.1 to 10 s. */
void kafka_topic_pause(struct kafka_topic *topic, uint64_t now);
/* The first message of each topic goes through the probe producer once the broker has refused an event. */
bool kafka_topic_uses_probe(const struct kafka_topic *topic, bool refusals_seen);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/topic_limits.h - what a topic's broker refuses, as far as it is known
 *
 * Two sources: the topic's settings (requested by limits_request.c) and what the broker refused before. Settings that
 * are fresh decide. What was only learned from refusals, and settings that may have changed since, make an event a
 * suspect: it is sent alone, so that a refusal concerns nothing else. No I/O; loop thread.
 */
#ifndef OBX_BROKERS_KAFKA_TOPIC_LIMITS_H
#define OBX_BROKERS_KAFKA_TOPIC_LIMITS_H

#include "error.h"

enum kafka_limits_state {
    KAFKA_LIMITS_UNKNOWN,   /* never requested with this producer */
    KAFKA_LIMITS_REQUESTED, /* the answer is on its way */
    KAFKA_LIMITS_KNOWN,
    KAFKA_LIMITS_WITHHELD /* the broker does not show them to this user */
};

struct kafka_limits {
    enum kafka_limits_state state;
    uint64_t known_at; /* host->now(), ns */
    /* settings of the topic */
    uint64_t max_batch;        /* max.message.bytes; 0: unknown */
    int64_t max_early_ms;      /* a timestamp may be so much before the clock; INT64_MAX: no bound */
    int64_t max_late_ms;       /* and so much after it */
    int64_t max_difference_ms; /* both, with brokers that have one setting for both; 0: unknown */
    bool ignores_timestamps;   /* the broker sets its own */
    bool needs_key;            /* compacted */
    /* what was refused; 0: nothing was */
    uint64_t refused_size;    /* bytes of the smallest record that was too large */
    int64_t refused_early_ms; /* distances from the clock of timestamps that were out of range */
    int64_t refused_late_ms;
    bool refused_null_key;
};

enum kafka_admission {
    KAFKA_ADMITTED,
    KAFKA_SUSPECT, /* the broker may refuse it: send it alone */
    KAFKA_REFUSED  /* the broker would refuse it: do not send it */
};

/* The answer to DescribeConfigs: begin, each setting (those that limit no event are ignored), known. */
void kafka_limits_begin(struct kafka_limits *limits);
void kafka_limits_set(struct kafka_limits *limits, const char *name, const char *value);
void kafka_limits_known(struct kafka_limits *limits, uint64_t now);
/* The producer of the request is closed. */
void kafka_limits_close(struct kafka_limits *limits);
/* The settings may have changed, and an event depends on them. */
bool kafka_limits_stale(const struct kafka_limits *limits, uint64_t now);
/* The broker refused this message for that error, alone. */
void kafka_limits_note_refusal(struct kafka_limits *limits, const struct outbox_message *message,
                               rd_kafka_resp_err_t err);

/* Would the broker accept it? Fills error unless KAFKA_ADMITTED. compressed: sizes on the wire are unknown. */
enum kafka_admission kafka_limits_admit(const struct kafka_limits *limits, const struct outbox_message *message,
                                        bool compressed, uint64_t now, struct outbox_error *error);
/* Text for a refusal by the broker: the value, the setting and what to do. Empty if there is nothing to add. */
void kafka_limits_explain(const struct kafka_limits *limits, const struct outbox_message *message,
                          rd_kafka_resp_err_t err, char *text, size_t size);
/* The timestamp, moved into what the topic takes. Microseconds, as in the message. */
int64_t kafka_limits_clamp(const struct kafka_limits *limits, int64_t timestamp_us);

/* Milliseconds; above 0: ahead of the clock. 0 without a timestamp, which the broker then sets. */
int64_t kafka_timestamp_skew_ms(const struct outbox_message *message);
bool kafka_is_size_error(rd_kafka_resp_err_t err);

/* Bytes of the message as a record of Kafka: at most, and at least (in a separate batch). */
uint64_t kafka_record_size_max(const struct outbox_message *message);
uint64_t kafka_record_size_min(const struct outbox_message *message);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/check.h - findings of `outbox check`, collected on a worker and reported on the loop thread
 */
#ifndef OBX_BROKERS_KAFKA_CHECK_H
#define OBX_BROKERS_KAFKA_CHECK_H

#include "broker.h"

enum kafka_creation { /* do the brokers create topics on first use? */
                      KAFKA_CREATION_UNASKED = 0,
                      KAFKA_CREATION_ON,
                      KAFKA_CREATION_OFF,
                      KAFKA_CREATION_HIDDEN
};

struct kafka_finding;
struct kafka_findings {
    const struct outbox_check *check; /* borrowed until the op completes */
    struct kafka_finding *first, **end;
    struct kafka_finding *last; /* NULL: it could not be kept */
    char subject[288];          /* of the findings to come */
    rd_kafka_t *reader;         /* asks for topics by name; NULL: not needed yet */
    enum kafka_creation creation;
    bool silent; /* a question for a topic's settings was not answered */
};

/* All on the worker. What the findings to come are about. */
__attribute__((format(printf, 2, 3))) void kafka_find_about(struct kafka_findings *findings, const char *format, ...);
/* A shell command for the last finding, which works when it is pasted. */
__attribute__((format(printf, 2, 3))) void kafka_find_command(const struct kafka_findings *findings, const char *format,
                                                              ...);
/* advice: a literal, or NULL. Without memory the finding is dropped. */
__attribute__((format(printf, 5, 6))) void kafka_find(struct kafka_broker *self, struct kafka_findings *findings,
                                                      enum outbox_severity severity, const char *advice,
                                                      const char *format, ...);

/* Worker: is every broker reachable at the address that it advertises? Takes at most four seconds for eight brokers. */
void kafka_check_brokers(struct kafka_broker *self, struct kafka_findings *findings,
                         const struct rd_kafka_metadata *metadata);
/* Worker: do the topics of the configuration and of pending events exist, and do their settings suit the relay's? */
void kafka_check_topics(struct kafka_broker *self, struct kafka_findings *findings,
                        const struct rd_kafka_metadata *metadata);
/* Worker: with delivery: exactly-once, its topic, its record and the time-outs of transactions. */
void kafka_check_progress(struct kafka_broker *self, struct kafka_findings *findings,
                          const struct rd_kafka_metadata *metadata);
/* Worker: the topic is not in the metadata of all topics. pending: events for it wait. */
void kafka_check_missing(struct kafka_broker *self, struct kafka_findings *findings,
                         const struct rd_kafka_metadata *metadata, const char *name, bool pending);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/check.h - findings of `outbox check`, collected on a worker and reported on the loop thread
 */
#ifndef OBX_BROKERS_KAFKA_CHECK_H
#define OBX_BROKERS_KAFKA_CHECK_H

#include <outbox/plugin_util.h>

#include "broker.h"

enum kafka_creation { /* do the brokers create topics on first use? */
                      KAFKA_CREATION_UNASKED = 0,
                      KAFKA_CREATION_ON,
                      KAFKA_CREATION_OFF,
                      KAFKA_CREATION_HIDDEN,
                      KAFKA_CREATION_SILENT /* no answer */
};

struct kafka_findings {
    struct outbox_findings list;
    const struct outbox_check *check; /* borrowed until the op completes */
    rd_kafka_t *reader;               /* requests topics by name; NULL: not needed yet */
    enum kafka_creation creation;
    unsigned repeated; /* for topics that a broker may not know yet */
    bool silent;       /* a request for settings was not answered */
};

typedef void kafka_each_setting(void *arg, const char *name, const char *value);

/* Worker: is every broker reachable at the address that it advertises? Takes at most four seconds for eight brokers. */
void kafka_check_brokers(struct kafka_broker *self, struct kafka_findings *findings,
                         const struct rd_kafka_metadata *metadata);
/* Worker: do the topics of the configuration and of pending events exist, and do their settings suit the relay's? */
void kafka_check_topics(struct kafka_broker *self, struct kafka_findings *findings,
                        const struct rd_kafka_metadata *metadata);
/* The topic in the list of all topics; NULL: it is not there. */
const struct rd_kafka_metadata_topic *kafka_check_listed(const struct rd_kafka_metadata *metadata, const char *name);
/* Worker: requests one topic by its name, for up to two seconds in all, for a broker learns of a new topic late.
 * topics[0] of the result, which is the caller's; NULL: no answer. */
const struct rd_kafka_metadata *kafka_check_topic_metadata(struct kafka_broker *self, struct kafka_findings *findings,
                                                           const char *name);
/* Worker: the topic is in the metadata. */
void kafka_check_present(struct kafka_broker *self, struct kafka_findings *findings,
                         const struct rd_kafka_metadata_topic *topic);
/* Worker: calls each() for the settings of a topic or of a broker. __TIMED_OUT: no answer, now or before. */
rd_kafka_resp_err_t kafka_check_settings(struct kafka_broker *self, struct kafka_findings *findings,
                                         rd_kafka_ResourceType_t type, const char *name, kafka_each_setting *each,
                                         void *arg);
/* Worker: with delivery: exactly-once, its topic, its record and the time-outs of transactions. */
void kafka_check_progress(struct kafka_broker *self, struct kafka_findings *findings,
                          const struct rd_kafka_metadata *metadata);
/* Worker: the topic is not in the metadata of all topics. pending: events for it wait. */
void kafka_check_missing(struct kafka_broker *self, struct kafka_findings *findings,
                         const struct rd_kafka_metadata *metadata, const char *name, bool pending);

#endif

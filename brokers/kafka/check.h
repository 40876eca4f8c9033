/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/check.h - findings of `outbox check`, collected on a worker and reported on the loop thread
 */
#ifndef OBX_BROKERS_KAFKA_CHECK_H
#define OBX_BROKERS_KAFKA_CHECK_H

#include "broker.h"

struct kafka_finding;
struct kafka_findings {
    const struct outbox_check *check; /* borrowed until the op completes */
    struct kafka_finding *first, **end;
};

/* Worker. advice: a literal. Without memory the finding is dropped. */
__attribute__((format(printf, 5, 6))) void kafka_find(struct kafka_broker *self, struct kafka_findings *findings,
                                                      enum outbox_log_level level, const char *advice,
                                                      const char *format, ...);

/* Worker: is every broker reachable at the address that it advertises? Takes at most four seconds for eight brokers. */
void kafka_check_brokers(struct kafka_broker *self, struct kafka_findings *findings,
                         const struct rd_kafka_metadata *metadata);
/* Worker: does the topic exist, and do its settings suit the relay's? */
void kafka_check_topic(struct kafka_broker *self, struct kafka_findings *findings,
                       const struct rd_kafka_metadata *metadata, const char *name);

#endif

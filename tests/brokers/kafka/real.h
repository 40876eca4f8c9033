/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/real.h - a real broker, started by tests/brokers/kafka/with-broker, and a relay's reaction to
 * outcomes
 */
#ifndef OBX_TESTS_BROKERS_KAFKA_REAL_H
#define OBX_TESTS_BROKERS_KAFKA_REAL_H

#include "fixture.h"

struct topic_setting {
    const char *name;
    const char *value;
};

/* The broker's section of the configuration: bootstrap.servers, and more keys of it. The broker is started. */
void real_open(struct fixture *t, const char *yaml);
void real_service(const char *verb); /* of tests/services/kafka: kill, restart, pause, resume */
void real_service_later(const char *verb, unsigned after_ms); /* in a process of its own; real_join() */
void real_join(void);
/* partitions, and up to two settings; NULL names are left out. */
void real_create(const char *topic, int partitions, struct topic_setting first, struct topic_setting second);

void real_delete(const char *topic);
/* With --secure: the user may not write to the topic; may write to it, and not read its settings. */
void real_forbid(const char *topic, const char *user);
void real_hide_settings(const char *topic, const char *user);

/*
 * Deliver a batch as a relay does: what was not delivered or rejected is sent again, in order, with a new producer
 * when the old one was lost. Outcomes end in batch->outcomes: DELIVERED or REJECTED each. window: publishes in flight.
 * Returns in how many rounds over the events that are left.
 */
uint32_t real_relay(struct fixture *t, struct batch *batch, uint32_t window);

struct seen {
    uint64_t records;
    uint64_t distinct;
    uint64_t duplicates;
    uint64_t out_of_order; /* first occurrences of a key whose value is lower than one before */
};
/* Read a topic filled by batch_fill(): values are numbers, ascending within a key. limit: all are below it. */
struct seen real_read(const char *topic, uint64_t limit);

#endif

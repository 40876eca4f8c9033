/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/transaction_fixture.h - a broker with delivery: exactly-once on librdkafka's mock cluster
 *
 * The mock cluster answers the requests of transactions, and shows readers also what was not committed.
 */
#ifndef OBX_TESTS_BROKERS_KAFKA_TRANSACTION_FIXTURE_H
#define OBX_TESTS_BROKERS_KAFKA_TRANSACTION_FIXTURE_H

#include "mock_fixture.h"

extern struct mock_fixture once;

/* A started broker, to which "open" is open. options: more of librdkafka's. */
void once_begin_on(int brokers, uint32_t order, uint64_t epoch, const char *options);
void once_begin(uint32_t order, uint64_t epoch, const char *options);
/* Of "open". Positions, ids and values are the numbers of the events. */
void once_fill(struct batch *batch, uint64_t first, uint32_t count);
/* Gives how many were delivered. */
uint32_t once_publish(uint64_t first, uint32_t count);
/* arg: a struct fixture. */
bool once_is_lost(void *arg);

#endif

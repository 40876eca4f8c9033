/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/mock.h - librdkafka's mock cluster, for errors that a real broker cannot be made to give
 *
 * It ignores sequence numbers, so it cannot test duplicates: the tests with a real broker do.
 */
#ifndef OBX_TESTS_BROKERS_KAFKA_MOCK_H
#define OBX_TESTS_BROKERS_KAFKA_MOCK_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#define MOCK_PRODUCE 0 /* request types */
#define MOCK_FIND_COORDINATOR 10
#define MOCK_INIT_PRODUCER_ID 22
#define MOCK_ADD_PARTITIONS 24
#define MOCK_END_TXN 26

struct mock {
    rd_kafka_t *host; /* the client that the mock cluster lives in */
    rd_kafka_mock_cluster_t *cluster;
    char yaml[512]; /* bootstrap.servers of it, for fixture_open() */
};

void mock_open(struct mock *mock, int brokers);
/* A topic may lose its leader while a client produces to it. Call it before clients connect. */
void mock_let_leaders_go(struct mock *mock);
void mock_close(struct mock *mock);

/* The first count values of a topic, in the order of their partitions, "key=value " each, as a string to be freed. */
char *mock_read(const struct mock *mock, const char *topic, uint32_t count);

#endif

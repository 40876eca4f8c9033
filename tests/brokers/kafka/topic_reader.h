/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/kafka/topic_reader.h - reads a topic back with a separate consumer */
#ifndef OBX_TESTS_BROKERS_KAFKA_TOPIC_READER_H
#define OBX_TESTS_BROKERS_KAFKA_TOPIC_READER_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

struct topic_reader {
    rd_kafka_t *consumer;
    rd_kafka_topic_partition_list_t *partitions;
    int ends; /* partitions read to their end */
};

bool topic_reader_open(struct topic_reader *reader, const char *bootstrap, const char *topic);
/* The next record, or NULL when none came in 20 s, or when `quiet` and all partitions were read to their ends. */
rd_kafka_message_t *topic_reader_next(struct topic_reader *reader, bool quiet);
void topic_reader_close(struct topic_reader *reader);

/* count records, or fewer if no more come, "key=value " each; to be freed. */
char *topic_read(const char *bootstrap, const char *topic, uint32_t count);

#endif

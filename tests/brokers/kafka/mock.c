/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/kafka/mock.c - see mock.h */
#include "mock.h"

#include <stdio.h>
#include <stdlib.h>

#include "topic_reader.h"

void mock_open(struct mock *mock, int brokers)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    mock->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    mock->cluster = mock->host ? rd_kafka_mock_cluster_new(mock->host, brokers) : NULL;
    if (!mock->cluster)
        abort();
    snprintf(mock->yaml, sizeof mock->yaml, "bootstrap.servers: %s", rd_kafka_mock_cluster_bootstraps(mock->cluster));
}

void mock_close(struct mock *mock)
{
    rd_kafka_mock_cluster_destroy(mock->cluster);
    rd_kafka_destroy(mock->host);
}

char *mock_read(const struct mock *mock, const char *topic, uint32_t count)
{
    return topic_read(rd_kafka_mock_cluster_bootstraps(mock->cluster), topic, count);
}

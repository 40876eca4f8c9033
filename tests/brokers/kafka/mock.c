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

/* From version 10 of Produce on, which librdkafka 2.5 brought, the mock names the new leader in its answer, and
 * dereferences a null pointer if there is none: so still in 2.15. All librdkafkas have version 7. */
void mock_let_leaders_go(struct mock *mock)
{
    if (rd_kafka_mock_set_apiversion(mock->cluster, MOCK_PRODUCE, 0, 7))
        abort();
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

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/kafka/transaction_fixture.c - see transaction_fixture.h */
#include "transaction_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>

struct mock_fixture once;

void once_begin_on(int brokers, uint32_t order, uint64_t epoch, const char *options)
{
    char yaml[1024];
    mock_open(&once.mock, brokers);
    mock_let_leaders_go(&once.mock);
    rd_kafka_mock_topic_create(once.mock.cluster, "outbox-progress", 1, 1);
    rd_kafka_mock_topic_create(once.mock.cluster, "open", 1, 1);
    snprintf(yaml, sizeof yaml, "%s\ntransactional.id: orders\noptions: {%s}", once.mock.yaml, options);
    cr_assert_eq(fixture_open_exactly_once(&once.broker, yaml), OUTBOX_OK, "%s", once.broker.error.text);
    once.broker.start = (struct outbox_broker_start){
        .struct_size = sizeof once.broker.start, .epoch = epoch, .outbox = "one", .order = order};
    fixture_must_start(&once.broker);
}

void once_begin(uint32_t order, uint64_t epoch, const char *options)
{
    once_begin_on(1, order, epoch, options);
}

void once_fill(struct batch *batch, uint64_t first, uint32_t count)
{
    batch_init(batch, count);
    batch_fill(batch, "open", 1, first);
    for (uint32_t i = 0; i < count; i++) {
        batch->messages[i].position.major = first + i + 1;
        batch->messages[i].id = batch->messages[i].value;
    }
}

uint32_t once_publish(uint64_t first, uint32_t count)
{
    struct batch batch;
    once_fill(&batch, first, count);
    fixture_publish(&once.broker, &batch);
    cr_assert(fixture_wait(&once.broker, &batch));
    uint32_t delivered = fixture_count(&batch, OUTBOX_DELIVERED);
    batch_free(&batch);
    return delivered;
}

bool once_is_lost(void *arg)
{
    return ((struct fixture *)arg)->lost_count > 0;
}

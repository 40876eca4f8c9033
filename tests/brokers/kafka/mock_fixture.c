/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/kafka/mock_fixture.c - see mock_fixture.h */
#include "mock_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>

void mock_fixture_open(struct mock_fixture *f, const char *yaml)
{
    char text[1024];
    mock_open(&f->mock, 1);
    snprintf(text, sizeof text, "%s\n%s", f->mock.yaml, yaml);
    cr_assert_eq(fixture_open(&f->broker, text), OUTBOX_OK, "%s", f->broker.error.text);
    fixture_must_start(&f->broker);
}

void mock_fixture_verify(struct mock_fixture *f, const char *topic)
{
    struct batch batch;
    batch_init(&batch, 1);
    batch_fill(&batch, topic, 1, 999);
    fixture_publish(&f->broker, &batch);
    cr_assert(fixture_wait(&f->broker, &batch));
    cr_assert_eq(batch.outcomes[0], OUTBOX_DELIVERED);
    batch_free(&batch);
}

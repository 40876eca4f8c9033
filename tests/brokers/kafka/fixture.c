/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/kafka/fixture.c - see fixture.h */
#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>

void fixture_open(struct fixture *f, const char *yaml)
{
    char text[1024];
    mock_open(&f->mock, 1);
    snprintf(text, sizeof text, "%s\n%s", f->mock.yaml, yaml);
    cr_assert_eq(kt_open(&f->t, text), OUTBOX_OK, "%s", f->t.error.text);
    cr_assert_eq(kt_start(&f->t), OUTBOX_OK, "%s", f->t.error.text);
}

void fixture_prove(struct fixture *f, const char *topic)
{
    struct kt_batch batch;
    kt_batch_init(&batch, 1);
    kt_batch_fill(&batch, topic, 1, 999);
    kt_publish(&f->t, &batch);
    cr_assert(kt_wait(&f->t, &batch));
    cr_assert_eq(batch.outcomes[0], OUTBOX_DELIVERED);
    kt_batch_free(&batch);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/memory_test.c - each allocation of the broker fails once: no event is lost or reported twice, and
 * no memory is leaked
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "mock_fixture.h"

static struct mock_fixture f;

/* A lost producer is replaced, as the host does. */
static void recover(uint32_t lost_count)
{
    if (f.broker.lost_count == lost_count)
        return;
    cr_assert_eq(fixture_stop(&f.broker), OUTBOX_OK);
    fixture_must_start(&f.broker);
}

/* One publish to topics that are new, with the n-th allocation failing. True: it failed somewhere. */
static bool publish_failing_at(uint32_t n)
{
    char topics[3][32];
    struct batch batch;
    uint32_t lost_count = f.broker.lost_count;
    batch_init(&batch, 30);
    for (uint32_t i = 0; i < 30; i++) {
        snprintf(topics[i % 3], sizeof topics[0], "t%u-%u", n, i % 3);
        batch_set(&batch, i, topics[i % 3], "k", "v");
    }
    mem_fail_at(n, false);
    fixture_publish(&f.broker, &batch);
    bool failed = mem_failed();
    mem_fail_at(0, false);
    cr_assert(fixture_wait(&f.broker, &batch));
    cr_assert_eq(batch.completed, 1);
    if (batch.error.code)
        cr_assert_eq(batch.error.code, OUTBOX_E_NO_MEMORY, "%s", batch.error.text);
    else
        cr_assert_eq(fixture_count(&batch, OUTBOX_DELIVERED) + fixture_count(&batch, OUTBOX_NOT_CONNECTED), 30);
    recover(lost_count);
    batch_free(&batch);
    return failed;
}

Test(kafka_memory, publish_survives_each_failed_allocation)
{
    mock_fixture_open(&f, "");
    for (uint32_t n = 1; publish_failing_at(n); n++)
        cr_assert_lt(n, 100);
    MOCK_FIXTURE_END(&f);
}

Test(kafka_memory, instance_survives_each_failed_allocation)
{
    struct fixture t;
    for (uint32_t n = 1;; n++) {
        mem_fail_at(n, false);
        int status = fixture_open(&t, "bootstrap.servers: 127.0.0.1:1");
        bool failed = mem_failed();
        mem_fail_at(0, false);
        if (t.loop)
            cr_assert_eq(fixture_close(&t), 0);
        cr_assert_eq(mem_live(), 0, "at allocation %u", n);
        if (!failed)
            break;
        cr_assert_eq(status, OUTBOX_E_NO_MEMORY, "at allocation %u: %s", n, t.error.text);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/memory_test.c - every allocation of the broker fails once, and nothing is lost, told twice or
 * leaked
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "fixture.h"

static struct fixture f;

/* A lost producer is replaced, as the host does. */
static void recover(uint32_t losts)
{
    if (f.t.losts == losts)
        return;
    cr_assert_eq(kt_stop(&f.t), OUTBOX_OK);
    cr_assert_eq(kt_start(&f.t), OUTBOX_OK, "%s", f.t.error.text);
}

/* One publish to topics that are new, with the n-th allocation failing. True: it failed somewhere. */
static bool publish_failing_at(uint32_t n)
{
    char topics[3][32];
    struct kt_batch batch;
    uint32_t losts = f.t.losts;
    kt_batch_init(&batch, 30);
    for (uint32_t i = 0; i < 30; i++) {
        snprintf(topics[i % 3], sizeof topics[0], "t%u-%u", n, i % 3);
        kt_batch_set(&batch, i, topics[i % 3], "k", "v");
    }
    mem_fail_at(n, false);
    kt_publish(&f.t, &batch);
    bool failed = mem_failed();
    mem_fail_at(0, false);
    cr_assert(kt_wait(&f.t, &batch));
    cr_assert_eq(batch.dones, 1);
    if (batch.error.code)
        cr_assert_eq(batch.error.code, OUTBOX_E_NO_MEMORY, "%s", batch.error.text);
    else
        cr_assert_eq(kt_count(&batch, OUTBOX_DELIVERED) + kt_count(&batch, OUTBOX_NOT_CONNECTED), 30);
    recover(losts);
    kt_batch_free(&batch);
    return failed;
}

Test(kafka_memory, a_publish_survives_each_failure)
{
    fixture_open(&f, "");
    for (uint32_t n = 1; publish_failing_at(n); n++)
        cr_assert_lt(n, 100);
    FIXTURE_END(&f);
}

Test(kafka_memory, an_instance_survives_each_failure)
{
    struct kt t;
    for (uint32_t n = 1;; n++) {
        mem_fail_at(n, false);
        int status = kt_open(&t, "bootstrap.servers: 127.0.0.1:1");
        bool failed = mem_failed();
        mem_fail_at(0, false);
        if (t.loop)
            cr_assert_eq(kt_close(&t), 0);
        cr_assert_eq(mem_live(), 0, "at allocation %u", n);
        if (!failed)
            break;
        cr_assert_eq(status, OUTBOX_E_NO_MEMORY, "at allocation %u: %s", n, t.error.text);
    }
}

/* tests/kafka/mock_test.c - the broker against librdkafka's mock cluster */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "harness.h"
#include "mock.h"
#include "mem_fault.h"

Test(kafka_mock, delivers_and_reads_back)
{
    struct mock mock;
    struct kt t;
    struct kt_batch batch;
    mock_open(&mock, 1);
    cr_assert_eq(kt_open(&t, mock.yaml), OUTBOX_OK, "%s", t.error.text);
    cr_assert_eq(kt_start(&t), OUTBOX_OK, "%s", t.error.text);
    kt_batch_init(&batch, 3);
    kt_batch_set(&batch, 0, "orders", "a", "1");
    kt_batch_set(&batch, 1, "orders", "a", "2");
    kt_batch_set(&batch, 2, "orders", "a", NULL);
    kt_publish(&t, &batch);
    cr_assert(kt_wait(&t, &batch));
    cr_assert_eq(batch.error.code, 0);
    cr_assert_eq(batch.told, 3);
    cr_assert_eq(kt_count(&batch, OUTBOX_DELIVERED), 3);
    char *content = mock_read(&mock, "orders", 3);
    cr_assert_str_eq(content, "a=1 a=2 a=null ");
    free(content);
    cr_assert_eq(kt_stop(&t), OUTBOX_OK);
    cr_assert_eq(obx_instance_violations(t.instance).unknown_ops, 0);
    cr_assert_eq(obx_instance_violations(t.instance).bad_outcomes, 0);
    cr_assert_eq(kt_close(&t), 0);
    cr_assert_eq(mem_live(), 0);
    kt_batch_free(&batch);
    mock_close(&mock);
}

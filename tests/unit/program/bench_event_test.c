/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/program/bench_event_test.c - the events of `outbox bench`: recognised by id, of the requested size */
#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#include "bench/event.h"

static struct outbox_bytes text(const char *from)
{
    return (struct outbox_bytes){from, strlen(from)};
}

Test(bench_event, prefix_is_the_start_of_a_uuid)
{
    char prefix[OBX_BENCH_PREFIX_SIZE + 1];
    obx_bench_prefix(prefix, 0x0123456789abcdefu, 0xfedcba9876543210u);
    cr_assert_str_eq(prefix, "01234567-89ab-8def-8210-");
}

Test(bench_event, delivered_event_is_recognised_by_its_id)
{
    struct obx_bench_event event;
    char payload[OBX_BENCH_MIN_BYTES];
    uint64_t number = 0;
    obx_bench_event(&event, "01234567-89ab-8def-8210-", 1234567, 10, payload, sizeof payload);
    cr_assert_str_eq(event.id, "01234567-89ab-8def-8210-00000012d687");
    cr_assert_str_eq(event.key, "bench-7");
    cr_assert(obx_bench_number("01234567-89ab-8def-8210-", event.event.event_id, &number));
    cr_assert_eq(number, 1234567);
    cr_assert_not(obx_bench_number("01234567-89ab-8def-8211-", event.event.event_id, &number), "another run");
    cr_assert_not(obx_bench_number("01234567-89ab-8def-8210-", text("01234567-89ab-8def-8210-00000012d68z"), &number));
    cr_assert_not(obx_bench_number("01234567-89ab-8def-8210-", text("77"), &number), "a row without an event id");
}

Test(bench_event, payload_is_json_of_the_requested_size)
{
    static const uint32_t sizes[] = {OBX_BENCH_MIN_BYTES, 256, 4096};
    static char payload[4096];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct obx_bench_event event;
        obx_bench_event(&event, "01234567-89ab-8def-8210-", 0xffffffffffff, 10, payload, sizes[i]);
        cr_assert_eq(event.event.payload.size, sizes[i]);
        json_t *json = json_loadb(payload, sizes[i], 0, NULL);
        cr_assert_not_null(json, "%.*s", (int)sizes[i], payload);
        cr_assert_eq(json_integer_value(json_object_get(json, "n")), 0xffffffffffff);
        json_decref(json);
    }
}

Test(bench_event, percentiles_are_values_of_the_sample)
{
    uint64_t values[200];
    for (uint64_t i = 0; i < 200; i++)
        values[i] = (i * 77) % 200 + 1;
    cr_assert_eq(obx_bench_percentile(values, 200, 50), 101);
    cr_assert_eq(obx_bench_percentile(values, 200, 99), 199);
    cr_assert_eq(obx_bench_percentile(values, 200, 100), 200);
    cr_assert_eq(obx_bench_percentile(values, 1, 99), 1);
    cr_assert_eq(obx_bench_percentile(values, 0, 50), 0);
}

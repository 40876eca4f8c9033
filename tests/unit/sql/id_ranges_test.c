/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/sql/id_ranges_test.c - a settle deletes the listed rows, in as few ranges as possible, and no other id */
#include <criterion/criterion.h>

#include "sql/gaps/id_ranges.h"
#include "sql_host.h"

static const struct outbox_position one_to_five[] = {{1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0}};
static const struct outbox_position gaps[] = {{6, 0}, {8, 0}, {9, 0}};
static const struct outbox_batch first = {.struct_size = sizeof first, .rows = 5, .positions = one_to_five};
static const struct outbox_batch second = {.struct_size = sizeof second, .rows = 3, .positions = gaps};

static struct obx_sql_ranges ranges_of(const struct outbox_span *spans, uint32_t count)
{
    struct obx_sql_ranges ranges = {0};
    struct outbox_settle settle = {.struct_size = sizeof settle, .span_count = count, .spans = spans};
    cr_assert(obx_sql_id_ranges(&sql_host, &ranges, &settle));
    return ranges;
}

Test(id_ranges, continue_over_the_end_of_a_batch_and_stop_at_gaps)
{
    struct outbox_span spans[] = {{&first, 0, 5}, {&second, 0, 3}};
    struct obx_sql_ranges ranges = ranges_of(spans, 2);
    cr_assert_eq(ranges.count, 2);
    cr_assert(ranges.items[0].lo == 1 && ranges.items[0].hi == 6);
    cr_assert(ranges.items[1].lo == 8 && ranges.items[1].hi == 9);
    obx_sql_ranges_free(&sql_host, &ranges);
    cr_assert_eq(sql_memory.live, 0);
}

Test(id_ranges, leave_out_rows_that_are_not_listed)
{
    struct outbox_span spans[] = {{&first, 0, 2}, {&first, 3, 2}};
    struct obx_sql_ranges ranges = ranges_of(spans, 2);
    cr_assert_eq(ranges.count, 2);
    cr_assert(ranges.items[0].lo == 1 && ranges.items[0].hi == 2);
    cr_assert(ranges.items[1].lo == 4 && ranges.items[1].hi == 5);
    obx_sql_ranges_free(&sql_host, &ranges);
}

Test(id_ranges, survive_spans_out_of_order)
{
    struct outbox_span spans[] = {{&second, 1, 2}, {&first, 2, 1}, {&first, 0, 1}};
    struct obx_sql_ranges ranges = ranges_of(spans, 3);
    cr_assert_eq(ranges.count, 3);
    cr_assert(ranges.items[0].lo == 1 && ranges.items[1].lo == 3 && ranges.items[2].lo == 8 && ranges.items[2].hi == 9);
    obx_sql_ranges_free(&sql_host, &ranges);
}

Test(id_ranges, report_that_there_is_no_memory)
{
    struct outbox_span span = {&first, 0, 5};
    struct outbox_settle settle = {.struct_size = sizeof settle, .span_count = 1, .spans = &span};
    struct obx_sql_ranges ranges = {0};
    sql_memory.fail_at = 1;
    cr_assert(!obx_sql_id_ranges(&sql_host, &ranges, &settle));
    cr_assert_eq(sql_memory.live, 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/sql/ranges_test.c - sets of ids, by hand and against a plain array of bits */
#include <criterion/criterion.h>

#include "sql/gaps/ranges.h"
#include "sql_host.h"

Test(ranges, adjacent_ranges_merge)
{
    struct obx_sql_ranges set = {0};
    cr_assert(obx_sql_ranges_add(&sql_host, &set, 1, 3));
    cr_assert(obx_sql_ranges_add(&sql_host, &set, 7, 9));
    cr_assert_eq(set.count, 2);
    cr_assert(obx_sql_ranges_add(&sql_host, &set, 4, 6));
    cr_assert_eq(set.count, 1);
    cr_assert_eq(set.items[0].lo, 1);
    cr_assert_eq(set.items[0].hi, 9);
    obx_sql_ranges_free(&sql_host, &set);
    cr_assert_eq(sql_memory.live, 0);
}

Test(ranges, ids_are_added_as_ranges)
{
    static const int64_t ids[] = {1, 2, 3, 7, 9, 10};
    struct obx_sql_ranges set = {0};
    cr_assert(obx_sql_ranges_add_ids(&sql_host, &set, ids, 6));
    cr_assert_eq(set.count, 3);
    cr_assert_eq(obx_sql_ranges_size(&set), 6);
    cr_assert(obx_sql_ranges_contain(&set, 7) && !obx_sql_ranges_contain(&set, 8));
    obx_sql_ranges_free(&sql_host, &set);
}

Test(ranges, removing_from_the_middle_splits)
{
    struct obx_sql_ranges set = {0};
    cr_assert(obx_sql_ranges_add(&sql_host, &set, 1, 10));
    cr_assert(obx_sql_ranges_remove(&sql_host, &set, 4, 6));
    cr_assert_eq(set.count, 2);
    cr_assert(obx_sql_ranges_contain(&set, 3) && !obx_sql_ranges_contain(&set, 4));
    cr_assert(!obx_sql_ranges_contain(&set, 6) && obx_sql_ranges_contain(&set, 7));
    cr_assert_eq(obx_sql_ranges_size(&set), 7);
    obx_sql_ranges_free(&sql_host, &set);
}

Test(ranges, smallest_and_largest_ids_are_valid)
{
    struct obx_sql_ranges set = {0};
    cr_assert(obx_sql_ranges_add(&sql_host, &set, INT64_MIN, INT64_MIN));
    cr_assert(obx_sql_ranges_add(&sql_host, &set, INT64_MAX, INT64_MAX));
    cr_assert_eq(set.count, 2);
    cr_assert(obx_sql_ranges_contain(&set, INT64_MIN) && obx_sql_ranges_contain(&set, INT64_MAX));
    cr_assert(obx_sql_ranges_remove(&sql_host, &set, INT64_MIN, INT64_MAX));
    cr_assert_eq(set.count, 0);
    obx_sql_ranges_free(&sql_host, &set);
}

Test(ranges, failed_allocation_changes_nothing)
{
    struct obx_sql_ranges set = {0};
    for (int64_t i = 0; i < 8; i++)
        cr_assert(obx_sql_ranges_add(&sql_host, &set, i * 10, i * 10));
    sql_memory.fail_at = 1;
    cr_assert(!obx_sql_ranges_add(&sql_host, &set, 1000, 1000));
    cr_assert_eq(set.count, 8);
    obx_sql_ranges_free(&sql_host, &set);
    cr_assert_eq(sql_memory.live, 0);
}

enum { BITS = 64 };

static void check_equal(const struct obx_sql_ranges *set, const bool *bits, unsigned seed)
{
    for (int i = 0; i < BITS; i++)
        cr_assert_eq(obx_sql_ranges_contain(set, i), bits[i], "seed %u, id %d", seed, i);
    for (uint32_t i = 1; i < set->count; i++)
        cr_assert(set->items[i - 1].hi + 1 < set->items[i].lo, "seed %u: ranges touch", seed);
}

Test(ranges, behave_like_an_array_of_bits)
{
    for (unsigned seed = 1; seed <= 500; seed++) {
        struct obx_sql_ranges set = {0};
        bool bits[BITS] = {false};
        unsigned state = seed;
        for (int step = 0; step < 60; step++) {
            int a = rand_r(&state) % BITS, b = rand_r(&state) % BITS;
            int lo = a < b ? a : b, hi = a < b ? b : a;
            bool adds = rand_r(&state) % 2;
            cr_assert((adds ? obx_sql_ranges_add : obx_sql_ranges_remove)(&sql_host, &set, lo, hi));
            for (int i = lo; i <= hi; i++)
                bits[i] = adds;
            check_equal(&set, bits, seed);
        }
        obx_sql_ranges_free(&sql_host, &set);
    }
    cr_assert_eq(sql_memory.live, 0);
}

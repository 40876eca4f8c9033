/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/sql/capture_queue_test.c - numbers of committed events, and which part of the log is passed */
#include <criterion/criterion.h>
#include <string.h>

#include "sql/capture/queue.h"
#include "sql_host.h"

#define BASE SQL_CAPTURE_BASE

static struct sql_capture_queue queue;
static uint64_t passed[64];
static unsigned passed_count;

static void set_up(void)
{
    queue = (struct sql_capture_queue){.memory.host = &sql_host};
    sql_capture_queue_reset(&queue, BASE);
    passed_count = 0;
}

static void tear_down(void)
{
    sql_capture_queue_free(&queue);
    cr_assert_eq(sql_memory.live, 0);
}

TestSuite(capture_queue, .init = set_up, .fini = tear_down);

static void note_pass(void *arg, const uint64_t marks[SQL_CAPTURE_MARKS])
{
    (void)arg;
    passed[passed_count++ % 64] = marks[0];
}

static struct sql_capture_list list_of(unsigned count, uint64_t first_order)
{
    struct sql_capture_list list = {0};
    for (unsigned i = 0; i < count; i++) {
        struct sql_capture_event *event = sql_capture_event_new(&queue.memory, 10);
        cr_assert(event);
        event->order = first_order + i;
        sql_capture_list_append(&list, event);
    }
    return list;
}

static void commit_part(uint64_t mark, unsigned count, uint64_t index, bool whole)
{
    struct sql_capture_list list = list_of(count, 1);
    uint64_t marks[SQL_CAPTURE_MARKS] = {mark};
    cr_assert(sql_capture_queue_commit(&queue, &list, marks, index, whole));
    cr_assert_eq(list.count, 0);
}

static void commit(uint64_t mark, unsigned count)
{
    commit_part(mark, count, 0, true);
}

static void show_all(void)
{
    while (sql_capture_queue_hidden(&queue))
        sql_capture_queue_make_visible(&queue);
}

static void expect_taken(int64_t number)
{
    struct sql_capture_event *event = sql_capture_queue_take(&queue);
    cr_assert(event && (int64_t)event->order == number, "%lld", event ? (long long)event->order - BASE : 0);
    sql_capture_event_drop(&queue.memory, event);
}

static void take_all(void)
{
    struct sql_capture_event *event;
    show_all();
    while ((event = sql_capture_queue_take(&queue)))
        sql_capture_event_drop(&queue.memory, event);
}

static uint64_t pass(int64_t low)
{
    return sql_capture_queue_pass(&queue, low, note_pass, NULL);
}

Test(capture_queue, numbers_events_from_the_position_on)
{
    commit(10, 2);
    commit(20, 1);
    show_all();
    expect_taken(BASE + 1);
    expect_taken(BASE + 2);
    expect_taken(BASE + 3);
    cr_assert(!sql_capture_queue_take(&queue));
}

Test(capture_queue, gives_only_what_is_visible)
{
    commit(10, 1);
    commit(20, 1);
    cr_assert(!sql_capture_queue_take(&queue));
    sql_capture_queue_make_visible(&queue);
    expect_taken(BASE + 1);
    cr_assert(!sql_capture_queue_take(&queue));
    cr_assert_eq(sql_capture_queue_hidden(&queue)->marks[0], 20);
}

Test(capture_queue, passes_whole_transactions_and_counts_within_the_next)
{
    commit(10, 2);
    commit(20, 3);
    take_all();
    cr_assert_eq(pass(BASE + 1), 1);
    cr_assert_eq(passed_count, 0);
    cr_assert_eq(pass(BASE + 3), 1);
    cr_assert(passed_count == 1 && passed[0] == 10);
    cr_assert_eq(pass(BASE + 5), 0);
    cr_assert(passed_count == 2 && passed[1] == 20);
}

Test(capture_queue, a_low_mark_never_goes_back_nor_beyond_what_was_read)
{
    commit(10, 2);
    take_all();
    cr_assert_eq(pass(BASE + 9), 0);
    cr_assert_eq(queue.low, BASE + 2);
    pass(BASE + 1);
    cr_assert_eq(queue.low, BASE + 2);
}

Test(capture_queue, a_transaction_in_parts_is_passed_at_its_end)
{
    commit_part(10, 2, 0, false);
    take_all();
    cr_assert_eq(pass(BASE + 2), 2);
    cr_assert_eq(passed_count, 0);
    commit_part(10, 2, 2, true);
    take_all();
    cr_assert_eq(pass(BASE + 3), 3);
    cr_assert_eq(pass(BASE + 4), 0);
    cr_assert(passed_count == 1 && passed[0] == 10);
}

Test(capture_queue, an_index_continues_that_of_the_position)
{
    commit_part(10, 3, 5, true); /* five were passed before a restart */
    take_all();
    cr_assert_eq(pass(BASE + 2), 7);
}

Test(capture_queue, events_that_are_in_the_table_keep_their_numbers_and_do_not_come)
{
    cr_assert(obx_sql_ranges_add(&sql_host, &queue.done, BASE + 2, BASE + 3));
    commit(10, 4);
    show_all();
    expect_taken(BASE + 1);
    expect_taken(BASE + 4);
    cr_assert_eq(pass(BASE + 1), 3); /* and they do not hold the position */
    cr_assert_eq(queue.low, BASE + 3);
    cr_assert_eq(queue.done.count, 0);
}

/* No claim looks whether they are visible: nothing waits for it. */
Test(capture_queue, hidden_commits_whose_events_are_in_the_table_are_passed)
{
    cr_assert(obx_sql_ranges_add(&sql_host, &queue.done, BASE + 1, BASE + 3));
    commit(10, 2);
    commit(20, 1);
    cr_assert_eq(pass(BASE + 3), 0);
    cr_assert(passed_count == 2 && passed[0] == 10 && passed[1] == 20);
    commit(30, 2);
    take_all();
    cr_assert_eq(pass(BASE + 4), 1);
}

Test(capture_queue, what_is_in_the_table_is_known_until_it_was_read)
{
    cr_assert(obx_sql_ranges_add(&sql_host, &queue.done, BASE + 2, BASE + 5));
    commit(10, 2);
    take_all();
    pass(BASE + 1);
    cr_assert_eq(queue.low, BASE + 2);
    cr_assert(obx_sql_ranges_contain(&queue.done, BASE + 3));
    commit(20, 4);
    show_all();
    expect_taken(BASE + 6);
}

Test(capture_queue, is_idle_when_all_is_passed_and_the_log_was_read_further)
{
    uint64_t marks[SQL_CAPTURE_MARKS] = {99};
    commit(10, 1);
    sql_capture_queue_advance(&queue, marks);
    cr_assert(!sql_capture_queue_is_idle(&queue));
    take_all();
    pass(BASE + 1);
    cr_assert(sql_capture_queue_is_idle(&queue));
    commit(20, 1);
    cr_assert(!sql_capture_queue_is_idle(&queue));
}

Test(capture_queue, gives_the_same_numbers_after_a_reset)
{
    commit(10, 3);
    take_all();
    pass(BASE + 1);
    sql_capture_queue_reset(&queue, BASE + 1);
    commit_part(10, 2, 1, true);
    show_all();
    expect_taken(BASE + 2);
    expect_taken(BASE + 3);
}

Test(capture_queue, merges_subtransactions_by_their_places_in_the_log)
{
    struct sql_capture_list a = list_of(3, 10), b = list_of(2, 5), c = list_of(1, 11);
    static const uint64_t orders[] = {5, 6, 10, 11, 11, 12};
    sql_capture_list_merge(&a, &b);
    sql_capture_list_merge(&a, &c);
    cr_assert(a.count == 6 && !b.count && !c.count);
    for (unsigned i = 0; i < 6; i++) {
        struct sql_capture_event *event = sql_capture_list_take(&a);
        cr_assert_eq(event->order, orders[i]);
        sql_capture_event_drop(&queue.memory, event);
    }
    cr_assert(!a.head && !a.tail && !a.bytes);
}

Test(capture_queue, a_ring_that_grows_keeps_its_commits)
{
    for (unsigned i = 1; i <= 700; i++)
        commit(i, 1);
    take_all();
    pass(BASE + 600);
    passed_count = 0;
    for (unsigned i = 701; i <= 2000; i++)
        commit(i, 1);
    take_all();
    pass(BASE + 602);
    cr_assert(passed_count == 2 && passed[0] == 601 && passed[1] == 602);
}

Test(capture_queue, large_events_and_spare_chunks)
{
    struct sql_capture_event *events[200];
    struct sql_capture_event *large = sql_capture_event_new(&queue.memory, 10 << 20);
    cr_assert(large);
    memset(large->data, 1, 10 << 20);
    for (unsigned i = 0; i < 200; i++) {
        cr_assert((events[i] = sql_capture_event_new(&queue.memory, 10000)));
        memset(events[i]->data, (int)i, 10000);
    }
    for (unsigned i = 0; i < 200; i++) {
        cr_assert(events[i]->data[0] == (unsigned char)i && events[i]->data[9999] == (unsigned char)i);
        sql_capture_event_drop(&queue.memory, events[i]);
    }
    sql_capture_event_drop(&queue.memory, large);
    cr_assert_gt(queue.memory.spare_count, 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/pace_test.c - the controller of the write lock: pure arithmetic, so times are numbers here */
#include <criterion/criterion.h>

#include "pace.h"

#define MS 1000000ull
#define T0 (5000 * MS) /* any time */

static struct lite_pace fresh(void)
{
    struct lite_pace pace;
    lite_pace_init(&pace);
    return pace;
}

/* How long the lock is left to others after a hold of so long. */
static uint64_t gap_after(struct lite_pace *pace, uint64_t hold_ns)
{
    lite_pace_begin(pace, T0);
    lite_pace_end(pace, T0 + hold_ns);
    return pace->next_hold - (T0 + hold_ns);
}

Test(sqlite_pace, hold_ends_after_its_time)
{
    struct lite_pace pace = fresh();
    lite_pace_begin(&pace, T0);
    cr_expect_not(lite_pace_is_over(&pace, T0 + LITE_HOLD_NS - 1));
    cr_expect(lite_pace_is_over(&pace, T0 + LITE_HOLD_NS));
}

Test(sqlite_pace, hold_is_shorter_while_others_write)
{
    struct lite_pace pace = fresh();
    lite_pace_begin(&pace, T0);
    lite_pace_note_writer(&pace, T0);
    cr_expect_not(lite_pace_is_over(&pace, T0 + LITE_HOLD_CONTENDED_NS - 1));
    cr_expect(lite_pace_is_over(&pace, T0 + LITE_HOLD_CONTENDED_NS));
}

Test(sqlite_pace, writer_is_forgotten_after_a_second)
{
    struct lite_pace pace = fresh();
    cr_expect_not(lite_pace_contended(&pace, T0));
    lite_pace_note_writer(&pace, T0);
    cr_expect(lite_pace_contended(&pace, T0 + 1000 * MS - 1));
    cr_expect_not(lite_pace_contended(&pace, T0 + 1000 * MS));
}

/* SQLite sleeps 1, 2, 5, 10, 15, 20, 25 ms: its attempts are 1, 3, 8, 18, 33, 53, 78 ms after the first. */
Test(sqlite_pace, gap_covers_the_sleep_of_a_writer_that_met_the_hold)
{
    static const struct {
        uint64_t hold_ns, sleep_ms;
    } cases[] = {{3 * MS - 1, 2}, {3 * MS, 5},   {8 * MS - 1, 5}, {8 * MS, 10},
                 {18 * MS, 15},   {33 * MS, 20}, {53 * MS, 25},   {10000 * MS, 25}};
    struct lite_pace pace = fresh();
    cr_expect_eq(gap_after(&pace, 0), LITE_GAP_NS, "a writer sleeps 1 ms, so the shortest gap counts");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t sleep_ns = cases[i].sleep_ms * MS + LITE_TIMER_SLACK_NS, gap_ns = gap_after(&pace, cases[i].hold_ns);
        cr_expect_eq(gap_ns, sleep_ns < LITE_GAP_NS ? LITE_GAP_NS : sleep_ns, "case %zu: %lu", i,
                     (unsigned long)gap_ns);
    }
}

Test(sqlite_pace, gap_is_longer_while_others_write)
{
    struct lite_pace pace = fresh();
    lite_pace_note_writer(&pace, T0);
    cr_expect_eq(gap_after(&pace, 1 * MS), LITE_GAP_CONTENDED_NS);
    cr_expect_eq(gap_after(&pace, 3 * MS), 5 * MS + LITE_TIMER_SLACK_NS);
}

Test(sqlite_pace, rows_approach_what_fits_into_a_hold)
{
    struct lite_pace pace = fresh();
    for (int i = 0; i < 10; i++) /* a row costs 1 us, so 2,000 fit into 2 ms */
        lite_pace_learn_rows(&pace, pace.chunk_rows, pace.chunk_rows * 1000ull, T0);
    cr_expect_eq(pace.chunk_rows, 2000);
    for (int i = 0; i < 10; i++) /* now 10 us: 200 fit */
        lite_pace_learn_rows(&pace, pace.chunk_rows, pace.chunk_rows * 10000ull, T0);
    cr_expect_eq(pace.chunk_rows, 200);
}

Test(sqlite_pace, rows_change_at_most_by_two)
{
    struct lite_pace pace = fresh();
    lite_pace_learn_rows(&pace, LITE_CHUNK_START_ROWS, 1, T0);
    cr_expect_eq(pace.chunk_rows, 2 * LITE_CHUNK_START_ROWS);
    lite_pace_learn_rows(&pace, pace.chunk_rows, 1000 * MS, T0);
    cr_expect_eq(pace.chunk_rows, LITE_CHUNK_START_ROWS);
}

Test(sqlite_pace, rows_stay_within_their_bounds)
{
    struct lite_pace pace = fresh();
    for (int i = 0; i < 20; i++)
        lite_pace_learn_rows(&pace, pace.chunk_rows, 0, T0);
    cr_expect_eq(pace.chunk_rows, LITE_CHUNK_MAX_ROWS);
    for (int i = 0; i < 20; i++)
        lite_pace_learn_rows(&pace, pace.chunk_rows, UINT64_MAX, T0);
    cr_expect_eq(pace.chunk_rows, LITE_CHUNK_MIN_ROWS);
}

Test(sqlite_pace, few_rows_do_not_enlarge_the_chunk)
{
    struct lite_pace pace = fresh();
    lite_pace_learn_rows(&pace, 10, 10, T0);
    cr_expect_eq(pace.chunk_rows, LITE_CHUNK_START_ROWS);
    lite_pace_learn_rows(&pace, 10, 10 * MS, T0);
    cr_expect_eq(pace.chunk_rows, LITE_CHUNK_START_ROWS / 2, "but slow ones make it smaller");
}

Test(sqlite_pace, steps_are_a_quarter_and_not_too_small)
{
    struct lite_pace pace = fresh();
    cr_expect_eq(lite_pace_step_rows(&pace), LITE_CHUNK_START_ROWS / LITE_CHUNK_STEPS);
    pace.chunk_rows = LITE_CHUNK_MIN_ROWS;
    cr_expect_eq(lite_pace_step_rows(&pace), LITE_CHUNK_MIN_ROWS);
}

Test(sqlite_pace, log_grows_longer_on_a_slow_disk)
{
    struct lite_pace pace = fresh();
    lite_pace_learn_restart(&pace, LITE_RESTART_SLOW_NS + 1);
    cr_expect_eq(pace.restart_pages, 2 * LITE_RESTART_MIN_PAGES);
    lite_pace_learn_restart(&pace, LITE_RESTART_SLOW_NS);
    cr_expect_eq(pace.restart_pages, LITE_RESTART_MIN_PAGES);
    for (int i = 0; i < 20; i++)
        lite_pace_learn_restart(&pace, UINT64_MAX);
    cr_expect_eq(pace.restart_pages, LITE_RESTART_MAX_PAGES);
}

Test(sqlite_pace, reset_keeps_what_describes_the_disk)
{
    struct lite_pace pace = fresh();
    lite_pace_learn_restart(&pace, UINT64_MAX);
    lite_pace_note_writer(&pace, T0);
    lite_pace_learn_rows(&pace, pace.chunk_rows, UINT64_MAX, T0);
    lite_pace_reset(&pace);
    cr_expect_eq(pace.restart_pages, 2 * LITE_RESTART_MIN_PAGES);
    cr_expect_eq(pace.chunk_rows, LITE_CHUNK_START_ROWS);
    cr_expect_not(lite_pace_contended(&pace, T0));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/pace.c - see pace.h */
#include "pace.h"

#include <stddef.h>

static uint64_t max64(uint64_t left, uint64_t right)
{
    return left > right ? left : right;
}

static uint64_t clamp64(uint64_t value, uint64_t low, uint64_t high)
{
    return value < low ? low : value > high ? high : value;
}

void lite_pace_init(struct lite_pace *pace)
{
    *pace = (struct lite_pace){.chunk_rows = LITE_CHUNK_START_ROWS, .restart_pages = LITE_RESTART_MIN_PAGES};
}

void lite_pace_reset(struct lite_pace *pace)
{
    uint32_t restart_pages = pace->restart_pages;
    lite_pace_init(pace);
    pace->restart_pages = restart_pages;
}

/* ---- the lock ------------------------------------------------------------------------------------------------ */

void lite_pace_note_writer(struct lite_pace *pace, uint64_t now)
{
    pace->contended_until = now + LITE_CONTENDED_FOR_NS;
}

bool lite_pace_contended(const struct lite_pace *pace, uint64_t now)
{
    return now < pace->contended_until;
}

static uint64_t hold_ns(const struct lite_pace *pace, uint64_t now)
{
    return lite_pace_contended(pace, now) ? LITE_HOLD_CONTENDED_NS : LITE_HOLD_NS;
}

void lite_pace_begin(struct lite_pace *pace, uint64_t now)
{
    pace->held_since = now;
}

bool lite_pace_is_over(const struct lite_pace *pace, uint64_t now)
{
    return now - pace->held_since >= hold_ns(pace, now);
}

/*
 * A writer that found the lock taken during a hold of `held_ns` may be in any sleep that began before the release:
 * returns the longest of these. The table is SQLite's own.
 */
static uint64_t longest_sleep_ns(uint64_t held_ns)
{
    static const uint64_t sleeps_ms[] = {1, 2, 5, 10, 15, 20, 25};
    uint64_t sleep_ns = 0, slept_ns = 0;
    for (size_t i = 0; i < sizeof sleeps_ms / sizeof *sleeps_ms && slept_ns <= held_ns; i++) {
        sleep_ns = sleeps_ms[i] * 1000000u;
        slept_ns += sleep_ns;
    }
    return sleep_ns + LITE_TIMER_SLACK_NS;
}

/* next_hold = now + max(gap, longest sleep of a writer that met this hold) */
void lite_pace_end(struct lite_pace *pace, uint64_t now)
{
    uint64_t gap_ns = lite_pace_contended(pace, now) ? LITE_GAP_CONTENDED_NS : LITE_GAP_NS;
    pace->next_hold = now + max64(gap_ns, longest_sleep_ns(now - pace->held_since));
}

/* ---- rows and pages ------------------------------------------------------------------------------------------ */

uint32_t lite_pace_step_rows(const struct lite_pace *pace)
{
    uint32_t rows = pace->chunk_rows / LITE_CHUNK_STEPS;
    return rows < LITE_CHUNK_MIN_ROWS ? LITE_CHUNK_MIN_ROWS : rows;
}

/*
 * fit = rows * hold / cpu, at most twice and at least half the present chunk, within the bounds. A transaction that was
 * not full says nothing about a larger one: its fixed cost would count as that of its few rows.
 */
void lite_pace_learn_rows(struct lite_pace *pace, uint32_t rows, uint64_t cpu_ns, uint64_t now)
{
    uint64_t chunk = pace->chunk_rows, fit = rows * hold_ns(pace, now) / max64(cpu_ns, 1);
    if (fit > chunk && rows < chunk)
        return;
    fit = clamp64(fit, chunk / 2, chunk * 2);
    pace->chunk_rows = (uint32_t)clamp64(fit, LITE_CHUNK_MIN_ROWS, LITE_CHUNK_MAX_ROWS);
}

/* Slow: the log may grow twice as long before the next restart. Otherwise: half as long. */
void lite_pace_learn_restart(struct lite_pace *pace, uint64_t took_ns)
{
    uint64_t pages = took_ns > LITE_RESTART_SLOW_NS ? pace->restart_pages * 2ull : pace->restart_pages / 2;
    pace->restart_pages = (uint32_t)clamp64(pages, LITE_RESTART_MIN_PAGES, LITE_RESTART_MAX_PAGES);
}

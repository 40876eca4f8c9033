/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/pace.h - how long the relay holds SQLite's write lock, and how long it then leaves the lock to others
 *
 * SQLite has one write lock. An application that finds it taken sleeps 1 ms and tries again, then 2, 5, 10, 15, 20 and
 * 25 ms. The relay shares the lock by three rules:
 *
 *  1. It holds the lock for HOLD_NS, or for HOLD_CONTENDED_NS while others write, so that a writer that met the relay
 *     finds the lock free at its first or second attempt even if a disk makes one transaction several times as long.
 *  2. Afterwards it leaves the lock alone for as long as a writer that came meanwhile may still sleep: see
 *     lite_pace_end(). So no writer meets the relay twice.
 *  3. How many rows fit into the hold is measured, in processor time. The wall clock would shrink the transactions on a
 *     busy machine, and small transactions write the same pages again and again.
 *
 * The file is pure arithmetic over times that the caller passes: no clock, no lock, no SQLite. Times are nanoseconds.
 * One thread at a time; in the store the WRITE lane.
 */
#ifndef OBX_BACKENDS_SQLITE_PACE_H
#define OBX_BACKENDS_SQLITE_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    LITE_HOLD_NS = 2000000,             /* the longest hold that is aimed at */
    LITE_HOLD_CONTENDED_NS = 600000,    /* while others write */
    LITE_GAP_NS = 2300000,              /* the shortest pause between two holds */
    LITE_GAP_CONTENDED_NS = 4000000,    /* while others write */
    LITE_TIMER_SLACK_NS = 300000,       /* a sleeping writer wakes up to so much later than it requested */
    LITE_CONTENDED_FOR_NS = 1000000000, /* a writer that was seen is expected to write again for so long */

    LITE_CHUNK_START_ROWS = 256, /* rows of a transaction: at first, at least, at most */
    LITE_CHUNK_MIN_ROWS = 16,
    LITE_CHUNK_MAX_ROWS = 8192,
    LITE_CHUNK_STEPS = 4, /* statements of a transaction; the hold is checked after each */

    LITE_RESTART_MIN_PAGES = 800, /* of a log that is made to begin anew, see lite_pace_learn_restart() */
    LITE_RESTART_MAX_PAGES = 16384,
    LITE_RESTART_SLOW_NS = 1500000, /* a restart that holds the lock for longer is slow */
};

struct lite_pace {
    uint64_t contended_until;
    uint64_t held_since; /* the begin of the last hold */
    uint64_t next_hold;  /* no transaction begins earlier */
    uint32_t chunk_rows; /* rows of the next transaction */
    uint32_t restart_pages;
};

void lite_pace_init(struct lite_pace *pace);
void lite_pace_reset(struct lite_pace *pace); /* at start; keeps restart_pages, which describes the disk */

/* Another connection was seen to write. */
void lite_pace_note_writer(struct lite_pace *pace, uint64_t now);
bool lite_pace_contended(const struct lite_pace *pace, uint64_t now);

void lite_pace_begin(struct lite_pace *pace, uint64_t now); /* the lock was taken */
bool lite_pace_is_over(const struct lite_pace *pace, uint64_t now);
void lite_pace_end(struct lite_pace *pace, uint64_t now); /* the lock was released: schedules the next hold */

/* Rows of one DELETE statement. */
uint32_t lite_pace_step_rows(const struct lite_pace *pace);
/* A transaction of `rows` rows took `cpu_ns` of processor time: adapt chunk_rows. */
void lite_pace_learn_rows(struct lite_pace *pace, uint32_t rows, uint64_t cpu_ns, uint64_t now);
/* A restart of the log, or a flush like that of a restart, took `took_ns`: adapt restart_pages. */
void lite_pace_learn_restart(struct lite_pace *pace, uint64_t took_ns);

#endif

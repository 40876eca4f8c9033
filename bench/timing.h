/* SPDX-License-Identifier: Apache-2.0 */
/* bench/timing.h - clocks, and sorting of samples */
#ifndef OBX_BENCH_TIMING_H
#define OBX_BENCH_TIMING_H

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

static inline uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* By the monotonic clock. */
static inline void sleep_until(uint64_t at_ns)
{
    struct timespec at = {(time_t)(at_ns / 1000000000u), (long)(at_ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL))
        ;
}

static inline int by_size(const void *a, const void *b)
{
    const double *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static inline void sort(double *values, uint32_t count)
{
    qsort(values, count, sizeof *values, by_size);
}

#endif

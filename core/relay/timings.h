/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/timings.h - how long things take, as histograms with fixed limits: no allocation, no locks
 *
 * An event costs one read of its row's time and one search among the limits; an operation costs one such search. Loop
 * thread only; readers get copies.
 */
#ifndef OBX_RELAY_TIMINGS_H
#define OBX_RELAY_TIMINGS_H

#include <stdint.h>

/* X(microseconds, seconds as text): upper limits of the buckets. */
#define OBX_HISTOGRAM_LIMITS(X) \
    X(500, "0.0005")            \
    X(1000, "0.001")            \
    X(2500, "0.0025")           \
    X(5000, "0.005")            \
    X(10000, "0.01")            \
    X(25000, "0.025")           \
    X(50000, "0.05")            \
    X(100000, "0.1")            \
    X(250000, "0.25")           \
    X(500000, "0.5")            \
    X(1000000, "1.0")           \
    X(2500000, "2.5")           \
    X(5000000, "5.0")           \
    X(10000000, "10.0")         \
    X(30000000, "30.0")         \
    X(60000000, "60.0")         \
    X(300000000, "300.0")       \
    X(3600000000, "3600.0")
#define OBX_HISTOGRAM_COUNT(us, text) +1u
#define OBX_HISTOGRAM_BUCKETS (0u OBX_HISTOGRAM_LIMITS(OBX_HISTOGRAM_COUNT))

struct obx_histogram {
    uint64_t counts[OBX_HISTOGRAM_BUCKETS + 1]; /* not cumulative; the last one is above all limits */
    uint64_t sum_us;
};

struct obx_timings {
    struct obx_histogram delivery; /* of an event: from created_at of its row to the confirmation of the broker */
    struct obx_histogram claim, publish, settle; /* operations, failed ones included */
};

void obx_histogram_add(struct obx_histogram *histogram, uint64_t us);
/* A confirmed event. created_us: INT64_MIN: unknown. A clock that goes before the other one counts as 0. */
void obx_timings_delivered(struct obx_timings *timings, int64_t created_us, int64_t now_us);

#endif

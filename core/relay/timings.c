/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/timings.c - see timings.h */
#include "relay/timings.h"

void obx_histogram_add(struct obx_histogram *histogram, uint64_t us)
{
#define LIMIT(us, text) UINT64_C(us),
    static const uint64_t limits[] = {OBX_HISTOGRAM_LIMITS(LIMIT)};
    unsigned bucket = 0;
    while (bucket < OBX_HISTOGRAM_BUCKETS && us > limits[bucket])
        bucket++;
    histogram->counts[bucket]++;
    histogram->sum_us += us;
}

void obx_timings_delivered(struct obx_timings *timings, int64_t created_us, int64_t now_us)
{
    if (created_us != INT64_MIN)
        obx_histogram_add(&timings->delivery, created_us < now_us ? (uint64_t)(now_us - created_us) : 0);
}

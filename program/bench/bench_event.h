/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/bench/bench_event.h - the events that `outbox bench` writes, and knowing them again when they come out
 *
 * Every run has a mark of its own: the first 24 characters of the ids of its events. The rest is their number.
 */
#ifndef OBX_PROGRAM_BENCH_BENCH_EVENT_H
#define OBX_PROGRAM_BENCH_BENCH_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include <outbox/plugin.h>

#define OBX_BENCH_AGGREGATE_TYPE "outbox-bench"
#define OBX_BENCH_TYPE "measured"
#define OBX_BENCH_MARK 24u
#define OBX_BENCH_LEAST_BYTES 80u /* of a payload: JSON that names the run and the number */

struct obx_bench_event {
    struct outbox_event event; /* points into what follows, and to the payload */
    char id[40];
    char key[24];
};

/* "xxxxxxxx-xxxx-8xxx-8xxx-": a UUID of version 8 without its last twelve digits. */
void obx_bench_mark(char mark[OBX_BENCH_MARK + 1], uint64_t high, uint64_t low);

/* The event of this number. payload: room for `bytes`, at least OBX_BENCH_LEAST_BYTES; it is filled with JSON. */
void obx_bench_event(struct obx_bench_event *event, const char *mark, uint64_t number, uint32_t keys, char *payload,
                     uint32_t bytes);

/* Is this the id of an event with this mark? Which one? */
bool obx_bench_number(const char *mark, struct outbox_bytes id, uint64_t *number);

/* The p-th percentile (0 to 100) of values, which are sorted by this. 0 when there are none. */
uint64_t obx_bench_percentile(uint64_t *values, uint64_t count, uint32_t p);

#endif

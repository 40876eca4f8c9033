/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/bench/event.h - the events that `outbox bench` writes, and recognising them after delivery
 *
 * Every run has its own prefix: the first 24 characters of its event ids. The other 12 are the number of the event.
 */
#ifndef OBX_PROGRAM_BENCH_EVENT_H
#define OBX_PROGRAM_BENCH_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include <outbox/plugin.h>

#define OBX_BENCH_AGGREGATE_TYPE "outbox-bench"
#define OBX_BENCH_TYPE "measured"
#define OBX_BENCH_PREFIX_SIZE 24u
#define OBX_BENCH_MIN_BYTES 80u /* of a payload: JSON with the prefix and the number */

struct obx_bench_event {
    struct outbox_event event; /* points into id, key and the payload */
    char id[40];
    char key[24];
};

/* "xxxxxxxx-xxxx-8xxx-8xxx-": a UUID of version 8 without its last twelve digits. */
void obx_bench_prefix(char prefix[OBX_BENCH_PREFIX_SIZE + 1], uint64_t high, uint64_t low);

/* The event of this number. payload: has `bytes` bytes, at least OBX_BENCH_MIN_BYTES;
 * it is filled with JSON. */
void obx_bench_event(struct obx_bench_event *event, const char *prefix, uint64_t number, uint32_t keys, char *payload,
                     uint32_t bytes);

/* True if the id has this prefix; *number is then the number of the event. */
bool obx_bench_number(const char *prefix, struct outbox_bytes id, uint64_t *number);

/* Sorts values and returns their p-th percentile (0 to 100). 0 if count is 0. */
uint64_t obx_bench_percentile(uint64_t *values, uint64_t count, uint32_t p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* program/bench/event.c - the events that `outbox bench` writes; pure, so that it is tested without a server */
#include "bench/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void obx_bench_prefix(char prefix[OBX_BENCH_PREFIX_SIZE + 1], uint64_t high, uint64_t low)
{
    snprintf(prefix, OBX_BENCH_PREFIX_SIZE + 1, "%08" PRIx32 "-%04x-8%03x-8%03x-", (uint32_t)(high >> 32),
             (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xfff), (unsigned)(low & 0xfff));
}

static struct outbox_bytes bytes_of(const char *text)
{
    return (struct outbox_bytes){text, strlen(text)};
}

/* {"bench":"PREFIX","n":7,"pad":"xxx"} of exactly `bytes` bytes */
static void write_payload(char *payload, uint32_t bytes, const char *prefix, uint64_t number)
{
    int used = snprintf(payload, bytes, "{\"bench\":\"%s\",\"n\":%" PRIu64 ",\"pad\":\"", prefix, number);
    memset(payload + used, 'x', bytes - (size_t)used);
    memcpy(payload + bytes - 2, "\"}", 2);
}

void obx_bench_event(struct obx_bench_event *event, const char *prefix, uint64_t number, uint32_t keys, char *payload,
                     uint32_t bytes)
{
    snprintf(event->id, sizeof event->id, "%s%012" PRIx64, prefix, number & 0xffffffffffff);
    snprintf(event->key, sizeof event->key, "bench-%" PRIu64, number % keys);
    write_payload(payload, bytes, prefix, number);
    event->event = (struct outbox_event){.struct_size = sizeof event->event,
                                         .event_id = bytes_of(event->id),
                                         .aggregate_type = bytes_of(OBX_BENCH_AGGREGATE_TYPE),
                                         .aggregate_id = bytes_of(event->key),
                                         .type = bytes_of(OBX_BENCH_TYPE),
                                         .payload = {payload, bytes}};
}

bool obx_bench_number(const char *prefix, struct outbox_bytes id, uint64_t *number)
{
    char digits[13], *end;
    if (id.size != 36 || memcmp(id.data, prefix, OBX_BENCH_PREFIX_SIZE))
        return false;
    memcpy(digits, (const char *)id.data + OBX_BENCH_PREFIX_SIZE, 12);
    digits[12] = '\0';
    *number = strtoull(digits, &end, 16);
    return end == digits + 12;
}

static int compare(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

uint64_t obx_bench_percentile(uint64_t *values, uint64_t count, uint32_t p)
{
    if (!count)
        return 0;
    qsort(values, count, sizeof *values, compare);
    uint64_t index = count * p / 100;
    return values[index < count ? index : count - 1];
}

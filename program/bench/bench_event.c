/* SPDX-License-Identifier: Apache-2.0 */
/* program/bench/bench_event.c - the events that `outbox bench` writes; pure, so that it is tested without a server */
#include "bench/bench_event.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void obx_bench_mark(char mark[OBX_BENCH_MARK + 1], uint64_t high, uint64_t low)
{
    snprintf(mark, OBX_BENCH_MARK + 1, "%08" PRIx32 "-%04x-8%03x-8%03x-", (uint32_t)(high >> 32),
             (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xfff), (unsigned)(low & 0xfff));
}

static struct outbox_bytes bytes_of(const char *text)
{
    return (struct outbox_bytes){text, strlen(text)};
}

/* {"bench":"MARK","n":7,"pad":"xxx"}, just so long */
static void write_payload(char *payload, uint32_t bytes, const char *mark, uint64_t number)
{
    int used = snprintf(payload, bytes, "{\"bench\":\"%s\",\"n\":%" PRIu64 ",\"pad\":\"", mark, number);
    memset(payload + used, 'x', bytes - (size_t)used);
    memcpy(payload + bytes - 2, "\"}", 2);
}

void obx_bench_event(struct obx_bench_event *event, const char *mark, uint64_t number, uint32_t keys, char *payload,
                     uint32_t bytes)
{
    snprintf(event->id, sizeof event->id, "%s%012" PRIx64, mark, number & 0xffffffffffff);
    snprintf(event->key, sizeof event->key, "bench-%" PRIu64, number % keys);
    write_payload(payload, bytes, mark, number);
    event->event = (struct outbox_event){.struct_size = sizeof event->event,
                                         .event_id = bytes_of(event->id),
                                         .aggregate_type = bytes_of(OBX_BENCH_AGGREGATE_TYPE),
                                         .aggregate_id = bytes_of(event->key),
                                         .type = bytes_of(OBX_BENCH_TYPE),
                                         .payload = {payload, bytes}};
}

bool obx_bench_number(const char *mark, struct outbox_bytes id, uint64_t *number)
{
    char digits[13], *end;
    if (id.size != 36 || memcmp(id.data, mark, OBX_BENCH_MARK))
        return false;
    memcpy(digits, (const char *)id.data + OBX_BENCH_MARK, 12);
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/dead_pace.c - a replay that takes its time: a few letters, a pause, the next ones
 *
 * Each step is one operation of the store, so one transaction; what was replayed before a failure stays replayed. Steps
 * follow ten times in a second, or with one letter each. With on_reject: park-key a relay moves an event back as long
 * as its key has a dead letter, so the letters of one key are replayed in one step, however many they are.
 */
#include <string.h>

#include "verbs/dead_request.h"

enum { STEPS = 10 }; /* in a second */

struct steps {
    uint64_t numbers[OBX_DEAD_NUMBERS];
    bool taken[OBX_DEAD_NUMBERS];
};

static uint32_t take(struct steps *steps, const struct obx_dead_request *request, uint32_t index, uint32_t count)
{
    steps->taken[index] = true;
    steps->numbers[count] = request->numbers[index];
    return count + 1;
}

/* The next letters, and with them those of their keys. Returns their number; 0: all were taken. */
static uint32_t next_step(struct steps *steps, const struct obx_dead_request *request, uint32_t wanted)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < request->count && count < wanted; i++) {
        if (steps->taken[i])
            continue;
        count = take(steps, request, i, count);
        for (uint32_t k = i + 1; request->keeps_keys && k < request->count; k++)
            if (!steps->taken[k] && request->keys[k] == request->keys[i])
                count = take(steps, request, k, count);
    }
    return count;
}

int obx_dead_pace(struct obx_oneshot *oneshot, struct obx_dead_request *request, uint64_t *affected,
                  struct outbox_error *error)
{
    static struct steps steps; /* large; one replay in a process */
    uint64_t began = obx_loop_now(oneshot->loop), moved;
    uint32_t wanted = request->rate < STEPS ? 1 : request->rate / STEPS, count, submitted = 0;
    int status = OUTBOX_OK;
    memset(&steps, 0, sizeof steps);
    *affected = 0;
    while (!status && (count = next_step(&steps, request, wanted))) {
        obx_oneshot_sleep_until(oneshot, began + submitted * UINT64_C(1000000000) / request->rate);
        status = obx_dead_run(oneshot, OUTBOX_DEAD_REPLAY, request, steps.numbers, count, &moved, error);
        *affected += status ? 0 : moved;
        submitted += count;
    }
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/progress.c - arbitrary bytes in the place of a progress record
 *
 * What is accepted is written again, and read again with the same events.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../../brokers/kafka/progress.h"

static bool is_same(const struct kafka_progress_list *one, const struct kafka_progress_list *other)
{
    bool same = one->count == other->count;
    for (uint32_t i = 0; same && i < one->count; i++)
        same = one->items[i].position.major == other->items[i].position.major &&
               one->items[i].position.minor == other->items[i].position.minor &&
               one->items[i].hash == other->items[i].hash;
    return same;
}

static void check_again(const struct kafka_progress *progress, struct kafka_progress_part part)
{
    struct kafka_progress again = {.host = &fuzz_host};
    uint8_t *bytes = malloc(KAFKA_PROGRESS_BYTES);
    FUZZ_CHECK(bytes);
    part.part = 0;
    part.parts = 1;
    size_t size = kafka_progress_encode(progress, &part, bytes);
    FUZZ_CHECK(size <= KAFKA_PROGRESS_BYTES);
    FUZZ_CHECK(kafka_progress_decode(&again, bytes, size, &part) == OUTBOX_OK);
    FUZZ_CHECK(is_same(&progress->known, &again.known));
    kafka_progress_free(&again);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kafka_progress progress = {.host = &fuzz_host};
    struct kafka_progress_part part;
    int code = kafka_progress_decode(&progress, data, size, &part);
    FUZZ_CHECK(code == OUTBOX_OK || code == OUTBOX_E_CORRUPT);
    FUZZ_CHECK(memchr(part.outbox, 0, sizeof part.outbox));
    if (code == OUTBOX_OK)
        check_again(&progress, part);
    kafka_progress_is_key("shop", data, size);
    kafka_progress_free(&progress);
    return 0;
}

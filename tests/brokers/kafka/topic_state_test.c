/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/kafka/topic_state_test.c - the pauses of a topic that fails */
#include <criterion/criterion.h>

#include "../../../brokers/kafka/topic.h"

#define MS 1000000ull

Test(kafka_topic_state, attempts_are_a_second_apart_after_the_first_five)
{
    static const uint64_t pauses_ms[] = {100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000};
    struct kafka_topic topic = {.verified = true};
    uint64_t now = 77 * MS;
    for (size_t i = 0; i < sizeof pauses_ms / sizeof *pauses_ms; i++) {
        kafka_topic_pause(&topic, now);
        cr_assert_eq(topic.retry_at - now, pauses_ms[i] * MS, "pause %zu", i + 1);
        cr_assert(!topic.verified);
        now = topic.retry_at;
    }
}

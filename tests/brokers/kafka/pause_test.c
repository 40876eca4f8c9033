/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/kafka/pause_test.c - the pause after a commit, from the times of requests */
#include <criterion/criterion.h>

#include "../../../brokers/kafka/pause.h"

#define MS 1000000u

enum { PRODUCE = 0, ADD_PARTITIONS = 24, HEARTBEAT = 12 };

static struct kafka_pause pause;

/* A transaction whose messages are sent so long after its first request for partitions; more requests follow. */
static uint64_t after(uint64_t waited_ns)
{
    kafka_pause_note(&pause, HEARTBEAT, 1 * MS);
    kafka_pause_note(&pause, ADD_PARTITIONS, 100 * MS);
    kafka_pause_note(&pause, ADD_PARTITIONS, 120 * MS);
    kafka_pause_note(&pause, PRODUCE, 100 * MS + waited_ns);
    kafka_pause_note(&pause, ADD_PARTITIONS, 900 * MS);
    kafka_pause_note(&pause, PRODUCE, 950 * MS);
    return kafka_pause_next(&pause);
}

Test(kafka_pause, without_a_refusal_there_is_none)
{
    cr_assert_eq(kafka_pause_next(&pause), 0);
    cr_assert_eq(after(0), 0);
    cr_assert_eq(after(19 * MS), 0);
}

Test(kafka_pause, it_grows_while_partitions_are_refused_and_has_a_limit)
{
    cr_assert_eq(after(20 * MS), 2 * MS);
    cr_assert_eq(after(25 * MS), 4 * MS);
    for (int i = 0; i < 20; i++)
        after(400 * MS);
    cr_assert_eq(after(20 * MS), KAFKA_PAUSE_MAX_NS);
}

Test(kafka_pause, it_shrinks_slowly_while_none_are_refused)
{
    after(30 * MS);
    after(30 * MS);
    cr_assert_eq(after(3 * MS), 4 * MS - 4 * MS / 64);
    for (int i = 0; i < 10; i++)
        after(3 * MS);
    cr_assert_gt(pause.length_ns, 3 * MS);
    cr_assert_lt(pause.length_ns, 4 * MS);
}

/* All messages failed before they were sent. */
Test(kafka_pause, transaction_without_messages_counts_as_not_refused)
{
    after(30 * MS);
    kafka_pause_note(&pause, ADD_PARTITIONS, 100 * MS);
    cr_assert_leq(kafka_pause_next(&pause), 2 * MS);
    cr_assert_leq(kafka_pause_next(&pause), 2 * MS);
}

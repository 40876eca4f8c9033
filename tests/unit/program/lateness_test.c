/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/program/lateness_test.c - when a relay is late, and when no more */
#include <criterion/criterion.h>

#include "daemon/lateness.h"

enum { SECOND = 1000000000, LIMIT_S = 60 };

static const struct obx_lateness_facts fine = {
    .now_ns = 1000ull * SECOND, .wall_us = 5, .limit_ns = (uint64_t)LIMIT_S * SECOND, .in_flight = 1, .settled = 7};

static struct obx_lateness late_one(void)
{
    struct obx_lateness late = {0};
    struct obx_lateness_facts facts = fine;
    facts.oldest_ns = 61ull * SECOND;
    cr_assert_not(obx_lateness_note(&late, &facts), "the event may pass");
    cr_assert_eq(late.since_ns, 0);
    cr_assert(obx_lateness_note(&late, &facts));
    cr_assert_eq(late.since_ns, facts.now_ns);
    cr_assert_eq(late.since_us, 5);
    cr_assert_eq(late.age_ns, facts.oldest_ns);
    return late;
}

Test(lateness, old_event_in_flight_makes_a_relay_late_until_none_is)
{
    struct obx_lateness late = late_one();
    struct obx_lateness_facts facts = fine;
    facts.now_ns += SECOND;
    facts.oldest_ns = 300ull * SECOND;
    cr_assert_not(obx_lateness_note(&late, &facts), "it is late already");
    cr_assert_eq(late.since_ns, fine.now_ns, "since the first time");
    cr_assert_eq(late.age_ns, facts.oldest_ns);
    facts.oldest_ns = 60ull * SECOND;
    cr_assert(obx_lateness_note(&late, &facts));
    cr_assert_eq(late.since_ns, 0);
    cr_assert_eq(late.since_us, 0);
    cr_assert_eq(late.age_ns, 0);
    cr_assert_not(obx_lateness_note(&late, &facts));
}

Test(lateness, old_events_that_pass_make_no_relay_late)
{
    struct obx_lateness late = {0};
    struct obx_lateness_facts facts = fine;
    for (int i = 0; i < 10; i++) {
        facts.oldest_ns = i % 2 ? 0 : 300ull * SECOND;
        cr_expect_not(obx_lateness_note(&late, &facts));
    }
    cr_assert_eq(late.since_ns, 0);
}

Test(lateness, events_that_nothing_takes_make_a_relay_late)
{
    struct obx_lateness late = {0};
    struct obx_lateness_facts facts = fine;
    facts.behind_ns = 61ull * SECOND;
    cr_assert_not(obx_lateness_note(&late, &facts), "events are in flight");
    facts.in_flight = 0;
    facts.settled++;
    cr_assert_not(obx_lateness_note(&late, &facts), "some were removed");
    cr_assert_not(obx_lateness_note(&late, &facts), "some may be removed before the next note");
    cr_assert(obx_lateness_note(&late, &facts));
    cr_assert_eq(late.age_ns, facts.behind_ns);
}

Test(lateness, standby_and_relay_without_a_limit_are_not_late)
{
    struct obx_lateness late = late_one(), without = {0};
    struct obx_lateness_facts facts = fine;
    facts.oldest_ns = 61ull * SECOND;
    facts.elsewhere = true;
    cr_assert(obx_lateness_note(&late, &facts));
    cr_assert_eq(late.since_ns, 0);
    facts.elsewhere = false;
    facts.limit_ns = 0;
    cr_assert_not(obx_lateness_note(&without, &facts));
}

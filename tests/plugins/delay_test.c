/* SPDX-License-Identifier: Apache-2.0 */
/* tests/plugins/delay_test.c - calls and answers come at their time, in their order, and none is lost */
#include <criterion/criterion.h>
#include <string.h>

#include "mem_fault.h"
#include "pile.h"

#define DELAY(options) "it: { plugin: delay, calls: publish, " options ", wraps: { plugin: memory } }\n"

static void begin(struct pile *pile, const char *yaml)
{
    pile_open(pile, OUTBOX_BROKER, yaml);
    pile_start(pile);
    pile->fake.step_ns = 0;
}

static void pass(struct pile *pile, uint64_t ms)
{
    fake_loop_run_for(&pile->fake, ms * OBX_MS);
}

Test(delay, waits_before)
{
    struct pile pile;
    begin(&pile, DELAY("before: 100ms"));
    pile_submit(&pile, 0, "a1 b1");
    pass(&pile, 99);
    cr_assert_str_eq(pile_there(&pile), "");
    pass(&pile, 2);
    cr_assert_str_eq(pile_there(&pile), "a1 b1");
    cr_assert_str_eq(pile_finish(&pile, 0), "DD");
    pile_close(&pile);
}

Test(delay, waits_after_with_the_outcomes)
{
    struct pile pile;
    begin(&pile, "it: { plugin: delay, calls: publish, after: 100ms, wraps: { plugin: fault, calls: publish, key: b,\n"
                 "      kind: rejected, wraps: { plugin: memory } } }\n");
    pile_submit(&pile, 0, "a1 b1 b2 c1");
    pass(&pile, 99);
    cr_assert_str_eq(pile_there(&pile), "a1 c1");
    cr_assert_str_eq(pile_outcomes(&pile, 0), "....");
    pass(&pile, 2);
    cr_assert_str_eq(pile_outcomes(&pile, 0), "DRRD");
    cr_assert(pile.slots[0].call.done);
    pile_close(&pile);
}

Test(delay, never_changes_the_order)
{
    struct pile pile;
    begin(&pile, DELAY("before: 10ms, after: 5ms, jitter: 80ms"));
    for (int round = 0; round < 20; round++) {
        static const char *const events[] = {"a1", "a2", "a3", "a4", "a5", "a6"};
        for (int i = 0; i < 6; i++)
            pile_submit(&pile, i, events[i]);
        for (int i = 5; i >= 0; i--) {
            cr_assert_str_eq(pile_finish(&pile, i), "D");
            cr_assert(i == 5 || pile.slots[i].call.done, "an answer overtook");
        }
    }
    const char *there = pile_there(&pile);
    cr_assert_eq(strncmp(there, "a1 a2 a3 a4 a5 a6 a1 a2 a3 a4 a5 a6 ", 36), 0, "%s", there);
    pile_close(&pile);
}

Test(delay, lets_other_calls_through_at_once)
{
    struct pile pile;
    begin(&pile, "it: { plugin: delay, calls: check, before: 1h, wraps: { plugin: memory } }\n");
    uint64_t before = pile.fake.now_ns;
    cr_assert_str_eq(pile_send(&pile, "a1"), "D");
    cr_assert_eq(pile.fake.now_ns, before);
    pile_close(&pile);
}

/* The plugin underneath cannot know of what still waits to go down, nor that what it told waits to go up. */
Test(delay, refuses_what_was_submitted_before_a_failure_was_told)
{
    struct pile pile;
    begin(&pile,
          "it: { plugin: delay, calls: publish, before: 10ms, after: 10ms, wraps: { plugin: fault, calls: publish,\n"
          "      key: a, count: 1, kind: retry, wraps: { plugin: memory } } }\n");
    pile_submit(&pile, 0, "a1 b1");
    pass(&pile, 5);
    pile_submit(&pile, 1, "a2 b2"); /* waits while a1 fails */
    pass(&pile, 10);
    pile_submit(&pile, 2, "c1"); /* comes before that is told */
    cr_assert_str_eq(pile_finish(&pile, 0), "TD");
    cr_assert_str_eq(pile_finish(&pile, 1), "TT");
    cr_assert_str_eq(pile_finish(&pile, 2), "T");
    cr_assert_str_eq(pile_send(&pile, "a1 a2 b2 c1"), "DDDD");
    cr_assert_str_eq(pile_there(&pile), "b1 a1 a2 b2 c1");
    pile_close(&pile);
}

Test(delay, refuses_behind_an_outage_as_not_connected)
{
    struct pile pile;
    begin(&pile, "it: { plugin: delay, calls: publish, before: 10ms, wraps: { plugin: fault, calls: publish, key: a,\n"
                 "      count: 1, kind: unknown, wraps: { plugin: memory } } }\n");
    pile_submit(&pile, 0, "a1 b1");
    pass(&pile, 5);
    pile_submit(&pile, 1, "c1");
    cr_assert_str_eq(pile_finish(&pile, 0), "UD");
    cr_assert_str_eq(pile_finish(&pile, 1), "N");
    cr_assert_str_eq(pile_send(&pile, "a1 c1"), "DD");
    pile_close(&pile);
}

Test(delay, stops_behind_everything_else)
{
    struct pile pile;
    struct harness_call stop = {0};
    begin(&pile, DELAY("before: 50ms, after: 50ms"));
    pile_submit(&pile, 0, "a1");
    harness_reset(&stop);
    obx_instance_stop(pile.top, &stop.call, 0);
    cr_assert_eq(harness_wait(&pile.harness, &stop), 0);
    cr_assert(pile.slots[0].call.done);
    cr_assert_str_eq(pile_outcomes(&pile, 0), "D");
    pile_close(&pile);
}

Test(delay, gives_up_what_waits_when_it_is_canceled)
{
    struct pile pile;
    struct harness_call stop = {0};
    begin(&pile, DELAY("before: 1h"));
    pile_submit(&pile, 0, "a1");
    pile_submit(&pile, 1, "a2");
    harness_reset(&stop);
    obx_instance_stop(pile.top, &stop.call, 20);
    cr_assert_eq(harness_wait(&pile.harness, &stop), 0, "%s", stop.error.text);
    cr_assert_str_eq(pile_outcomes(&pile, 0), "N");
    cr_assert_str_eq(pile_outcomes(&pile, 1), "N");
    cr_assert_str_eq(pile.slots[0].call.error.text, "publish: canceled while the delay plugin made it wait");
    cr_assert_str_eq(pile_there(&pile), "");
    pile_close(&pile);
}

Test(delay, tells_at_once_when_an_answer_that_waits_is_canceled)
{
    struct pile pile;
    struct harness_call stop = {0};
    begin(&pile, DELAY("after: 1h"));
    pile_submit(&pile, 0, "a1");
    harness_reset(&stop);
    obx_instance_stop(pile.top, &stop.call, 20);
    cr_assert_eq(harness_wait(&pile.harness, &stop), 0);
    cr_assert_str_eq(pile_outcomes(&pile, 0), "D");
    pile_close(&pile);
}

Test(delay, survives_the_failure_of_every_allocation)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        struct pile pile;
        begin(&pile, DELAY("before: 10ms, after: 10ms"));
        mem_fail_at(n, false);
        pile_submit(&pile, 0, "a1 b1");
        pile_finish(&pile, 0);
        failed = mem_failed();
        mem_fail_at(0, false);
        cr_assert(strspn(pile_outcomes(&pile, 0), "DN") == 2, "%s", pile_outcomes(&pile, 0));
        pile_close(&pile);
        cr_assert_lt(n, 50);
    }
}

Test(delay, cannot_be_made_without_memory)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        struct pile pile;
        struct outbox_error error = {0};
        struct obx_instance *second = NULL;
        pile_open(&pile, OUTBOX_BROKER, DELAY("before: 1ms"));
        mem_fail_at(n, false);
        int code = harness_instance(&pile.harness, OUTBOX_BROKER, "it", &second, &error);
        failed = mem_failed();
        mem_fail_at(0, false);
        cr_assert_eq(code, failed ? OUTBOX_E_NO_MEMORY : OUTBOX_OK, "%s", error.text);
        obx_instance_free(second);
        pile_close(&pile);
    }
}

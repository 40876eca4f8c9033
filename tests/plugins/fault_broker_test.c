/* SPDX-License-Identifier: Apache-2.0 */
/* tests/plugins/fault_broker_test.c - every effect on a broker, and order within keys under all of them */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem_fault.h"
#include "pile.h"

#define FAULT(options) "it: { plugin: fault, calls: publish, " options ", wraps: { plugin: memory } }\n"

static void begin(struct pile *pile, const char *yaml)
{
    pile_open(pile, OUTBOX_BROKER, yaml);
    pile_start(pile);
}

Test(fault_broker, fails_the_nth_publish_and_no_other)
{
    struct pile pile;
    begin(&pile, FAULT("nth: 2, count: 1"));
    cr_assert_str_eq(pile_send(&pile, "a1 b1"), "DD");
    cr_assert_str_eq(pile_send(&pile, "a2 b2"), "NN");
    cr_assert_eq(pile.slots[0].call.error.code, 0);
    cr_assert_str_eq(pile_send(&pile, "a2 b2"), "DD");
    cr_assert_str_eq(pile_there(&pile), "a1 b1 a2 b2");
    pile_close(&pile);
}

Test(fault_broker, fails_each_third_from_the_second_on)
{
    struct pile pile;
    begin(&pile, FAULT("nth: 2, every: 3, kind: rejected"));
    static const char *const wanted[] = {"D", "R", "D", "D", "R", "D", "D", "R"};
    for (int i = 0; i < 8; i++)
        cr_assert_str_eq(pile_send(&pile, "a1"), wanted[i], "%d", i);
    pile_close(&pile);
}

Test(fault_broker, tells_each_kind_as_its_outcome)
{
    static const char *const kinds[] = {"retry", "rejected", "unknown", "full", "fenced"};
    static const char *const wanted[] = {"T", "R", "U", "N", "N"};
    for (int i = 0; i < 5; i++) {
        struct pile pile;
        char yaml[200];
        snprintf(yaml, sizeof yaml, "it: { plugin: fault, calls: publish, kind: %s, wraps: { plugin: memory } }\n",
                 kinds[i]);
        begin(&pile, yaml);
        cr_assert_str_eq(pile_send(&pile, "a1"), wanted[i]);
        pile_close(&pile);
    }
}

Test(fault_broker, fails_one_key_and_keeps_its_order)
{
    struct pile pile;
    begin(&pile, FAULT("key: a, kind: retry, count: 1"));
    cr_assert_str_eq(pile_send(&pile, "a1 b1 a2 -1"), "TDTD");
    cr_assert_str_eq(pile_send(&pile, "a3"), "T", "a1 and a2 must go first");
    cr_assert_str_eq(pile_send(&pile, "a1 a2 a3 b2"), "DDDD");
    cr_assert_str_eq(pile_there(&pile), "b1 -1 a1 a2 a3 b2");
    pile_close(&pile);
}

/* Several publishes are in flight before the host has heard of the failure. */
Test(fault_broker, keeps_the_order_of_a_key_over_publishes_in_flight)
{
    struct pile pile;
    begin(&pile, FAULT("nth: 1, count: 1, kind: retry"));
    pile_submit(&pile, 0, "a1 b1");
    pile_submit(&pile, 1, "a2 c1");
    pile_submit(&pile, 2, "b2 c2");
    cr_assert_str_eq(pile_finish(&pile, 0), "TT");
    cr_assert_str_eq(pile_finish(&pile, 1), "TD");
    cr_assert_str_eq(pile_finish(&pile, 2), "TD");
    cr_assert_str_eq(pile_send(&pile, "a1 b1 a2 b2"), "DDDD");
    cr_assert_str_eq(pile_there(&pile), "c1 c2 a1 b1 a2 b2");
    pile_close(&pile);
}

Test(fault_broker, appends_and_drops_the_answer)
{
    struct pile pile;
    begin(&pile, FAULT("effect: drop_ack, key: a, count: 1"));
    cr_assert_str_eq(pile_send(&pile, "b1 a1 a2 b2"), "DUND");
    cr_assert_str_eq(pile_there(&pile), "b1 a1 b2");
    cr_assert_str_eq(pile_send(&pile, "a1 a2"), "DD");
    cr_assert_str_eq(pile_there(&pile), "b1 a1 b2 a1 a2", "twice, but first occurrences are in order");
    pile_close(&pile);
}

Test(fault_broker, draws_single_events_the_same_for_a_seed)
{
    char first[PILE_EVENTS + 1] = "";
    for (int i = 0; i < 2; i++) {
        struct pile pile;
        begin(&pile, FAULT("rate: 50, seed: 11, kind: rejected"));
        const char *outcomes = pile_send(&pile, "a1 b1 c1 d1 e1 f1 g1 h1 i1 j1 k1 l1 m1 n1 o1 p1");
        cr_assert(strchr(outcomes, 'D') && strchr(outcomes, 'R'), "%s", outcomes);
        if (!i)
            strcpy(first, outcomes);
        cr_assert_str_eq(outcomes, first);
        pile_close(&pile);
    }
}

Test(fault_broker, loses_the_connection_and_does_the_work)
{
    struct pile pile;
    begin(&pile, FAULT("effect: lost, count: 1"));
    cr_assert_str_eq(pile_send(&pile, "a1"), "D");
    fake_loop_settle(&pile.fake);
    cr_assert_eq(pile.harness.losses, 1);
    cr_assert_str_eq(pile.harness.loss.text, "publish: failed on purpose by the fault plugin: not_connected");
    pile_close(&pile);
}

Test(fault_broker, hangs_until_canceled_and_lets_nothing_overtake)
{
    struct pile pile;
    struct harness_call stop = {0};
    begin(&pile, FAULT("effect: hang, nth: 2, count: 1"));
    cr_assert_str_eq(pile_send(&pile, "a1"), "D");
    pile_submit(&pile, 0, "a2");
    pile_submit(&pile, 1, "a3");
    fake_loop_run_for(&pile.fake, 3600ull * 1000 * OBX_MS);
    cr_assert(!pile.slots[0].call.done && !pile.slots[1].call.done);
    harness_reset(&stop);
    obx_instance_stop(pile.top, &stop.call, 100);
    cr_assert_eq(harness_wait(&pile.harness, &stop), 0, "%s", stop.error.text);
    cr_assert_str_eq(pile_outcomes(&pile, 0), "N");
    cr_assert_str_eq(pile_outcomes(&pile, 1), "N");
    cr_assert_eq(pile.slots[0].call.error.code, OUTBOX_E_CANCELED);
    pile_start(&pile);
    cr_assert_str_eq(pile_send(&pile, "a2 a3"), "DD");
    cr_assert_str_eq(pile_there(&pile), "a1 a2 a3");
    pile_close(&pile);
}

Test(fault_broker, acts_while_the_trigger_is_there)
{
    struct pile pile;
    char path[] = "/tmp/outbox-fault-XXXXXX", yaml[200];
    int fd = mkstemp(path);
    close(fd);
    snprintf(yaml, sizeof yaml, "it: { plugin: fault, calls: publish, trigger: %s, wraps: { plugin: memory } }\n",
             path);
    begin(&pile, yaml);
    cr_assert_str_eq(pile_send(&pile, "a1"), "N");
    unlink(path);
    cr_assert_str_eq(pile_send(&pile, "a1"), "D");
    pile_close(&pile);
}

Test(fault_broker, fails_start_and_undoes_a_start_without_answer)
{
    struct pile pile;
    struct outbox_error error;
    pile_open(
        &pile, OUTBOX_BROKER,
        "it: { plugin: fault, calls: start, count: 1, effect: drop_ack, kind: timeout,\n"
        "      wraps: { plugin: fault, calls: start, count: 1, kind: permission, wraps: { plugin: memory } } }\n");
    cr_assert_eq(harness_broker_start(&pile.harness, pile.top, &error), OUTBOX_E_TIMEOUT);
    cr_assert_str_eq(error.text, "start: failed on purpose by the fault plugin: timeout");
    cr_assert_eq(harness_broker_start(&pile.harness, pile.top, &error), OUTBOX_OK, "%s", error.text);
    cr_assert_str_eq(pile_send(&pile, "a1"), "D");
    pile_close(&pile);
}

Test(fault_broker, stops_what_it_started_without_telling)
{
    struct pile pile;
    struct outbox_error error;
    pile_open(&pile, OUTBOX_BROKER,
              "it: { plugin: fault, calls: start, count: 1, effect: drop_ack, wraps: { plugin: memory } }\n");
    cr_assert_eq(harness_broker_start(&pile.harness, pile.top, &error), OUTBOX_E_NOT_CONNECTED);
    cr_assert_str_eq(pile_send(&pile, "a1"), "N", "the memory broker is stopped");
    pile_start(&pile);
    cr_assert_str_eq(pile_send(&pile, "a1"), "D");
    pile_close(&pile);
}

Test(fault_broker, passes_on_without_memory_for_an_operation)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        struct pile pile;
        begin(&pile, "it: { plugin: fault, calls: check, wraps: { plugin: memory } }\n");
        mem_fail_at(n, false);
        const char *outcomes = pile_send(&pile, "a1 b1");
        failed = mem_failed();
        mem_fail_at(0, false);
        cr_assert(strspn(outcomes, failed ? "DN" : "D") == 2, "%s", outcomes);
        pile_close(&pile);
    }
}

Test(fault_broker, stops_what_is_underneath_whatever_is_told)
{
    struct pile pile;
    struct outbox_error error;
    begin(&pile, "it: { plugin: fault, calls: stop, count: 1, wraps: { plugin: memory } }\n");
    cr_assert_eq(harness_stop(&pile.harness, pile.top, &error), OUTBOX_E_NOT_CONNECTED);
    cr_assert_str_eq(pile_send(&pile, "a1"), "N", "the memory broker is stopped");
    pile_close(&pile);
}

Test(fault_broker, refuses_calls_that_there_are_not)
{
    struct pile pile;
    struct outbox_error error;
    cr_assert_eq(pile_try(&pile, OUTBOX_BROKER,
                          "it: { plugin: fault, calls: 'publish, claim', wraps: { plugin: memory } }\n", &error),
                 OUTBOX_E_CONFIG);
    cr_assert_str_eq(error.text, "pile.yaml:1:1: unknown call 'claim' in calls; there are start, stop, check, publish");
    pile_close(&pile);
    cr_assert_eq(
        pile_try(&pile, OUTBOX_BROKER, "it: { plugin: fault, calls: ' ', wraps: { plugin: memory } }\n", &error),
        OUTBOX_E_CONFIG);
    pile_close(&pile);
}

static void crash_in_publish(const char *yaml)
{
    struct pile pile;
    begin(&pile, yaml);
    pile_send(&pile, "a1");
    cr_assert_fail("still alive");
}

Test(fault_broker, kills_the_process_before, .signal = SIGKILL)
{
    crash_in_publish(FAULT("effect: crash_before"));
}

Test(fault_broker, kills_the_process_after, .signal = SIGKILL)
{
    crash_in_publish(FAULT("effect: crash_after"));
}

/* Whatever allocation fails: nothing overtakes, nothing is told twice, and it heals by a restart. */
Test(fault_broker, survives_the_failure_of_every_allocation)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        struct pile pile;
        struct outbox_error error;
        begin(&pile, FAULT("key: a, kind: retry, count: 1"));
        pile_send(&pile, "x1");
        mem_fail_at(n, false);
        pile_submit(&pile, 0, "a1 b1 a2");
        pile_submit(&pile, 1, "a3 b2");
        pile_finish(&pile, 0);
        pile_finish(&pile, 1);
        failed = mem_failed();
        mem_fail_at(0, false);
        cr_assert_null(strstr(pile_there(&pile), "a"), "a1 has not gone, so no other may: %s", pile_there(&pile));
        cr_assert_eq(harness_stop(&pile.harness, pile.top, &error), 0);
        pile_start(&pile);
        const char *outcomes = pile_send(&pile, "a1 a2 a3"); /* the strike may still be to come */
        cr_assert_str_eq(outcomes[0] == 'D' ? outcomes : pile_send(&pile, "a1 a2 a3"), "DDD");
        pile_close(&pile);
        cr_assert_lt(n, 100);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/plugins/memory_broker_test.c - the reference broker: what is not proven by the conformance suite */
#include <criterion/criterion.h>
#include <string.h>

#include "../../brokers/memory/memory.h"
#include "mem_fault.h"
#include "pile.h"

#define MEMORY(options) "it: { plugin: memory" options " }\n"

Test(memory_broker, keeps_what_it_delivered_in_order)
{
    struct pile pile;
    pile_open(&pile, OUTBOX_BROKER, MEMORY(""));
    pile_start(&pile);
    cr_assert_str_eq(pile_send(&pile, "a1 b1 -1 a2"), "DDDD");
    cr_assert_str_eq(pile_send(&pile, ""), "");
    cr_assert_str_eq(pile_there(&pile), "a1 b1 -1 a2");
    pile_close(&pile);
}

Test(memory_broker, refuses_everything_after_it_was_full)
{
    struct pile pile;
    struct outbox_error error;
    pile_open(&pile, OUTBOX_BROKER, MEMORY(", limit: 2"));
    pile_start(&pile);
    cr_assert_str_eq(pile_send(&pile, "a1 a2 a3 b1"), "DDNN");
    cr_assert_str_eq(pile.slots[0].call.error.text, "");
    fake_loop_settle(&pile.fake);
    cr_assert_eq(pile.harness.losses, 1);
    cr_assert_str_eq(pile.harness.loss.text,
                     "append to max_in_flight_bytes: 2 events are held, which is the limit; raise 'limit'");
    cr_assert_str_eq(pile_send(&pile, "c1"), "N");
    cr_assert_eq(harness_stop(&pile.harness, pile.top, &error), 0);
    cr_assert_eq(harness_broker_start(&pile.harness, pile.top, &error), OUTBOX_E_FULL);
    cr_assert_str_eq(pile_there(&pile), "a1 a2");
    pile_close(&pile);
}

Test(memory_broker, rejects_a_payload_that_is_too_large_and_goes_on)
{
    struct pile pile;
    pile_open(&pile, OUTBOX_BROKER, MEMORY(", max_bytes: 2"));
    pile_start(&pile);
    cr_assert_str_eq(pile_send(&pile, "a1 a2xx b1"), "DRD");
    cr_assert_str_eq(pile_there(&pile), "a1 b1");
    cr_assert_eq(outbox_memory_broker_delivered(pile_bottom(&pile)), 2);
    struct outbox_error error;
    cr_assert_eq(obx_broker_admit(pile.top, &pile.slots[0].messages[1], &error), OUTBOX_E_REJECTED);
    cr_assert_str_eq(error.text, "append to memory: the payload has 4 bytes, 'max_bytes' allows 2");
    cr_assert_eq(obx_broker_admit(pile.top, &(struct outbox_message){.id = {"x", 1}}, &error), OUTBOX_E_REJECTED);
    cr_assert_str_eq(error.text, "append to memory: the event has no topic");
    pile_close(&pile);
}

Test(memory_broker, counts_and_drops)
{
    struct pile pile;
    pile_open(&pile, OUTBOX_BROKER, MEMORY(", discard: true, limit: 1"));
    pile_start(&pile);
    cr_assert_str_eq(pile_send(&pile, "a1 a2 a3"), "DDD");
    cr_assert_str_eq(pile_there(&pile), "");
    pile_close(&pile);
}

Test(memory_broker, survives_the_failure_of_every_allocation)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        struct pile pile;
        struct outbox_error error;
        pile_open(&pile, OUTBOX_BROKER, MEMORY(""));
        pile_start(&pile);
        pile_send(&pile, "x1"); /* what the core allocates for a publish, it has now */
        mem_fail_at(n, false);
        bool refused = strchr(pile_send(&pile, "a1 a2 a3"), 'N') != NULL;
        failed = mem_failed();
        mem_fail_at(0, false);
        cr_assert_eq(refused, failed);
        if (failed) {
            fake_loop_settle(&pile.fake);
            cr_assert_eq(pile.harness.loss.code, OUTBOX_E_NO_MEMORY);
            cr_assert_eq(harness_stop(&pile.harness, pile.top, &error), 0);
            pile_start(&pile);
        }
        pile_close(&pile);
    }
}

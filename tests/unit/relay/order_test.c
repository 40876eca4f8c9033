/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/order_test.c - the decision tables of relay/order.h, every combination */
#include <criterion/criterion.h>

#include "mem_fault.h"
#include "relay/order.h"

#define FACTS 16u /* all combinations of enum obx_order_fact */

static struct obx_keys keys;
static struct obx_key_set dead_letter_keys;
static struct obx_stages stages = {.keys = &keys, .dead_letter_keys = &dead_letter_keys};

static struct outbox_position at(uint64_t id)
{
    return (struct outbox_position){id, 0};
}

static void set_up(void)
{
    obx_keys_init(&keys);
    stages.context.now = 1000;
}

static void tear_down(void)
{
    obx_keys_clear(&keys);
    obx_key_set_clear(&dead_letter_keys);
    cr_assert_eq(mem_live(), 0);
}

TestSuite(order, .init = set_up, .fini = tear_down);

static bool has(unsigned facts, unsigned all)
{
    return (facts & all) == all;
}

/* ---- before a publish -------------------------------------------------------------------------------------------- */

Test(order, row_follows_the_dead_letters_of_its_key)
{
    for (unsigned facts = 0; facts < FACTS; facts++)
        cr_assert_eq(obx_order_step(facts) == OBX_STEP_DEAD_LETTER, has(facts, OBX_KEY_DEAD_LETTERED), "facts %u",
                     facts);
}

Test(order, row_of_a_key_that_is_not_blocked_is_sent)
{
    for (unsigned facts = 0; facts < FACTS; facts++)
        if (!(facts & (OBX_KEY_DEAD_LETTERED | OBX_KEY_BLOCKED)))
            cr_assert_eq(obx_order_step(facts), OBX_STEP_SEND, "facts %u", facts);
}

Test(order, row_of_a_blocked_key_is_sent_only_by_a_retry_that_has_not_failed)
{
    for (unsigned facts = 0; facts < FACTS; facts++) {
        if (!has(facts, OBX_KEY_BLOCKED) || has(facts, OBX_KEY_DEAD_LETTERED))
            continue;
        bool turn = has(facts, OBX_ROW_IS_RETRIED) && !has(facts, OBX_KEY_FAILED);
        cr_assert_eq(obx_order_step(facts), turn ? OBX_STEP_SEND : OBX_STEP_BLOCK, "facts %u", facts);
    }
}

Test(order, facts_of_a_row_are_those_of_its_key)
{
    const struct obx_batch retry = {.seq = 7, .is_retry = true, .holds_retry_slot = true}, poll = {.seq = 8};
    cr_assert_not(obx_order_any(&stages));
    cr_assert_eq(obx_order_facts(&stages, 1, &retry), 0);
    struct obx_key *key = obx_keys_block(&keys, 1, at(5), 0);
    cr_assert(obx_order_any(&stages));
    cr_assert_eq(obx_order_facts(&stages, 1, &retry), OBX_KEY_BLOCKED);
    obx_keys_start_retry(&keys, key);
    cr_assert_eq(obx_order_facts(&stages, 1, &retry), OBX_KEY_BLOCKED | OBX_ROW_IS_RETRIED);
    cr_assert_eq(obx_order_facts(&stages, 1, &poll), OBX_KEY_BLOCKED);
    obx_keys_mark_failed(&keys, key, OUTBOX_E_REJECTED);
    cr_assert_eq(obx_order_facts(&stages, 1, &retry), OBX_KEY_BLOCKED | OBX_ROW_IS_RETRIED | OBX_KEY_FAILED);
    cr_assert_eq(obx_order_facts(&stages, 2, &retry), 0);
    obx_keys_wait(&keys, key, 0);
}

Test(order, row_that_joined_the_lanes_is_retried_in_its_own_batch_only)
{
    const struct obx_batch first = {.seq = 7, .is_retry = true},
                           second = {.seq = 9, .is_retry = true, .holds_retry_slot = true};
    struct obx_key *key = obx_keys_block(&keys, 1, at(5), 0);
    obx_keys_start_retry(&keys, key);
    cr_assert_eq(obx_order_facts(&stages, 1, &first), OBX_KEY_BLOCKED);
    obx_keys_start_sending(&keys, key, 7);
    cr_assert_eq(obx_order_facts(&stages, 1, &first), OBX_KEY_BLOCKED | OBX_ROW_IS_RETRIED);
    cr_assert_eq(obx_order_facts(&stages, 1, &second), OBX_KEY_BLOCKED);
    obx_keys_wait(&keys, key, 0);
    obx_keys_start_retry(&keys, key);
    cr_assert_eq(obx_order_facts(&stages, 1, &first), OBX_KEY_BLOCKED);
    cr_assert_eq(obx_order_facts(&stages, 1, &second), OBX_KEY_BLOCKED | OBX_ROW_IS_RETRIED);
    obx_keys_wait(&keys, key, 0);
}

Test(order, dead_lettered_key_is_a_fact_without_blocked_events)
{
    cr_assert(obx_key_set_add(&dead_letter_keys, 7));
    cr_assert(obx_order_any(&stages));
    cr_assert_eq(obx_order_facts(&stages, 7, false), OBX_KEY_DEAD_LETTERED);
    cr_assert_eq(obx_order_facts(&stages, 8, false), 0);
}

/* ---- blocking a row ---------------------------------------------------------------------------------------------- */

Test(order, later_row_leaves_the_pause_of_its_key)
{
    struct obx_key *key = obx_keys_block(&keys, 1, at(5), 0);
    obx_keys_wait(&keys, key, 9000);
    cr_assert(obx_order_block(&stages, 1, at(6)));
    cr_assert_eq(key->due.due_ns, 9000);
    cr_assert_eq(key->count, 2);
}

Test(order, row_before_the_blocked_events_is_due_at_once)
{
    struct obx_key *key = obx_keys_block(&keys, 1, at(5), 0);
    obx_keys_wait(&keys, key, 9000);
    cr_assert(obx_order_block(&stages, 1, at(4)));
    cr_assert_eq(key->due.due_ns, 1000);
    cr_assert_eq(obx_key_first(key)->position.major, 4);
}

Test(order, row_before_the_events_of_a_retry_ends_that_retry)
{
    struct obx_key *key = obx_keys_block(&keys, 1, at(5), 0);
    obx_keys_start_retry(&keys, key);
    cr_assert(obx_order_block(&stages, 1, at(6)));
    cr_assert_not(obx_key_failed(key), "a row after the retried one changes nothing");
    cr_assert(obx_order_block(&stages, 1, at(4)));
    cr_assert(obx_key_failed(key));
    cr_assert_eq(key->failed_code, OUTBOX_E_AGAIN);
    obx_keys_wait(&keys, key, 0);
}

Test(order, blocking_without_memory_changes_nothing)
{
    mem_fail_at(1, true);
    cr_assert_not(obx_order_block(&stages, 1, at(4)));
    mem_fail_at(0, false);
    cr_assert_not(obx_keys_any(&keys));
}

/* ---- which rows keep order among themselves ---------------------------------------------------------------------- */

static struct outbox_message message_of(const char *topic, const char *key)
{
    return (struct outbox_message){.topic = {topic, strlen(topic)}, .key = {key, key ? strlen(key) : 0}};
}

Test(order, order_is_kept_per_topic_and_key)
{
    struct outbox_message a = message_of("t", "k"), b = message_of("t", "l"), c = message_of("u", "k");
    uint64_t key = obx_order_key(OBX_ORDER_KEY, &a, at(1));
    cr_assert_eq(obx_order_key(OBX_ORDER_KEY, &a, at(2)), key);
    cr_assert_neq(obx_order_key(OBX_ORDER_KEY, &b, at(1)), key);
    cr_assert_neq(obx_order_key(OBX_ORDER_KEY, &c, at(1)), key);
}

Test(order, events_without_a_key_have_no_order)
{
    struct outbox_message none = message_of("t", NULL), empty = message_of("t", "");
    cr_assert_neq(obx_order_key(OBX_ORDER_KEY, &none, at(1)), obx_order_key(OBX_ORDER_KEY, &none, at(2)));
    cr_assert_eq(obx_order_key(OBX_ORDER_KEY, &empty, at(1)), obx_order_key(OBX_ORDER_KEY, &empty, at(2)));
}

Test(order, global_order_is_one_and_none_is_each_events_own)
{
    struct outbox_message a = message_of("t", "k"), b = message_of("u", NULL);
    cr_assert_eq(obx_order_key(OBX_ORDER_GLOBAL, &a, at(1)), obx_order_key(OBX_ORDER_GLOBAL, &b, at(2)));
    cr_assert_neq(obx_order_key(OBX_ORDER_NONE, &a, at(1)), obx_order_key(OBX_ORDER_NONE, &a, at(2)));
}

Test(order, publish_takes_one_event_of_a_key_at_a_time)
{
    struct outbox_batch rows = {.rows = 100};
    struct obx_batch batch = {.rows = &rows};
    struct obx_batch_keys in_batch;
    cr_assert(obx_batch_keys_init(&in_batch, &batch));
    for (uint64_t key = 0; key < 100; key++)
        cr_assert_eq(obx_batch_keys_add(&in_batch, key), key != 1, "0 and 1 share a slot value");
    for (uint64_t key = 0; key < 100; key++)
        cr_assert_not(obx_batch_keys_add(&in_batch, key));
    obx_arena_free(&batch.arena);
}

/* ---- after a publish --------------------------------------------------------------------------------------------- */

static enum obx_row_state expected_after(enum obx_row_state state, bool other_epoch, bool no_publish)
{
    switch (state) {
    case OBX_ROW_WAITING:
    case OBX_ROW_NOT_SENT:
        return other_epoch || no_publish ? OBX_ROW_SKIPPED : OBX_ROW_WAITING;
    case OBX_ROW_IN_FLIGHT:
        return OBX_ROW_NOT_SENT;
    case OBX_ROW_DELIVERED:
    case OBX_ROW_RETRY:
    case OBX_ROW_REJECTED:
        return other_epoch ? OBX_ROW_SKIPPED : state;
    default:
        return state;
    }
}

Test(order, rows_of_another_epoch_are_never_settled_nor_decided)
{
    for (int state = 0; state < OBX_ROW_STATES; state++)
        for (unsigned facts = 0; facts < 4; facts++)
            cr_assert_eq(
                obx_order_after((enum obx_row_state)state, facts),
                expected_after((enum obx_row_state)state, facts & OBX_AFTER_OTHER_EPOCH, facts & OBX_AFTER_NO_PUBLISH),
                "state %d, facts %u", state, facts);
}

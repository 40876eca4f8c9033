/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/transform_test.c - transforms between route and admit: order, failures, memory */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "mem_fault.h"

static const char ten[] = "0! 1! 2! 3! 4! 5! 6! 7! 8! 9!";
#define SUFFIX "transforms: {a: {plugin: suffix, by: \"relay of ${aggregateid}\"}}\n"

static void order_is_kept(struct fixture *fixture, uint32_t keys)
{
    for (uint32_t k = 0; k < keys; k++) {
        char key[8];
        snprintf(key, sizeof key, "k%u", k);
        cr_assert_str_eq(fixture_texts(fixture, key), ten, "%s: %s; %s", key, fixture_texts(fixture, key),
                         fixture->logged);
    }
}

static bool header_is_rendered(struct fixture *fixture, const struct outbox_message *message)
{
    const struct outbox_header *last = &message->headers[message->header_count - 1];
    (void)fixture;
    return last->name.size == 2 && last->value.size == 9 + message->key.size + 0 &&
           !memcmp(last->value.data, "relay of ", 9) &&
           !memcmp((const char *)last->value.data + 9, message->key.data, message->key.size);
}

Test(transform, events_are_transformed_before_they_are_admitted_and_keep_their_order)
{
    struct fixture *fixture = fixture_filled(SUFFIX "claim_rows: 100\n", 400, 40);
    fixture->admit = header_is_rendered;
    fixture->loop.work_max_ns = 30 * OBX_MS;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    order_is_kept(fixture, 40);
    cr_assert_eq(fixture->published_count, 400);
    cr_assert_eq(fixture->transformed, 400);
    fixture_free(fixture);
}

Test(transform, transforms_apply_in_the_order_of_the_file)
{
    struct fixture *fixture = fixture_filled(
        "transforms:\n  z: {plugin: suffix, suffix: \"-\"}\n  a: {plugin: suffix, suffix: \"+\"}\n", 2, 2);
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    cr_assert_str_eq(fixture_texts(fixture, "k0"), "0-+");
    fixture_free(fixture);
}

Test(transform, concurrent_brokers_get_transformed_events)
{
    fixture_concurrent();
    struct fixture *fixture = fixture_filled(SUFFIX "claim_rows: 50\n", 400, 40);
    fixture->loop.work_max_ns = 30 * OBX_MS;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    order_is_kept(fixture, 40);
    fixture_free(fixture);
}

Test(transform, rejected_event_is_dead_lettered_and_the_others_go)
{
    struct fixture *fixture = fixture_filled(SUFFIX "on_reject: park\n", 40, 4);
    fixture->untransformable = "3";
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    cr_assert_eq(fixture_stats(fixture).dead_lettered, 4);
    cr_assert_str_eq(fixture_texts(fixture, "k1"), "0! 1! 2! 4! 5! 6! 7! 8! 9!");
    cr_assert(strstr(fixture->logged, "no such schema"));
    fixture_free(fixture);
}

Test(transform, rejected_event_blocks_its_key)
{
    struct fixture *fixture = fixture_filled(SUFFIX, 40, 4);
    fixture->untransformable = "3";
    fixture_start(fixture);
    fixture_run_for(fixture, 1000);
    cr_assert_str_eq(fixture_texts(fixture, "k1"), "0! 1! 2!");
    cr_assert_eq(fixture_stats(fixture).blocked_keys, 4);
    fixture_free(fixture);
}

Test(transform, event_that_cannot_be_transformed_now_waits_and_its_key_with_it)
{
    struct fixture *fixture = fixture_filled(SUFFIX "max_attempts: 3\non_reject: park\nretry_max: 200ms\n", 40, 4);
    fixture->not_now = "3";
    fixture->not_now_times = 30;
    fixture->not_now_code = OUTBOX_E_NOT_CONNECTED;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    order_is_kept(fixture, 4);
    cr_assert_eq(fixture_stats(fixture).dead_lettered, 0, "an outage costs no attempt");
    cr_assert_eq(fixture->published_count, 40);
    fixture_free(fixture);
}

Test(transform, failure_of_the_event_itself_counts_attempts)
{
    struct fixture *fixture = fixture_filled(SUFFIX "max_attempts: 3\non_reject: park\nretry_max: 200ms\n", 40, 4);
    fixture->not_now = "3";
    fixture->not_now_times = 1000;
    fixture->not_now_code = OUTBOX_E_IO;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    cr_assert_eq(fixture_stats(fixture).dead_lettered, 4);
    cr_assert_eq(fixture->not_now_times, 1000 - 12);
    fixture_free(fixture);
}

/* The event keeps its key: those that follow wait behind it. */
static void may_not_change(const char *field)
{
    struct fixture *fixture = fixture_filled(SUFFIX, 40, 4);
    char text[100];
    snprintf(text, sizeof text, "transform suffix changed the %s of the event", field);
    fixture->moves_event = "3";
    fixture->moves = field;
    fixture_start(fixture);
    fixture_run_for(fixture, 5000);
    cr_assert(strstr(fixture->logged, text), "%s", fixture->logged);
    cr_assert_eq(fixture_stats(fixture).blocked_keys, 4, "%s", field);
    cr_assert_str_eq(fixture_texts(fixture, "k1"), "0! 1! 2!", "%s: %s", field, fixture_texts(fixture, "k1"));
    fixture->moves_event = NULL;
    obx_relay_retry(fixture->relay);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    order_is_kept(fixture, 4);
    fixture_free(fixture);
}

Test(transform, fields_that_identify_an_event_may_not_change)
{
    static const char *const fields[] = {"topic", "key", "id", "partition", "position"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        may_not_change(fields[i]);
}

Test(transform, event_that_a_transform_changed_and_rejected_blocks_its_own_key)
{
    static const char *const fields[] = {"topic", "key"};
    for (int i = 0; i < 2; i++) {
        struct fixture *fixture = fixture_filled(SUFFIX, 40, 4);
        fixture->moves_event = "3";
        fixture->moves = fields[i];
        fixture->moves_and_fails = true;
        fixture_start(fixture);
        fixture_run_for(fixture, 5000);
        cr_assert_str_eq(fixture_texts(fixture, "k1"), "0! 1! 2!");
        cr_assert_eq(fixture_stats(fixture).blocked_keys, 4);
        fixture_free(fixture);
    }
}

static uint32_t down;

static uint32_t outage(struct fixture *fixture, const struct outbox_message *message, struct outbox_error *error)
{
    (void)fixture;
    (void)message;
    *error = (struct outbox_error){.code = OUTBOX_E_NOT_CONNECTED, .text = "broker is away"};
    return down ? OUTBOX_NOT_CONNECTED : OUTBOX_DELIVERED;
}

Test(transform, outage_of_the_broker_transforms_nothing_again_and_takes_no_memory)
{
    struct fixture *fixture = fixture_filled(SUFFIX, 400, 40);
    down = 1;
    fixture->outcome = outage;
    fixture_start(fixture);
    fixture_run_for(fixture, 20000);
    size_t live = mem_live();
    fixture_run_for(fixture, 600000);
    cr_assert_leq(mem_live(), live + 8);
    down = 0;
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    order_is_kept(fixture, 40);
    cr_assert_eq(fixture->transformed, 400);
    fixture_free(fixture);
}

Test(transform, stop_and_loss_of_the_store_wait_for_the_workers)
{
    struct fixture *fixture = fixture_filled(SUFFIX "claim_rows: 20\n", 400, 40);
    fixture->loop.work_min_ns = 100 * OBX_MS;
    fixture->loop.work_max_ns = 300 * OBX_MS;
    for (int i = 0; i < 20; i++) {
        fixture_start(fixture);
        fixture_run_for(fixture, 20 + (uint64_t)i * 17);
        fixture->fail[FIXTURE_CLAIM].count = i % 2;
        fixture->fail[FIXTURE_CLAIM].code = OUTBOX_E_NOT_CONNECTED;
        fixture_run_for(fixture, (uint64_t)i * 7);
        fixture_stop(fixture, 1);
        cr_assert(fixture_run(fixture, fixture_stopped, 20000));
    }
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    order_is_kept(fixture, 40);
    fixture_free(fixture);
}

Test(transform, wrong_template_is_a_configuration_error)
{
    fixture_refuses("store: {plugin: fixture}\nbroker: {plugin: fixture}\n"
                    "transforms: {a: {plugin: suffix, by: \"${x\"}}\n",
                    "test:3:34: by: '${' needs a column name and '}'; write '$$' for a dollar sign");
    fixture_refuses("store: {plugin: fixture}\nbroker: {plugin: fixture}\ntransforms: {a: {by: x}}\n",
                    "test:3:14: plugin is missing: add 'plugin:' with the name of a transform");
}

static void run_without_memory(size_t n, bool persistent, bool *failed)
{
    struct fixture *fixture = fixture_filled(SUFFIX "claim_rows: 20\nretry_max: 200ms\n", 40, 4);
    mem_fail_at(n, persistent);
    fixture_start(fixture);
    fixture_run_for(fixture, 3000);
    *failed = mem_failed();
    mem_fail_at(0, false);
    cr_assert(fixture_run(fixture, fixture_empty, 60000), "allocation %zu: %s; %s", n,
              fixture_stats(fixture).last_error, fixture->logged);
    order_is_kept(fixture, 4);
    fixture_free(fixture);
}

Test(transform, allocation_failures_lose_and_reorder_no_event)
{
    for (int persistent = 0; persistent < 2; persistent++) {
        bool failed = true;
        for (size_t n = 1; failed; n++)
            run_without_memory(n, persistent, &failed);
    }
}

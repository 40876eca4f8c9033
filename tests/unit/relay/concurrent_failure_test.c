/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/concurrent_failure_test.c - concurrent brokers that fail, and outcomes that are not DELIVERED */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "mem_fault.h"

static const char twenty[] = "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19";

static bool has_key(const struct outbox_message *message, const char *key)
{
    return message->key.size == strlen(key) && !memcmp(message->key.data, key, message->key.size);
}

static void order_is_kept(struct fixture *fixture, uint32_t keys)
{
    for (uint32_t k = 0; k < keys; k++) {
        char key[8];
        snprintf(key, sizeof key, "k%u", k);
        cr_assert_str_eq(fixture_texts(fixture, key), twenty, "%s: %s", key, fixture_texts(fixture, key));
    }
}

static uint64_t spread(struct fixture *fixture, const struct outbox_message *message)
{
    (void)message;
    return 1 + fixture->publishes % 7;
}

/* ---- one event --------------------------------------------------------------------------------------------------- */

static uint32_t failing; /* so many of the next events of k1 fail */
static uint32_t failing_outcome;
static int failing_code;
static uint64_t tried_at[8];
static uint32_t tried;

static uint32_t fail_k1(struct fixture *fixture, const struct outbox_message *message, struct outbox_error *error)
{
    if (!has_key(message, "k1"))
        return OUTBOX_DELIVERED;
    if (tried < 8)
        tried_at[tried++] = fixture->loop.now_ns;
    if (!failing)
        return OUTBOX_DELIVERED;
    failing--;
    *error = (struct outbox_error){.code = failing_code, .text = "simulated"};
    return failing_outcome;
}

static struct fixture *with_failing_key(const char *settings, uint32_t count, uint32_t outcome)
{
    fixture_concurrent();
    struct fixture *fixture = fixture_filled(settings, 80, 4);
    fixture->outcome = fail_k1;
    fixture->latency_ms = spread;
    failing = count;
    failing_outcome = outcome;
    failing_code = OUTBOX_E_IO;
    return fixture;
}

Test(concurrent_failure, failed_event_delays_its_key_and_no_other)
{
    struct fixture *fixture = with_failing_key("", 4, OUTBOX_RETRY);
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    order_is_kept(fixture, 4);
    cr_assert_eq(fixture->published_count, 80);
    cr_assert_eq(fixture_stats(fixture).retried, 4);
    cr_assert_eq(fixture_stats(fixture).broker_connects, 1);
    fixture_free(fixture);
}

Test(concurrent_failure, event_with_an_unknown_outcome_is_retried_while_the_broker_stays_up)
{
    struct fixture *fixture = with_failing_key("", 3, OUTBOX_RETRY_UNKNOWN);
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    order_is_kept(fixture, 4);
    cr_assert_eq(fixture->published_count, 83);
    cr_assert_eq(fixture_stats(fixture).broker_connects, 1);
    fixture_free(fixture);
}

Test(concurrent_failure, unknown_outcomes_of_one_event_count_as_attempts)
{
    struct fixture *fixture = with_failing_key("max_attempts: 3\non_reject: park\n", 1000, OUTBOX_RETRY_UNKNOWN);
    failing = 3;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    cr_assert_eq(fixture_stats(fixture).dead_lettered, 1);
    cr_assert_eq(fixture->rows[1].attempts, 3);
    fixture_free(fixture);
}

Test(concurrent_failure, pause_that_the_server_asks_for_is_kept)
{
    struct fixture *fixture = with_failing_key("retry_max: 1s\n", 1, OUTBOX_RETRY);
    failing_code = OUTBOX_E_AGAIN;
    fixture->retry_after_ms = 5000;
    tried = 0;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    cr_assert(tried_at[1] - tried_at[0] >= 5000 * OBX_MS, "%llu", (unsigned long long)(tried_at[1] - tried_at[0]));
    cr_assert(tried_at[1] - tried_at[0] < 6000 * OBX_MS);
    order_is_kept(fixture, 4);
    fixture_free(fixture);
}

static bool reject_third(struct fixture *fixture, const struct outbox_message *message)
{
    (void)fixture;
    return has_key(message, "k1") && message->value.size == 1 && *(const char *)message->value.data == '2';
}

Test(concurrent_failure, rejected_event_blocks_its_key)
{
    fixture_concurrent();
    struct fixture *fixture = fixture_filled("retry_max: 500ms\n", 80, 4);
    fixture->refuse = reject_third;
    fixture_start(fixture);
    fixture_run_for(fixture, 3000);
    cr_assert_eq(fixture->published_count, 62);
    cr_assert_str_eq(fixture_texts(fixture, "k1"), "0 1");
    cr_assert_eq(fixture_stats(fixture).blocked_keys, 1);
    cr_assert_lt(fixture->publishes, 80 + 20, "a blocked key is tried with pauses");
    fixture->refuse = NULL;
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    order_is_kept(fixture, 4);
    fixture_free(fixture);
}

Test(concurrent_failure, rejected_event_and_its_followers_become_dead_letters)
{
    fixture_concurrent();
    struct fixture *fixture = fixture_filled("on_reject: park-key\n", 80, 4);
    fixture->refuse = reject_third;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    cr_assert_eq(fixture->published_count, 62);
    cr_assert_eq(fixture_stats(fixture).dead_lettered, 18);
    fixture_free(fixture);
}

Test(concurrent_failure, relay_halts_at_a_rejected_event)
{
    fixture_concurrent();
    struct fixture *fixture = fixture_filled("on_reject: stop\n", 80, 4);
    fixture->refuse = reject_third;
    fixture_start(fixture);
    fixture_run_for(fixture, 1000);
    cr_assert_eq(fixture->state, OUTBOX_STATE_HALTED);
    cr_assert_lt(fixture->published_count, 30);
    fixture_free(fixture);
}

static uint32_t late_admissions;
static bool has_refused;

static bool admits_until_k1(struct fixture *fixture, const struct outbox_message *message)
{
    (void)fixture;
    late_admissions += has_refused;
    has_refused |= has_key(message, "k1");
    return !has_key(message, "k1");
}

Test(concurrent_failure, nothing_is_admitted_or_sent_after_the_halt)
{
    fixture_concurrent();
    struct fixture *fixture = fixture_filled("on_reject: stop\n", 80, 4);
    fixture->admit = admits_until_k1;
    fixture_start(fixture);
    fixture_run_for(fixture, 1000);
    cr_assert_eq(fixture->state, OUTBOX_STATE_HALTED);
    cr_assert_eq(late_admissions, 0, "%u", late_admissions);
    cr_assert_eq(fixture->publishes, 0, "%u", fixture->publishes);
    fixture->admit = NULL;
    obx_relay_retry(fixture->relay);
    cr_assert(fixture_run(fixture, fixture_empty, 60000), "%s", fixture->logged);
    order_is_kept(fixture, 4);
    cr_assert_eq(fixture->published_count, 80);
    fixture_free(fixture);
}

/* ---- the broker, the store, and stops ---------------------------------------------------------------------------- */

static uint32_t outages;

static uint32_t lose_connection(struct fixture *fixture, const struct outbox_message *message,
                                struct outbox_error *error)
{
    (void)error;
    bool now = outages && fixture->published_count % 13 == 12 && has_key(message, "k2");
    outages -= now;
    return !now ? OUTBOX_DELIVERED : outages % 2 ? OUTBOX_UNKNOWN : OUTBOX_NOT_CONNECTED;
}

Test(concurrent_failure, outage_repeats_what_was_in_flight_in_order)
{
    fixture_concurrent();
    struct fixture *fixture = fixture_filled("claim_rows: 7\n", 80, 4);
    fixture->outcome = lose_connection;
    fixture->latency_ms = spread;
    outages = 3;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    order_is_kept(fixture, 4);
    cr_assert_lt(fixture->published_count, 80 + 3 * 4);
    cr_assert_gt(fixture_stats(fixture).broker_connects, 1);
    fixture_free(fixture);
}

Test(concurrent_failure, failures_and_outages_together_keep_the_order)
{
    struct fixture *fixture = with_failing_key("claim_rows: 7\nretry_min: 1ms\nretry_max: 20ms\n", 9, OUTBOX_RETRY);
    for (int i = 0; i < 40; i++) {
        fixture_start(fixture);
        fixture_run_for(fixture, 3);
        if (i % 3 == 0)
            fixture->fail[FIXTURE_CLAIM].count = 1, fixture->fail[FIXTURE_CLAIM].code = OUTBOX_E_NOT_CONNECTED;
        if (i % 5 == 0) {
            fixture_stop(fixture, 1000);
            cr_assert(fixture_run(fixture, fixture_stopped, 20000));
        }
    }
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    order_is_kept(fixture, 4);
    fixture_free(fixture);
}

Test(concurrent_failure, stop_leaves_what_was_not_sent_in_the_outbox)
{
    fixture_concurrent();
    struct fixture *fixture = fixture_filled("", 80, 4);
    fixture_start(fixture);
    fixture_run_for(fixture, 4);
    fixture_stop(fixture, 1000);
    cr_assert(fixture_run(fixture, fixture_stopped, 5000));
    uint32_t before = fixture->published_count;
    cr_assert(before < 80);
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    order_is_kept(fixture, 4);
    cr_assert_eq(fixture->published_count, 80, "a stop in time repeats nothing");
    fixture_free(fixture);
}

static bool counts_late(struct fixture *fixture, const struct outbox_message *message)
{
    (void)message;
    late_admissions += fixture->broker_lost;
    return true;
}

/* The outcomes of the stop end the turns of their rows; the next rows stay in their batches. */
Test(concurrent_failure, nothing_is_admitted_while_the_broker_is_being_stopped)
{
    fixture_concurrent();
    struct fixture *fixture = fixture_filled("", 80, 4);
    fixture->admit = counts_late;
    fixture->stop_delivers = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 3);
    cr_assert_lt(fixture->published_count, 80);
    fixture_lose_broker(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000), "%s", fixture->logged);
    cr_assert_eq(late_admissions, 0, "%u", late_admissions);
    order_is_kept(fixture, 4);
    cr_assert_eq(fixture->published_count, 80);
    fixture_free(fixture);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void run_without_memory(size_t n, bool persistent, bool *failed)
{
    struct fixture *fixture = with_failing_key("on_reject: park\nclaim_rows: 20\nretry_max: 200ms\n", 2, OUTBOX_RETRY);
    mem_fail_at(n, persistent);
    fixture_start(fixture);
    fixture_run_for(fixture, 3000);
    *failed = mem_failed();
    mem_fail_at(0, false);
    cr_assert(fixture_run(fixture, fixture_empty, 60000), "allocation %zu: state %d, %s; %s", n, (int)fixture->state,
              fixture_stats(fixture).last_error, fixture->logged);
    order_is_kept(fixture, 4);
    fixture_free(fixture);
}

Test(concurrent_failure, allocation_failures_lose_and_reorder_no_event)
{
    for (int persistent = 0; persistent < 2; persistent++) {
        bool failed = true;
        for (size_t n = 1; failed; n++)
            run_without_memory(n, persistent, &failed);
    }
}

/* ---- rejects in the middle of a batch ---------------------------------------------------------------------------- */

static bool admits_no_five(struct fixture *fixture, const struct outbox_message *message)
{
    (void)fixture;
    return message->value.size != 1 || *(const char *)message->value.data != '5';
}

Test(concurrent_failure, event_that_is_not_admitted_holds_only_those_after_it)
{
    fixture_concurrent();
    struct fixture *fixture = fixture_filled("retry_max: 30s\n", 80, 4);
    fixture->admit = admits_no_five;
    fixture_start(fixture);
    fixture_run_for(fixture, 100);
    cr_assert_str_eq(fixture_texts(fixture, "k1"), "0 1 2 3 4");
    fixture->admit = NULL;
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    order_is_kept(fixture, 4);
    fixture_free(fixture);
}

/* ---- slow keys and outages --------------------------------------------------------------------------------------- */

static uint64_t slow_zero(struct fixture *fixture, const struct outbox_message *message)
{
    (void)fixture;
    return has_key(message, "k0") ? 1000 : 1;
}

static uint32_t unknown_of_slow;

static uint32_t lose_slow(struct fixture *fixture, const struct outbox_message *message, struct outbox_error *error)
{
    (void)fixture;
    *error = (struct outbox_error){.code = OUTBOX_E_NOT_CONNECTED, .text = "simulated"};
    if (!has_key(message, "k0") || !unknown_of_slow)
        return OUTBOX_DELIVERED;
    unknown_of_slow--;
    return OUTBOX_UNKNOWN;
}

/* Its followers were relieved when the event in flight was lost: they must be claimed again. */
Test(concurrent_failure, relieved_key_goes_on_after_an_outage)
{
    fixture_concurrent();
    struct fixture *fixture = fixture_filled("max_in_flight_bytes: 128KiB\nclaim_rows: 20\n", 80, 4);
    fixture->row_bytes = 2000;
    fixture->latency_ms = slow_zero;
    fixture->outcome = lose_slow;
    unknown_of_slow = 3;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 120000), "%llu blocked, %s",
              (unsigned long long)fixture_stats(fixture).blocked_keys, fixture->logged);
    order_is_kept(fixture, 4);
    fixture_free(fixture);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/reject_test.c - events that fail or are refused: retries, blocked keys, dead letters, who waits */
#include <criterion/criterion.h>
#include <string.h>

#include "rig.h"

static bool others_done(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->row_count; i++) {
        if (strcmp(rig->rows[i].key, "k1") && !rig->rows[i].gone)
            return false;
    }
    return true;
}

Test(relay, a_retry_keeps_the_order_of_its_key_and_holds_back_no_other)
{
    struct rig *rig = rig_filled("claim_rows: 10\n", 90, 3);
    rig->k1_failures = 3;
    rig_start(rig);
    cr_assert(rig_run(rig, others_done, 50));
    cr_assert_eq(rig->k1_failures, 2, "%u", rig->k1_failures);
    cr_assert_str_empty(rig_texts(rig, "k1"));
    cr_assert(rig_run(rig, rig_empty, 10000));
    cr_assert_str_eq(rig_texts(rig, "k1"),
                     "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29");
    struct outbox_stats stats = rig_stats(rig);
    cr_assert_eq(stats.retried, 3);
    cr_assert_eq(stats.blocked_keys, 0);
    cr_assert_eq(stats.resent, 0);
    rig_free(rig);
}

static uint32_t k1_0_rejected(struct rig *rig, const struct outbox_message *message, struct outbox_error *error)
{
    (void)rig;
    if (memcmp(message->key.data, "k1", 2) || *(const char *)message->value.data != '0')
        return OUTBOX_DELIVERED;
    *error = (struct outbox_error){.code = OUTBOX_E_REJECTED, .text = "too odd"};
    return OUTBOX_REJECTED;
}

static bool k1_0_not_admitted(struct rig *rig, const struct outbox_message *message)
{
    struct outbox_error error;
    return k1_0_rejected(rig, message, &error) == OUTBOX_DELIVERED;
}

Test(relay, block_key_keeps_the_event_and_those_behind_it)
{
    struct rig *rig = rig_filled("", 30, 3);
    rig->admit = k1_0_not_admitted;
    rig_start(rig);
    cr_assert(rig_run(rig, rig_drained, 60000));
    cr_assert_eq(rig->drained_blocked, 10);
    cr_assert(others_done(rig));
    cr_assert_str_empty(rig_texts(rig, "k1"));
    struct outbox_stats stats = rig_stats(rig);
    cr_assert_eq(stats.blocked_keys, 1);
    cr_assert_eq(stats.deferred, 10);
    cr_assert_eq(stats.in_flight, 0);
    cr_assert_not_null(strstr(rig->said, "test: event 2 cannot be published and blocks its key 'k1' of topic "
                                         "'outbox.event.T': not admitted; correct it, or see on_reject\n"));
    uint32_t claims = rig->calls[RIG_CLAIM];
    rig_run_for(rig, 60000);
    cr_assert_lt(rig->calls[RIG_CLAIM] - claims, 42 * 60, "a blocked key is tried with pauses, not %u times",
                 rig->calls[RIG_CLAIM] - claims);
    rig->admit = NULL; /* the broker was mended */
    cr_assert(rig_run(rig, rig_empty, 120000));
    cr_assert_str_eq(rig_texts(rig, "k1"), "0 1 2 3 4 5 6 7 8 9");
    rig_free(rig);
}

Test(relay, events_that_vanish_while_their_key_is_blocked_are_forgotten)
{
    struct rig *rig = rig_filled("retry_max: 1s\n", 30, 3);
    rig->admit = k1_0_not_admitted;
    rig_start(rig);
    cr_assert(rig_run(rig, rig_drained, 60000));
    rig->rows[1].gone = true; /* the operator deleted the poison */
    cr_assert(rig_run(rig, rig_empty, 60000));
    cr_assert_str_eq(rig_texts(rig, "k1"), "1 2 3 4 5 6 7 8 9");
    rig_free(rig);
}

Test(relay, park_moves_the_event_and_its_key_goes_on)
{
    struct rig *rig = rig_filled("on_reject: park\n", 30, 3);
    rig->admit = k1_0_not_admitted;
    rig_start(rig);
    cr_assert(rig_run(rig, rig_empty, 10000));
    cr_assert(rig->rows[1].parked);
    cr_assert_str_eq(rig_texts(rig, "k1"), "1 2 3 4 5 6 7 8 9");
    cr_assert_eq(rig_stats(rig).dead_lettered, 1);
    rig_free(rig);
}

static bool nothing_admitted(struct rig *rig, const struct outbox_message *message)
{
    (void)rig;
    (void)message;
    return false;
}

Test(relay, many_are_parked_a_hundred_at_a_time)
{
    struct rig *rig = rig_filled("on_reject: park\n", 250, 3);
    rig->admit = nothing_admitted;
    rig_start(rig);
    cr_assert(rig_run(rig, rig_empty, 60000));
    rig_run_for(rig, 100); /* its last answer */
    cr_assert_eq(rig_stats(rig).dead_lettered, 250);
    cr_assert_geq(rig->calls[RIG_PARK], 3);
    cr_assert_eq(rig->published_count, 0);
    rig_free(rig);
}

Test(relay, park_key_moves_all_of_the_key_until_it_is_replayed)
{
    struct rig *rig = rig_filled("on_reject: park-key\n", 30, 3);
    rig->admit = k1_0_not_admitted;
    rig_start(rig);
    cr_assert(rig_run(rig, rig_empty, 10000));
    cr_assert_str_empty(rig_texts(rig, "k1"));
    cr_assert_eq(rig_stats(rig).dead_lettered, 10);
    rig->admit = NULL;
    rig_insert(rig, "k1", "later");
    cr_assert(rig_run(rig, rig_empty, 10000));
    cr_assert(rig->rows[30].parked);
    for (uint32_t i = 0; i < rig->row_count; i++)
        rig->rows[i].gone |= rig->rows[i].parked, rig->rows[i].parked = false;
    rig_run_for(rig, 12000); /* the dead letters are read again */
    rig_insert(rig, "k1", "free");
    cr_assert(rig_run(rig, rig_empty, 10000));
    cr_assert_str_eq(rig_texts(rig, "k1"), "free");
    rig_free(rig);
}

static bool halted(struct rig *rig)
{
    return rig->state == OUTBOX_STATE_HALTED;
}

Test(relay, stop_halts_everything_and_settles_what_went)
{
    struct rig *rig = rig_filled("on_reject: stop\nclaim_rows: 3\n", 30, 3);
    rig->outcome = k1_0_rejected;
    rig_start(rig);
    cr_assert(rig_run(rig, halted, 10000));
    rig_run_for(rig, 5000);
    uint32_t published = rig->published_count;
    cr_assert_lt(published, 30);
    cr_assert_not(rig->rows[1].gone);
    rig_run_for(rig, 60000);
    cr_assert_eq(rig->published_count, published);
    rig_free(rig);
}

static uint32_t k1_0_never(struct rig *rig, const struct outbox_message *message, struct outbox_error *error)
{
    if (k1_0_rejected(rig, message, error) == OUTBOX_DELIVERED)
        return OUTBOX_DELIVERED;
    error->code = OUTBOX_E_IO;
    return OUTBOX_RETRY;
}

Test(relay, out_of_attempts_counts_as_rejected)
{
    struct rig *rig = rig_filled("on_reject: park\nmax_attempts: 4\nretry_max: 200ms\n", 30, 3);
    rig->outcome = k1_0_never;
    rig_start(rig);
    cr_assert(rig_run(rig, rig_empty, 10000));
    cr_assert(rig->rows[1].parked);
    cr_assert_eq(rig->rows[1].attempts, 4);
    cr_assert_str_eq(rig_texts(rig, "k1"), "1 2 3 4 5 6 7 8 9");
    rig_free(rig);
}

static uint32_t tries;

static uint32_t k1_0_tried(struct rig *rig, const struct outbox_message *message, struct outbox_error *error)
{
    uint32_t outcome = k1_0_never(rig, message, error);
    tries += outcome != OUTBOX_DELIVERED;
    return outcome;
}

static void note_attempts(void *arg, const struct obx_blocked_key *key)
{
    *(uint32_t *)arg = key->attempts;
}

Test(relay, each_try_of_an_event_that_blocks_its_key_is_one_attempt)
{
    static const char *const settings[] = {"max_attempts: 1\nretry_max: 1s\n", "max_attempts: 3\nretry_max: 1s\n"};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        struct rig *rig = rig_new(settings[i]);
        uint32_t attempts = 0;
        rig_fill(rig, 30, 3);
        tries = 0;
        rig->outcome = k1_0_tried;
        rig_start(rig);
        rig_run_for(rig, 30000);
        obx_relay_each_blocked(rig->relay, note_attempts, &attempts);
        cr_expect_geq(tries, 5);
        cr_expect_eq(attempts, tries, "%s: %u attempts after %u tries", settings[i], attempts, tries);
        rig_free(rig);
    }
}

static bool k1_1_refused(struct rig *rig, const struct outbox_message *message)
{
    (void)rig;
    return !memcmp(message->key.data, "k1", 2) && *(const char *)message->value.data == '1';
}

Test(relay, a_parked_event_does_not_end_the_pause_of_its_key)
{
    struct rig *rig = rig_filled("on_reject: park\nretry_min: 60s\nretry_max: 60s\n", 4, 2);
    rig->outcome = k1_0_never;
    rig->refuse = k1_1_refused;
    rig_start(rig);
    rig_run_for(rig, 200);
    cr_expect(rig->rows[3].parked);
    cr_expect_eq(rig->publishes, 1, "%u publishes", rig->publishes);
    rig_free(rig);
}

/* Which takes its time, so that other keys are due by then. */
static bool only_good_admitted(struct rig *rig, const struct outbox_message *message)
{
    rig->loop.now_ns += OBX_MS;
    return !memcmp(message->key.data, "good", 4);
}

static bool good_went(struct rig *rig)
{
    return *rig_texts(rig, "good");
}

/* A hundred keys, ten of them in each claim. */
static void look_beside_poison(const char *settings, uint64_t row_bytes)
{
    struct rig *rig = rig_new(settings);
    rig->row_bytes = row_bytes;
    rig->admit = only_good_admitted;
    rig_fill(rig, 100, 100);
    rig_start(rig);
    rig_run_for(rig, 2000);
    cr_assert_eq(rig_stats(rig).deferred, 100);
    rig_insert(rig, "good", "0");
    cr_assert(rig_run(rig, good_went, 1000));
    rig->admit = NULL;
    cr_assert(rig_run(rig, rig_empty, 1000));
    rig_free(rig);
}

Test(relay, keys_that_are_tried_all_the_time_hold_up_no_new_rows)
{
    look_beside_poison("claim_rows: 10\nretry_min: 1ms\nretry_max: 1ms\n", 100);
}

/* While such keys are in flight there is no room for a look, and when there is, other keys are due. */
Test(relay, nor_do_keys_that_take_all_the_memory)
{
    look_beside_poison("claim_rows: 10\nretry_min: 1ms\nretry_max: 1ms\nmax_in_flight_bytes: 64KiB\n", 8 * 1024);
}

static bool slowly_admitted(struct rig *rig, const struct outbox_message *message)
{
    (void)message;
    rig->loop.now_ns += OBX_MS;
    return true;
}

static bool k1_went(struct rig *rig)
{
    return *rig_texts(rig, "k1");
}

Test(relay, nor_does_a_backlog_hold_up_keys_that_are_due)
{
    struct rig *rig = rig_filled("claim_rows: 10\nretry_min: 1ms\nretry_max: 1ms\n", 900, 3);
    rig->k1_failures = 1;
    rig->admit = slowly_admitted;
    rig_start(rig);
    cr_assert(rig_run(rig, k1_went, 10000));
    cr_assert_lt(rig->published_count, 300);
    cr_assert(rig_run(rig, rig_empty, 10000));
    rig_free(rig);
}

static uint32_t no_topic(struct rig *rig, const struct outbox_message *message, struct outbox_error *error)
{
    (void)message;
    if (!rig->hold)
        return OUTBOX_DELIVERED;
    *error = (struct outbox_error){.code = OUTBOX_E_NOT_FOUND, .text = "unknown topic"};
    return OUTBOX_RETRY;
}

Test(relay, a_missing_topic_costs_no_attempts)
{
    struct rig *rig = rig_filled("on_reject: park\nmax_attempts: 2\nretry_max: 200ms\n", 6, 3);
    rig->outcome = no_topic;
    rig->hold = true; /* read by no_topic; publishes are let through below */
    rig_start(rig);
    for (int i = 0; i < 100; i++) {
        rig_run_for(rig, 100);
        rig_release(rig);
    }
    cr_assert_eq(rig_stats(rig).dead_lettered, 0);
    rig_let_go(rig);
    cr_assert(rig_run(rig, rig_empty, 10000));
    cr_assert_str_eq(rig_texts(rig, "k0"), "0 1");
    rig_free(rig);
}

Test(relay, max_blocked_events_pauses_claiming_and_says_so)
{
    struct rig *rig = rig_filled("max_blocked_events: 5\nclaim_rows: 10\nretry_max: 1s\n", 600, 1);
    rig->outcome = no_topic;
    rig->hold = true;
    rig_start(rig);
    for (int i = 0; i < 20; i++) {
        rig_run_for(rig, 100);
        rig_release(rig);
    }
    cr_assert_lt(rig_stats(rig).deferred, 250);
    cr_assert_not_null(strstr(rig->said, "which is max_blocked_events: nothing more is claimed until they go"));
    rig_let_go(rig);
    cr_assert(rig_run(rig, rig_empty, 60000));
    rig_free(rig);
}

Test(relay, a_null_key_blocks_only_itself)
{
    struct rig *rig = rig_new("on_reject: park\nmax_attempts: 3\nretry_max: 200ms\n");
    rig_insert(rig, "", "0");
    rig_insert(rig, "", "1");
    rig_start(rig);
    cr_assert(rig_run(rig, rig_empty, 10000));
    cr_assert_eq(rig->published_count, 2);
    rig_free(rig);
}

Test(relay, a_failed_park_is_found_again)
{
    struct rig *rig = rig_filled("on_reject: park\n", 30, 3);
    rig->admit = k1_0_not_admitted;
    rig->fail[RIG_PARK].count = 1;
    rig->fail[RIG_PARK].code = OUTBOX_E_NOT_CONNECTED;
    rig_start(rig);
    cr_assert(rig_run(rig, rig_empty, 60000));
    cr_assert(rig->rows[1].parked);
    rig_free(rig);
}

static void note_blocked(void *arg, const struct obx_blocked_key *key)
{
    uint32_t *seen = arg;
    cr_assert_str_eq(key->topic, "outbox.event.T");
    cr_assert_str_eq(key->key, "k1");
    cr_assert_str_eq(key->event_id, "2");
    cr_assert_str_eq(key->reason, "not admitted");
    cr_assert_eq(key->position.major, 2);
    cr_assert_eq(key->events, 10);
    ++*seen;
}

Test(relay, what_blocks_and_what_went_can_be_seen)
{
    struct rig *rig = rig_new("retry_max: 7s\n");
    uint32_t seen = 0;
    obx_relay_wake(rig->relay); /* before it runs: no harm */
    rig_fill(rig, 30, 3);
    rig->admit = k1_0_not_admitted;
    rig->fail[RIG_START].count = 1;
    rig->fail[RIG_START].code = OUTBOX_E_PERMISSION;
    rig_start(rig);
    rig_run_for(rig, 1);
    cr_assert_eq(obx_relay_failure(rig->relay)->code, OUTBOX_E_PERMISSION);
    cr_assert(rig_run(rig, rig_drained, 60000));
    cr_assert_eq(obx_relay_failure(rig->relay)->code, OUTBOX_OK);
    cr_assert_eq(obx_relay_settings(rig->relay)->retry_max_ms, 7000);
    obx_relay_each_blocked(rig->relay, note_blocked, &seen);
    cr_assert_eq(seen, 1);
    cr_assert_eq(rig->delivered, 20);
    rig_free(rig);
}

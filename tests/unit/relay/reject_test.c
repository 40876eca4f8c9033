/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/reject_test.c - events that fail or are refused: retries, blocked keys, dead letters, waiting
 * keys */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"

static bool others_done(struct fixture *fixture)
{
    for (uint32_t i = 0; i < fixture->row_count; i++) {
        if (strcmp(fixture->rows[i].key, "k1") && !fixture->rows[i].gone)
            return false;
    }
    return true;
}

Test(relay, retry_keeps_the_order_of_its_key_and_delays_no_other_key)
{
    struct fixture *fixture = fixture_filled("claim_rows: 10\n", 90, 3);
    fixture->k1_failures = 3;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, others_done, 50));
    cr_assert_eq(fixture->k1_failures, 2, "%u", fixture->k1_failures);
    cr_assert_str_empty(fixture_texts(fixture, "k1"));
    cr_assert(fixture_run(fixture, fixture_empty, 10000));
    cr_assert_str_eq(fixture_texts(fixture, "k1"),
                     "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29");
    struct outbox_stats stats = fixture_stats(fixture);
    cr_assert_eq(stats.retried, 3);
    cr_assert_eq(stats.blocked_keys, 0);
    cr_assert_eq(stats.resent, 0);
    fixture_free(fixture);
}

static uint32_t k1_0_rejected(struct fixture *fixture, const struct outbox_message *message, struct outbox_error *error)
{
    (void)fixture;
    if (memcmp(message->key.data, "k1", 2) || *(const char *)message->value.data != '0')
        return OUTBOX_DELIVERED;
    *error = (struct outbox_error){.code = OUTBOX_E_REJECTED, .text = "too odd"};
    return OUTBOX_REJECTED;
}

static const char *rejection;

static uint32_t k1_0_rejected_for(struct fixture *fixture, const struct outbox_message *message,
                                  struct outbox_error *error)
{
    uint32_t outcome = k1_0_rejected(fixture, message, error);
    if (outcome == OUTBOX_REJECTED)
        snprintf(error->text, sizeof error->text, "%s", rejection);
    return outcome;
}

/* A server refuses other texts: the event would never become a dead letter. */
Test(relay, reason_of_a_dead_letter_ends_before_what_is_not_utf8)
{
    static const char *const reasons[][2] = {{"caf\xc3\xa9", "caf\xc3\xa9"}, {"caf\xc3( and more", "caf"}};
    for (int i = 0; i < 2; i++) {
        struct fixture *fixture = fixture_filled("on_reject: park\n", 30, 3);
        rejection = reasons[i][0];
        fixture->outcome = k1_0_rejected_for;
        fixture_start(fixture);
        cr_assert(fixture_run(fixture, fixture_empty, 60000));
        cr_assert(strstr(fixture->dead_reason, reasons[i][1]), "%s", fixture->dead_reason);
        cr_assert(!strstr(fixture->dead_reason, "("), "%s", fixture->dead_reason);
        fixture_free(fixture);
    }
}

static bool k1_0_not_admitted(struct fixture *fixture, const struct outbox_message *message)
{
    struct outbox_error error;
    return k1_0_rejected(fixture, message, &error) == OUTBOX_DELIVERED;
}

Test(relay, block_key_keeps_the_event_and_the_later_ones_of_its_key)
{
    struct fixture *fixture = fixture_filled("", 30, 3);
    fixture->admit = k1_0_not_admitted;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_drained, 60000));
    cr_assert_eq(fixture->drained_blocked, 10);
    cr_assert(others_done(fixture));
    cr_assert_str_empty(fixture_texts(fixture, "k1"));
    struct outbox_stats stats = fixture_stats(fixture);
    cr_assert_eq(stats.blocked_keys, 1);
    cr_assert_eq(stats.blocked_events, 10);
    cr_assert_eq(stats.in_flight, 0);
    cr_assert_not_null(strstr(fixture->logged, "test: event 2 cannot be published and blocks its key 'k1' of topic "
                                               "'outbox.event.T': not admitted; correct it, or see on_reject\n"));
    uint32_t claims = fixture->calls[FIXTURE_CLAIM];
    fixture_run_for(fixture, 60000);
    cr_assert_lt(fixture->calls[FIXTURE_CLAIM] - claims, 42 * 60, "a blocked key is tried with pauses, not %u times",
                 fixture->calls[FIXTURE_CLAIM] - claims);
    fixture->admit = NULL; /* the broker was repaired */
    cr_assert(fixture_run(fixture, fixture_empty, 120000));
    cr_assert_str_eq(fixture_texts(fixture, "k1"), "0 1 2 3 4 5 6 7 8 9");
    fixture_free(fixture);
}

Test(relay, events_deleted_while_their_key_is_blocked_are_forgotten)
{
    struct fixture *fixture = fixture_filled("retry_max: 1s\n", 30, 3);
    fixture->admit = k1_0_not_admitted;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_drained, 60000));
    fixture->rows[1].gone = true; /* the operator deleted the rejected event */
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    cr_assert_str_eq(fixture_texts(fixture, "k1"), "1 2 3 4 5 6 7 8 9");
    fixture_free(fixture);
}

Test(relay, park_dead_letters_the_event_and_its_key_continues)
{
    struct fixture *fixture = fixture_filled("on_reject: park\n", 30, 3);
    fixture->admit = k1_0_not_admitted;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 10000));
    cr_assert(fixture->rows[1].dead_lettered);
    cr_assert_str_eq(fixture_texts(fixture, "k1"), "1 2 3 4 5 6 7 8 9");
    cr_assert_eq(fixture_stats(fixture).dead_lettered, 1);
    fixture_free(fixture);
}

static bool nothing_admitted(struct fixture *fixture, const struct outbox_message *message)
{
    (void)fixture;
    (void)message;
    return false;
}

Test(relay, rows_are_dead_lettered_a_hundred_at_a_time)
{
    struct fixture *fixture = fixture_filled("on_reject: park\n", 250, 3);
    fixture->admit = nothing_admitted;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    fixture_run_for(fixture, 100); /* its last answer */
    cr_assert_eq(fixture_stats(fixture).dead_lettered, 250);
    cr_assert_geq(fixture->calls[FIXTURE_DEAD_LETTER], 3);
    cr_assert_eq(fixture->published_count, 0);
    fixture_free(fixture);
}

static bool halted(struct fixture *fixture)
{
    return fixture->state == OUTBOX_STATE_HALTED;
}

Test(relay, on_reject_stop_halts_the_relay_and_settles_delivered_events)
{
    struct fixture *fixture = fixture_filled("on_reject: stop\nclaim_rows: 3\n", 30, 3);
    fixture->outcome = k1_0_rejected;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, halted, 10000));
    fixture_run_for(fixture, 5000);
    uint32_t published = fixture->published_count;
    cr_assert_lt(published, 30);
    cr_assert_not(fixture->rows[1].gone);
    fixture_run_for(fixture, 60000);
    cr_assert_eq(fixture->published_count, published);
    fixture_free(fixture);
}

static uint32_t k1_0_never(struct fixture *fixture, const struct outbox_message *message, struct outbox_error *error)
{
    if (k1_0_rejected(fixture, message, error) == OUTBOX_DELIVERED)
        return OUTBOX_DELIVERED;
    error->code = OUTBOX_E_IO;
    return OUTBOX_RETRY;
}

Test(relay, event_without_attempts_left_is_rejected)
{
    struct fixture *fixture = fixture_filled("on_reject: park\nmax_attempts: 4\nretry_max: 200ms\n", 30, 3);
    fixture->outcome = k1_0_never;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 10000));
    cr_assert(fixture->rows[1].dead_lettered);
    cr_assert_eq(fixture->rows[1].attempts, 4);
    cr_assert_str_eq(fixture_texts(fixture, "k1"), "1 2 3 4 5 6 7 8 9");
    fixture_free(fixture);
}

static uint32_t tries;

static uint32_t k1_0_tried(struct fixture *fixture, const struct outbox_message *message, struct outbox_error *error)
{
    uint32_t outcome = k1_0_never(fixture, message, error);
    tries += outcome != OUTBOX_DELIVERED;
    return outcome;
}

static void note_attempts(void *arg, const struct obx_blocked_key *key)
{
    *(uint32_t *)arg = key->attempts;
}

Test(relay, each_try_of_a_blocking_event_is_one_attempt)
{
    static const char *const settings[] = {"max_attempts: 1\nretry_max: 1s\n", "max_attempts: 3\nretry_max: 1s\n"};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        struct fixture *fixture = fixture_new(settings[i]);
        uint32_t attempts = 0;
        fixture_fill(fixture, 30, 3);
        tries = 0;
        fixture->outcome = k1_0_tried;
        fixture_start(fixture);
        fixture_run_for(fixture, 30000);
        obx_relay_each_blocked(fixture->relay, note_attempts, &attempts);
        cr_expect_geq(tries, 5);
        cr_expect_eq(attempts, tries, "%s: %u attempts after %u tries", settings[i], attempts, tries);
        fixture_free(fixture);
    }
}

static bool k1_1_refused(struct fixture *fixture, const struct outbox_message *message)
{
    (void)fixture;
    return !memcmp(message->key.data, "k1", 2) && *(const char *)message->value.data == '1';
}

Test(relay, dead_lettered_event_does_not_end_the_pause_of_its_key)
{
    struct fixture *fixture = fixture_filled("on_reject: park\nretry_min: 60s\nretry_max: 60s\n", 4, 2);
    fixture->outcome = k1_0_never;
    fixture->refuse = k1_1_refused;
    fixture_start(fixture);
    fixture_run_for(fixture, 200);
    cr_expect(fixture->rows[3].dead_lettered);
    cr_expect_eq(fixture->publishes, 1, "%u publishes", fixture->publishes);
    fixture_free(fixture);
}

/* The claim is slow, so that other keys are due by then. */
static bool only_good_admitted(struct fixture *fixture, const struct outbox_message *message)
{
    fixture->loop.now_ns += OBX_MS;
    return !memcmp(message->key.data, "good", 4);
}

static bool good_went(struct fixture *fixture)
{
    return *fixture_texts(fixture, "good");
}

/* A hundred keys, ten of them in each claim. */
static void poll_with_poison(const char *settings, uint64_t row_bytes)
{
    struct fixture *fixture = fixture_new(settings);
    fixture->row_bytes = row_bytes;
    fixture->admit = only_good_admitted;
    fixture_fill(fixture, 100, 100);
    fixture_start(fixture);
    fixture_run_for(fixture, 2000);
    cr_assert_eq(fixture_stats(fixture).blocked_events, 100);
    fixture_insert(fixture, "good", "0");
    cr_assert(fixture_run(fixture, good_went, 1000));
    fixture->admit = NULL;
    cr_assert(fixture_run(fixture, fixture_empty, 1000));
    fixture_free(fixture);
}

Test(relay, keys_that_are_always_due_delay_no_new_rows)
{
    poll_with_poison("claim_rows: 10\nretry_min: 1ms\nretry_max: 1ms\n", 100);
}

/* While such keys are in flight there is no memory for a poll, and when there is, other keys are due. */
Test(relay, keys_that_take_all_the_memory_delay_no_new_rows)
{
    poll_with_poison("claim_rows: 10\nretry_min: 1ms\nretry_max: 1ms\nmax_in_flight_bytes: 64KiB\n", 8 * 1024);
}

static bool slowly_admitted(struct fixture *fixture, const struct outbox_message *message)
{
    (void)message;
    fixture->loop.now_ns += OBX_MS;
    return true;
}

static bool k1_went(struct fixture *fixture)
{
    return *fixture_texts(fixture, "k1");
}

Test(relay, backlog_delays_no_keys_that_are_due)
{
    struct fixture *fixture = fixture_filled("claim_rows: 10\nretry_min: 1ms\nretry_max: 1ms\n", 900, 3);
    fixture->k1_failures = 1;
    fixture->admit = slowly_admitted;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, k1_went, 10000));
    cr_assert_lt(fixture->published_count, 300);
    cr_assert(fixture_run(fixture, fixture_empty, 10000));
    fixture_free(fixture);
}

static uint32_t no_topic(struct fixture *fixture, const struct outbox_message *message, struct outbox_error *error)
{
    (void)message;
    if (!fixture->hold)
        return OUTBOX_DELIVERED;
    *error = (struct outbox_error){.code = OUTBOX_E_NOT_FOUND, .text = "unknown topic"};
    return OUTBOX_RETRY;
}

Test(relay, missing_topic_costs_no_attempts)
{
    struct fixture *fixture = fixture_filled("on_reject: park\nmax_attempts: 2\nretry_max: 200ms\n", 6, 3);
    fixture->outcome = no_topic;
    fixture->hold = true; /* read by no_topic; publishes are let through below */
    fixture_start(fixture);
    for (int i = 0; i < 100; i++) {
        fixture_run_for(fixture, 100);
        fixture_release(fixture);
    }
    cr_assert_eq(fixture_stats(fixture).dead_lettered, 0);
    fixture_release_all(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 10000));
    cr_assert_str_eq(fixture_texts(fixture, "k0"), "0 1");
    fixture_free(fixture);
}

Test(relay, max_blocked_events_pauses_claiming_and_is_logged)
{
    struct fixture *fixture = fixture_filled("max_blocked_events: 5\nclaim_rows: 10\nretry_max: 1s\n", 600, 1);
    fixture->outcome = no_topic;
    fixture->hold = true;
    fixture_start(fixture);
    for (int i = 0; i < 20; i++) {
        fixture_run_for(fixture, 100);
        fixture_release(fixture);
    }
    cr_assert_lt(fixture_stats(fixture).blocked_events, 250);
    cr_assert_not_null(strstr(fixture->logged, "which is max_blocked_events: nothing more is claimed until they go"));
    fixture_release_all(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    fixture_free(fixture);
}

Test(relay, event_without_a_key_blocks_no_other)
{
    struct fixture *fixture = fixture_new("on_reject: park\nmax_attempts: 3\nretry_max: 200ms\n");
    fixture_insert(fixture, "", "0");
    fixture_insert(fixture, "", "1");
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 10000));
    cr_assert_eq(fixture->published_count, 2);
    fixture_free(fixture);
}

Test(relay, failed_dead_letter_move_is_repeated)
{
    struct fixture *fixture = fixture_filled("on_reject: park\n", 30, 3);
    fixture->admit = k1_0_not_admitted;
    fixture->fail[FIXTURE_DEAD_LETTER].count = 1;
    fixture->fail[FIXTURE_DEAD_LETTER].code = OUTBOX_E_NOT_CONNECTED;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    cr_assert(fixture->rows[1].dead_lettered);
    fixture_free(fixture);
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

Test(relay, blocked_keys_and_statistics_are_visible)
{
    struct fixture *fixture = fixture_new("retry_max: 7s\n");
    uint32_t seen = 0;
    obx_relay_wake(fixture->relay); /* before it runs: no harm */
    fixture_fill(fixture, 30, 3);
    fixture->admit = k1_0_not_admitted;
    fixture->fail[FIXTURE_START].count = 1;
    fixture->fail[FIXTURE_START].code = OUTBOX_E_PERMISSION;
    fixture_start(fixture);
    fixture_run_for(fixture, 1);
    cr_assert_eq(obx_relay_failure(fixture->relay)->code, OUTBOX_E_PERMISSION);
    cr_assert(fixture_run(fixture, fixture_drained, 60000));
    cr_assert_eq(obx_relay_failure(fixture->relay)->code, OUTBOX_OK);
    cr_assert_eq(obx_relay_settings(fixture->relay)->retry_max_ms, 7000);
    obx_relay_each_blocked(fixture->relay, note_blocked, &seen);
    cr_assert_eq(seen, 1);
    cr_assert_eq(fixture->delivered, 20);
    fixture_free(fixture);
}

/* The dead-letter table is missing, for example: other keys continue, and the log is not flooded. */
Test(relay, failing_dead_letters_are_retried_with_growing_pauses)
{
    struct fixture *fixture = fixture_filled("on_reject: park\n", 30, 3);
    fixture->admit = k1_0_not_admitted;
    fixture->fail[FIXTURE_DEAD_LETTER].count = UINT32_MAX;
    fixture->fail[FIXTURE_DEAD_LETTER].code = OUTBOX_E_AGAIN;
    fixture_start(fixture);
    fixture_run_for(fixture, 5 * 60000);
    cr_assert_leq(fixture->calls[FIXTURE_DEAD_LETTER], 40, "%u moves in 5 minutes",
                  fixture->calls[FIXTURE_DEAD_LETTER]);
    cr_assert_str_eq(fixture_texts(fixture, "k0"), "0 1 2 3 4 5 6 7 8 9");
    cr_assert_str_eq(fixture_texts(fixture, "k1"), "1 2 3 4 5 6 7 8 9");
    cr_assert_eq(fixture_stats(fixture).store_connects, 1);
    unsigned lines = 0;
    for (const char *at = fixture->logged; (at = strstr(at, "wait to become dead letters")); at++)
        lines++;
    cr_assert(lines >= 1 && lines <= 6, "%u lines in 5 minutes", lines);
    fixture->fail[FIXTURE_DEAD_LETTER].count = 0;
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    fixture_run_for(fixture, 100); /* its last answer */
    cr_assert_eq(fixture_stats(fixture).dead_lettered, 1);
    fixture_free(fixture);
}

/* A right is missing, or the table: a new connection would not help. */
Test(relay, failing_dead_letters_restart_nothing)
{
    static const int codes[] = {OUTBOX_E_PERMISSION, OUTBOX_E_NOT_FOUND, OUTBOX_E_SCHEMA, OUTBOX_E_INVALID};
    for (size_t i = 0; i < OBX_COUNT(codes); i++) {
        struct fixture *fixture = fixture_filled("on_reject: park\n", 30, 3);
        fixture->admit = k1_0_not_admitted;
        fixture->fail[FIXTURE_DEAD_LETTER].count = 8;
        fixture->fail[FIXTURE_DEAD_LETTER].code = codes[i];
        fixture_start(fixture);
        cr_assert(fixture_run(fixture, fixture_empty, 300000));
        fixture_run_for(fixture, 100);
        cr_assert_eq(fixture_stats(fixture).store_connects, 1);
        cr_assert_eq(fixture_stats(fixture).broker_connects, 1);
        cr_assert_eq(fixture_stats(fixture).dead_lettered, 1);
        fixture_free(fixture);
    }
}

static bool k0_not_admitted(struct fixture *fixture, const struct outbox_message *message)
{
    (void)fixture;
    return memcmp(message->key.data, "k0", 2) != 0;
}

/* More rejected events than wait for the dead letters: those above wait as blocked events, and claims go on. */
Test(relay, rejected_events_without_a_place_stop_no_other_key)
{
    struct fixture *fixture = fixture_filled("on_reject: park\n", 1500, 1);
    fixture->admit = k0_not_admitted;
    fixture->fail[FIXTURE_DEAD_LETTER].count = UINT32_MAX;
    fixture->fail[FIXTURE_DEAD_LETTER].code = OUTBOX_E_NOT_FOUND;
    fixture_start(fixture);
    fixture_run_for(fixture, 5000);
    fixture_insert(fixture, "good", "0");
    fixture_run_for(fixture, 1000);
    cr_assert_str_eq(fixture_texts(fixture, "good"), "0");
    fixture->fail[FIXTURE_DEAD_LETTER].count = 0;
    cr_assert(fixture_run(fixture, fixture_empty, 300000));
    fixture_run_for(fixture, 100);
    cr_assert_eq(fixture_stats(fixture).dead_lettered, 1500);
    fixture_free(fixture);
}

/* As with Kafka: messages sent after a rejected event fail, too, and may go later. */
static uint32_t k1_0_rejected_and_others_fail(struct fixture *fixture, const struct outbox_message *message,
                                              struct outbox_error *error)
{
    uint32_t outcome = k1_0_rejected(fixture, message, error);
    bool is_k1 = !memcmp(message->key.data, "k1", 2);
    return outcome == OUTBOX_DELIVERED && is_k1 && fixture->k1_failures && fixture->k1_failures-- ? OUTBOX_RETRY
                                                                                                  : outcome;
}

/* Retries of the key meet the row again while it waits to be moved. */
Test(relay, row_is_moved_to_the_dead_letters_once)
{
    struct fixture *fixture = fixture_filled("on_reject: park-key\nretry_min: 10ms\nretry_max: 20ms\n", 30, 3);
    fixture->outcome = k1_0_rejected_and_others_fail;
    fixture->k1_failures = 9;
    fixture->fail[FIXTURE_DEAD_LETTER].count = 5;
    fixture->fail[FIXTURE_DEAD_LETTER].code = OUTBOX_E_AGAIN;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    fixture_run_for(fixture, 1000); /* the last answer */
    cr_assert_eq(fixture_stats(fixture).dead_lettered, 10, "%llu copies",
                 (unsigned long long)fixture_stats(fixture).dead_lettered);
    cr_assert_str_empty(fixture_texts(fixture, "k1"));
    fixture_free(fixture);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/report_test.c - what a relay reports: who blocks a key, why it has halted, when nothing moves */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"

/* ---- blocked keys ------------------------------------------------------------------------------------------------ */

static bool is_k1(const struct outbox_message *message)
{
    return message->key.size == 2 && !memcmp(message->key.data, "k1", 2);
}

static bool is_first_of_k1(const struct outbox_message *message)
{
    return is_k1(message) && *(const char *)message->value.data == '0';
}

/* As Kafka has it: the events of the key that follow in the same publishes fail, too, and may go later. */
static uint32_t k1_0_refused_and_followers_fail(struct fixture *fixture, const struct outbox_message *message,
                                                struct outbox_error *error)
{
    (void)fixture;
    if (!is_k1(message))
        return OUTBOX_DELIVERED;
    *error = is_first_of_k1(message) ? (struct outbox_error){.code = OUTBOX_E_REJECTED, .text = "too large"}
                                     : (struct outbox_error){.code = OUTBOX_E_AGAIN, .text = "an earlier event failed"};
    return is_first_of_k1(message) ? OUTBOX_REJECTED : OUTBOX_RETRY;
}

struct seen {
    char event_id[40], reason[160];
    uint64_t position, events;
    uint32_t attempts;
};

static void see(void *arg, const struct obx_blocked_key *key)
{
    struct seen *seen = arg;
    snprintf(seen->event_id, sizeof seen->event_id, "%s", key->event_id);
    snprintf(seen->reason, sizeof seen->reason, "%s", key->reason);
    seen->position = key->position.major;
    seen->events = key->events;
    seen->attempts = key->attempts;
}

static struct seen blocked_key(struct fixture *fixture)
{
    struct seen seen = {0};
    obx_relay_each_blocked(fixture->relay, see, &seen);
    return seen;
}

static void expect_culprit(struct fixture *fixture, uint64_t events)
{
    struct seen seen = blocked_key(fixture);
    cr_expect_str_eq(seen.event_id, "2");
    cr_expect_str_eq(seen.reason, "too large");
    cr_expect_eq(seen.position, 2);
    cr_expect_eq(seen.events, events, "%llu events", (unsigned long long)seen.events);
}

static bool key_is_blocked(struct fixture *fixture)
{
    return fixture_stats(fixture).blocked_keys > 0;
}

Test(report, refused_event_is_named_and_no_follower_of_its_batch)
{
    struct fixture *fixture = fixture_filled("poll_interval_max: 10s\n", 30, 3);
    fixture->outcome = k1_0_refused_and_followers_fail;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, key_is_blocked, 1000));
    expect_culprit(fixture, 10);
    fixture_run_for(fixture, 120000);
    expect_culprit(fixture, 10);
    cr_expect_eq(fixture_stats(fixture).retried, blocked_key(fixture).attempts - 1, "followers are no attempts");
    cr_expect_null(strstr(fixture->logged, "an earlier event failed"), "%s", fixture->logged);
    fixture_free(fixture);
}

/* The publishes of several batches are in flight when the first event is refused. */
Test(report, refused_event_is_named_and_no_follower_of_later_batches)
{
    struct fixture *fixture = fixture_filled("claim_rows: 4\n", 300, 3);
    fixture->outcome = k1_0_refused_and_followers_fail;
    fixture->hold = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 100);
    cr_assert_gt(fixture->most_in_flight, 4);
    fixture_release_all(fixture);
    fixture_run_for(fixture, 100);
    expect_culprit(fixture, 100);
    fixture_free(fixture);
}

static bool others_refused(struct fixture *fixture, const struct outbox_message *message)
{
    (void)fixture;
    return is_k1(message) && *(const char *)message->value.data == '1';
}

/* The second event of the key is refused while the first one waits for its topic. */
Test(report, event_that_waits_is_named_and_not_delayed_by_a_refused_one_behind)
{
    struct fixture *fixture = fixture_filled("retry_min: 10ms\nretry_max: 60s\n", 4, 2);
    fixture->k1_failures = 1;
    fixture->refuse = others_refused;
    fixture_start(fixture);
    fixture_run_for(fixture, 5000);
    cr_expect_str_eq(fixture_texts(fixture, "k1"), "0", "the first one does not wait for retry_max");
    struct seen seen = blocked_key(fixture);
    cr_expect_eq(seen.position, 4);
    cr_expect_str_eq(seen.reason, "refused");
    fixture_free(fixture);
}

static uint32_t no_outcome_yet;

static uint32_t k1_0_waits(struct fixture *fixture, const struct outbox_message *message, struct outbox_error *error)
{
    (void)fixture;
    if (!no_outcome_yet || !is_first_of_k1(message))
        return OUTBOX_DELIVERED;
    *error = (struct outbox_error){.code = OUTBOX_E_NOT_FOUND, .text = "no topic"};
    return OUTBOX_RETRY;
}

Test(report, reason_of_an_event_that_is_gone_is_not_shown_for_the_next_one)
{
    struct fixture *fixture = fixture_filled("", 6, 2);
    no_outcome_yet = 1;
    fixture->outcome = k1_0_waits;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, key_is_blocked, 1000));
    cr_expect_str_eq(blocked_key(fixture).reason, "no topic");
    fixture->rows[1].gone = true; /* somebody deleted it */
    fixture->hold = true;
    fixture_run_for(fixture, 5000);
    struct seen seen = blocked_key(fixture);
    cr_expect_eq(seen.position, 4);
    cr_expect_str_eq(seen.event_id, "");
    cr_expect_str_eq(seen.reason, "it is tried next");
    fixture_release_all(fixture);
    fixture_free(fixture);
}

/* ---- drained ----------------------------------------------------------------------------------------------------- */

static int topic_fault;

static uint32_t topic_fails(struct fixture *fixture, const struct outbox_message *message, struct outbox_error *error)
{
    (void)fixture;
    (void)message;
    *error = (struct outbox_error){.code = topic_fault, .text = "topic failed"};
    return topic_fault ? OUTBOX_RETRY : OUTBOX_DELIVERED;
}

static struct fixture *with_failing_topic(const char *settings, uint32_t count, int code)
{
    struct fixture *fixture = fixture_filled(settings, count, 3);
    topic_fault = code;
    fixture->outcome = topic_fails;
    fixture_start(fixture);
    return fixture;
}

Test(report, outbox_with_only_events_of_missing_topics_is_drained_after_ten_seconds)
{
    static const int codes[] = {OUTBOX_E_NOT_FOUND, OUTBOX_E_PERMISSION};
    for (size_t i = 0; i < OBX_COUNT(codes); i++) {
        struct fixture *fixture = with_failing_topic("retry_max: 1s\n", 30, codes[i]);
        fixture_run_for(fixture, 9000);
        cr_expect_eq(fixture->drained, 0, "the topic may still appear");
        cr_assert(fixture_run(fixture, fixture_drained, 5000));
        cr_expect_eq(fixture->drained_blocked, 30);
        topic_fault = 0;
        cr_assert(fixture_run(fixture, fixture_empty, 5000), "they are still tried");
        fixture_free(fixture);
    }
}

Test(report, outbox_with_events_that_may_go_any_moment_is_not_drained)
{
    struct fixture *fixture = with_failing_topic("retry_max: 1s\npoll_interval_max: 10s\n", 30, OUTBOX_E_AGAIN);
    fixture_run_for(fixture, 60000);
    cr_expect_eq(fixture->drained, 0);
    fixture_free(fixture);
}

Test(report, outbox_is_drained_when_max_blocked_events_ends_the_claims)
{
    struct fixture *fixture =
        with_failing_topic("retry_max: 1s\nmax_blocked_events: 10\nclaim_rows: 10\n", 90, OUTBOX_E_NOT_FOUND);
    cr_assert(fixture_run(fixture, fixture_drained, 60000));
    cr_expect_geq(fixture->drained_blocked, 10);
    cr_expect_lt(fixture->drained_blocked, 90);
    fixture_free(fixture);
}

static char left[2000];

static void note_left(void *arg, const char *why)
{
    (void)arg;
    snprintf(left + strlen(left), sizeof left - strlen(left), "%s\n", why);
}

static const char *what_is_left(struct fixture *fixture)
{
    left[0] = '\0';
    obx_relay_each_left(fixture->relay, note_left, NULL);
    return left;
}

/* Other troubles that have ended since then must not hide it. */
Test(report, rows_that_cannot_be_removed_are_reported_with_the_reason_while_they_are_there)
{
    struct fixture *fixture = fixture_filled("poll_interval_max: 100ms\n", 30, 3);
    fixture->unremovable = 7;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_drained, 60000));
    fixture->fail[FIXTURE_CLAIM].count = 30;
    fixture->fail[FIXTURE_CLAIM].code = OUTBOX_E_AGAIN;
    fixture_run_for(fixture, 120000);
    cr_expect_str_eq(what_is_left(fixture), "1 published rows cannot be removed, one is row 7: kept\n", "%s", left);
    fixture_free(fixture);
}

Test(report, rows_with_ids_that_no_relay_can_use_are_reported)
{
    struct fixture *fixture = fixture_filled("", 30, 3);
    fixture->unusable = 1;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_drained, 60000));
    cr_expect_eq(fixture->drained_blocked, 1);
    cr_expect_str_eq(what_is_left(fixture),
                     "there are rows with ids that no relay can use, such as 0; outbox check names one\n");
    fixture_free(fixture);
}

Test(report, rejected_events_that_cannot_be_moved_are_reported_with_the_reason)
{
    struct fixture *fixture = fixture_filled("on_reject: park\n", 30, 3);
    fixture->outcome = k1_0_refused_and_followers_fail;
    fixture->fail[FIXTURE_DEAD_LETTER].count = 1000;
    fixture->fail[FIXTURE_DEAD_LETTER].code = OUTBOX_E_NOT_FOUND;
    fixture_start(fixture);
    fixture_run_for(fixture, 60000);
    cr_expect_str_eq(what_is_left(fixture), "1 rejected events cannot become dead letters: simulated\n", "%s", left);
    fixture->fail[FIXTURE_DEAD_LETTER].count = 0;
    fixture->outcome = NULL;
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    cr_expect_str_empty(what_is_left(fixture), "%s", left);
    fixture_free(fixture);
}

/* ---- halted ------------------------------------------------------------------------------------------------------ */

static bool halted(struct fixture *fixture)
{
    return fixture->state == OUTBOX_STATE_HALTED;
}

#define HALT_REASON                                                                                                 \
    "event 2 cannot be published, the relay has halted (on_reject: stop): too large; correct or delete the event, " \
    "then reload the configuration (SIGHUP)"

static struct fixture *halted_fixture(void)
{
    struct fixture *fixture = fixture_filled("on_reject: stop\n", 30, 3);
    fixture->outcome = k1_0_refused_and_followers_fail;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, halted, 10000));
    return fixture;
}

Test(report, halted_relay_names_the_event_and_the_reason)
{
    struct fixture *fixture = halted_fixture();
    fixture_run_for(fixture, 60000);
    cr_expect_str_eq(fixture_stats(fixture).last_error, HALT_REASON);
    cr_expect_str_eq(obx_relay_failure(fixture->relay)->text, HALT_REASON);
    cr_expect_eq(obx_relay_failure(fixture->relay)->code, OUTBOX_E_REJECTED);
    cr_expect_str_eq(fixture->logged, "test: " HALT_REASON "\n", "once");
    expect_culprit(fixture, 10);
    fixture_free(fixture);
}

Test(report, halted_relay_goes_on_after_a_reload)
{
    struct fixture *fixture = halted_fixture();
    fixture->outcome = NULL; /* the broker takes it now */
    fixture_run_for(fixture, 60000);
    cr_assert(halted(fixture));
    obx_relay_retry(fixture->relay);
    cr_assert(fixture_run(fixture, fixture_empty, 1000));
    cr_expect(fixture_relaying(fixture));
    cr_expect_str_empty(fixture_stats(fixture).last_error);
    cr_expect_str_eq(fixture_texts(fixture, "k1"), "0 1 2 3 4 5 6 7 8 9");
    fixture_free(fixture);
}

Test(report, halted_relay_halts_again_while_nothing_was_mended)
{
    struct fixture *fixture = halted_fixture();
    obx_relay_retry(fixture->relay);
    fixture_run_for(fixture, 1000);
    cr_assert(halted(fixture), "%d %s", (int)fixture->state, fixture->logged);
    const char *first = strstr(fixture->logged, HALT_REASON);
    cr_expect(first && strstr(first + 1, HALT_REASON), "logged again");
    fixture->rows[1].gone = true; /* the operator deleted it */
    obx_relay_retry(fixture->relay);
    fixture->outcome = NULL;
    cr_assert(fixture_run(fixture, fixture_empty, 1000));
    cr_expect_str_eq(fixture_texts(fixture, "k1"), "1 2 3 4 5 6 7 8 9");
    fixture_free(fixture);
}

static void twenty_of_each_key_are_in_order(struct fixture *fixture)
{
    for (int k = 0; k < 3; k++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", k);
        cr_assert_str_eq(fixture_texts(fixture, key), "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19", "%s: %s",
                         key, fixture_texts(fixture, key));
    }
}

/* The halt came while other rows of the batch had not been sent, and a claim was under way. */
Test(report, halted_relay_reads_the_outbox_again_when_it_goes_on)
{
    for (uint32_t rows = 1; rows < 30; rows += 4) {
        char settings[64];
        snprintf(settings, sizeof settings, "on_reject: stop\nclaim_rows: %u\n", rows);
        fixture_unordered();
        struct fixture *fixture = fixture_filled(settings, 60, 3);
        fixture->outcome = k1_0_refused_and_followers_fail;
        fixture_start(fixture);
        cr_assert(fixture_run(fixture, halted, 10000));
        fixture->outcome = NULL;
        obx_relay_retry(fixture->relay);
        cr_assert(fixture_run(fixture, fixture_empty, 10000), "%u: %s", rows, fixture->logged);
        twenty_of_each_key_are_in_order(fixture);
        fixture_free(fixture);
    }
}

static bool second_claim_is_held(struct fixture *fixture)
{
    return halted(fixture) && fixture->calls[FIXTURE_CLAIM] == 2;
}

/* Its rows stand behind those that the halt has skipped. */
Test(report, claim_that_ends_after_a_rewind_was_requested_is_not_used)
{
    fixture_unordered();
    struct fixture *fixture = fixture_filled("on_reject: stop\nclaim_rows: 6\n", 60, 3);
    fixture->outcome = k1_0_refused_and_followers_fail;
    fixture->claims_done = 1;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, second_claim_is_held, 10000));
    fixture->outcome = NULL;
    obx_relay_retry(fixture->relay);
    fixture_run_for(fixture, 10);
    fixture_release_claim(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 10000), "%s", fixture->logged);
    twenty_of_each_key_are_in_order(fixture);
    fixture_free(fixture);
}

Test(report, blocked_keys_are_tried_at_once_after_a_reload)
{
    struct fixture *fixture = fixture_filled("retry_max: 1h\npoll_interval_max: 10s\n", 30, 3);
    fixture->outcome = k1_0_refused_and_followers_fail;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_drained, 60000));
    fixture->outcome = NULL;
    fixture_run_for(fixture, 60000);
    cr_assert(key_is_blocked(fixture));
    obx_relay_retry(fixture->relay);
    cr_assert(fixture_run(fixture, fixture_empty, 1000));
    fixture_free(fixture);
}

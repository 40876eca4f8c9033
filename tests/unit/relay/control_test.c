/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/control_test.c - what an operator does to a running relay: pause, resume, retry, skip */
#include <criterion/criterion.h>
#include <string.h>

#include "fixture_internal.h"
#include "relay/context.h"

static struct outbox_error answer;

static int control(struct fixture *fixture, enum obx_control_action action, const char *key)
{
    const struct obx_control_request request = {.action = action, .key = key, .by = "alice (uid 7)"};
    return obx_relay_control(fixture->relay, &request, &answer);
}

static void works(struct fixture *fixture, enum obx_control_action action, const char *key, const char *text)
{
    cr_assert_eq(control(fixture, action, key), OUTBOX_OK, "%s", answer.text);
    cr_assert_str_eq(answer.text, text);
}

static void is_refused(struct fixture *fixture, enum obx_control_action action, const char *key, int code,
                       const char *text)
{
    cr_assert_eq(control(fixture, action, key), code, "%d %s", answer.code, answer.text);
    cr_assert_str_eq(answer.text, text);
}

static bool is_paused(struct fixture *fixture)
{
    return fixture->state == OUTBOX_STATE_PAUSED;
}

static bool is_halted(struct fixture *fixture)
{
    return fixture->state == OUTBOX_STATE_HALTED;
}

static bool a_key_is_blocked(struct fixture *fixture)
{
    return fixture_stats(fixture).blocked_keys > 0;
}

static bool nothing_is_in_flight(struct fixture *fixture)
{
    return fixture_stats(fixture).in_flight == 0;
}

/* ---- pause ------------------------------------------------------------------------------------------------------- */

static const char paused[] = "paused: no event is claimed until 'outbox resume test'; it stays the owner";

Test(control, pause_settles_what_is_in_flight_claims_nothing_and_keeps_the_ownership)
{
    struct fixture *fixture = fixture_filled("claim_rows: 5\n", 60, 3);
    fixture->hold = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 20);
    uint32_t sent = fixture->publishes;
    works(fixture, OBX_CONTROL_PAUSE, NULL, paused);
    cr_assert_str_eq(obx_relay_paused_by(fixture->relay), "alice (uid 7)");
    fixture_release_all(fixture);
    cr_assert(fixture_run(fixture, nothing_is_in_flight, 1000));
    uint32_t claims = fixture->calls[FIXTURE_CLAIM];
    fixture_insert(fixture, "k0", "late");
    fixture_run_for(fixture, 60000);
    cr_assert(is_paused(fixture));
    cr_assert_eq(fixture->calls[FIXTURE_CLAIM], claims);
    cr_assert_eq(fixture->publishes, sent);
    cr_assert_eq(fixture_stats(fixture).settled, sent * 5);
    cr_assert_eq(fixture->calls[FIXTURE_ACQUIRE], 1);
    cr_assert_str_eq(fixture_stats(fixture).last_error, "paused by alice (uid 7); 'outbox resume test' lets it go on");
    works(fixture, OBX_CONTROL_RESUME, NULL, "resumed");
    cr_assert(fixture_run(fixture, fixture_empty, 1000));
    cr_assert(fixture_relaying(fixture));
    cr_assert_str_eq(fixture_texts(fixture, "k1"), "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19");
    cr_assert_eq(fixture->published_count, 61, "none twice");
    cr_assert_str_empty(fixture_stats(fixture).last_error);
    cr_assert_null(obx_relay_paused_by(fixture->relay));
    cr_assert_not_null(strstr(fixture->logged, "pause by alice (uid 7): paused: no event"));
    cr_assert_not_null(strstr(fixture->logged, "resume by alice (uid 7): resumed"));
    fixture_free(fixture);
}

Test(control, what_is_done_already_is_refused_and_logged)
{
    struct fixture *fixture = fixture_filled("", 6, 3);
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 1000));
    is_refused(fixture, OBX_CONTROL_RESUME, NULL, OUTBOX_E_REJECTED, "it is neither paused nor halted");
    works(fixture, OBX_CONTROL_PAUSE, NULL, paused);
    is_refused(fixture, OBX_CONTROL_PAUSE, NULL, OUTBOX_E_REJECTED, "it is paused already, by alice (uid 7)");
    cr_assert_not_null(strstr(fixture->logged, "pause by alice (uid 7): refused: it is paused already"));
    fixture_stop(fixture, 1000);
    is_refused(fixture, OBX_CONTROL_RESUME, NULL, OUTBOX_E_AGAIN, "the relay stops, or has stopped");
    fixture_free(fixture);
}

Test(control, relay_that_replaces_a_paused_one_starts_paused)
{
    struct fixture *fixture = fixture_filled("", 6, 3);
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 1000));
    obx_relay_inherit_pause(fixture->relay, fixture->relay);
    cr_assert_null(obx_relay_paused_by(fixture->relay));
    works(fixture, OBX_CONTROL_PAUSE, NULL, paused);
    obx_relay_inherit_pause(fixture->relay, fixture->relay); /* the program does it with two of them */
    cr_assert_not_null(strstr(fixture->logged, "test: still paused by alice (uid 7)\n"));
    fixture_stop(fixture, 1000);
    cr_assert(fixture_run(fixture, fixture_stopped, 1000));
    fixture_insert(fixture, "k1", "late");
    fixture_start(fixture);
    fixture_run_for(fixture, 5000);
    cr_assert(is_paused(fixture));
    cr_assert_eq(fixture->published_count, 6);
    fixture_free(fixture);
}

Test(control, paused_standby_claims_nothing_as_the_owner)
{
    struct fixture *fixture = fixture_filled("", 6, 3);
    fixture->owned_by_other = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 1000);
    works(fixture, OBX_CONTROL_PAUSE, NULL, "paused: this relay stands by, and will claim nothing as the owner either");
    cr_assert_eq(control(fixture, OBX_CONTROL_RETRY, "k1"), OUTBOX_E_STANDBY);
    fixture->owned_by_other = false;
    cr_assert(fixture_run(fixture, is_paused, 5000));
    cr_assert_eq(fixture->calls[FIXTURE_CLAIM], 0);
    works(fixture, OBX_CONTROL_RESUME, NULL, "resumed");
    cr_assert(fixture_run(fixture, fixture_empty, 1000));
    fixture_free(fixture);
}

Test(control, paused_relay_survives_an_outage_of_the_broker)
{
    fixture_concurrent();
    struct fixture *fixture = fixture_filled("", 60, 3);
    fixture_start(fixture);
    fixture_run_for(fixture, 2);
    works(fixture, OBX_CONTROL_PAUSE, NULL, paused);
    fixture_lose_broker(fixture);
    cr_assert(fixture_run(fixture, is_paused, 60000));
    works(fixture, OBX_CONTROL_RESUME, NULL, "resumed");
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    cr_assert_str_eq(fixture_texts(fixture, "k2"), "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19");
    fixture_free(fixture);
}

/* ---- retry and skip ---------------------------------------------------------------------------------------------- */

/* The first event of each of these keys is refused. As Kafka has it, those that follow it in a publish fail, too. */
static const char *refused_keys;

static uint32_t first_is_refused(struct fixture *fixture, const struct outbox_message *message,
                                 struct outbox_error *error)
{
    char key[16];
    uint32_t first = 0;
    snprintf(key, sizeof key, "%.*s", (int)message->key.size, (const char *)message->key.data);
    while (strcmp(fixture->rows[first].key, key) != 0)
        first++;
    if (!strstr(refused_keys, key) || fixture->rows[first].dead_lettered)
        return OUTBOX_DELIVERED;
    bool is_first = *(const char *)message->value.data == '0';
    *error = is_first ? (struct outbox_error){.code = OUTBOX_E_REJECTED, .text = "too large"}
                      : (struct outbox_error){.code = OUTBOX_E_AGAIN, .text = "an earlier event failed"};
    return is_first ? OUTBOX_REJECTED : OUTBOX_RETRY;
}

static struct fixture *with_refused(const char *settings, const char *keys)
{
    struct fixture *fixture = fixture_filled(settings, 30, 3);
    refused_keys = keys;
    fixture->outcome = first_is_refused;
    fixture_start(fixture);
    return fixture;
}

static struct fixture *with_blocked(const char *settings, const char *keys)
{
    struct fixture *fixture = with_refused(settings, keys);
    cr_assert(fixture_run(fixture, a_key_is_blocked, 1000));
    fixture_run_for(fixture, 1000);
    return fixture;
}

static void k1_went_on(struct fixture *fixture)
{
    cr_assert(fixture_run(fixture, fixture_empty, 1000), "%s", fixture->logged);
    cr_assert(fixture->rows[1].dead_lettered);
    cr_assert_str_eq(fixture_texts(fixture, "k1"), "1 2 3 4 5 6 7 8 9");
    cr_assert_eq(fixture_stats(fixture).dead_lettered, 1);
    cr_assert(fixture_relaying(fixture));
    cr_assert_not_null(
        strstr(fixture->logged, "event 2 goes to the dead letters: skipped by alice (uid 7): too large"));
    fixture_free(fixture);
}

Test(control, skipped_event_becomes_a_dead_letter_and_its_key_goes_on)
{
    struct fixture *fixture = with_blocked("retry_max: 1h\n", "k1");
    is_refused(fixture, OBX_CONTROL_SKIP, "k0", OUTBOX_E_REJECTED,
               "no such key is blocked; 'outbox status' lists blocked keys");
    works(fixture, OBX_CONTROL_SKIP, "k1", "event 2 goes to the dead letters");
    k1_went_on(fixture);
}

Test(control, the_only_blocked_key_needs_no_name)
{
    struct fixture *fixture = with_blocked("retry_max: 1h\n", "k1");
    works(fixture, OBX_CONTROL_SKIP, NULL, "event 2 goes to the dead letters");
    k1_went_on(fixture);
}

Test(control, a_key_among_several_is_named)
{
    struct fixture *fixture = with_blocked("retry_max: 1h\n", "k1 k2");
    is_refused(fixture, OBX_CONTROL_SKIP, NULL, OUTBOX_E_REJECTED,
               "2 blocked keys fit; name one by its key and --topic; 'outbox status' lists them");
    const struct obx_control_request elsewhere = {OBX_CONTROL_SKIP, "another.topic", "k1", "alice (uid 7)"};
    cr_assert_eq(obx_relay_control(fixture->relay, &elsewhere, &answer), OUTBOX_E_REJECTED);
    const struct obx_control_request here = {OBX_CONTROL_SKIP, "outbox.event.T", "k1", "alice (uid 7)"};
    cr_assert_eq(obx_relay_control(fixture->relay, &here, &answer), OUTBOX_OK, "%s", answer.text);
    fixture_run_for(fixture, 1000);
    cr_assert(fixture->rows[1].dead_lettered && !fixture->rows[2].dead_lettered);
    cr_assert_eq(fixture_stats(fixture).blocked_keys, 1);
    fixture_free(fixture);
}

#define EUROS \
    "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac" /* 24 bytes */

/* The relay keeps 63 bytes of a topic: the last character does not fit. */
Test(control, a_long_topic_is_named_as_it_is)
{
    struct fixture *fixture = with_blocked("retry_max: 1h\nroute: {topic: x" EUROS EUROS EUROS "}\n", "k1");
    const struct obx_control_request other = {OBX_CONTROL_RETRY, "x" EUROS EUROS "end", "k1", "alice"};
    cr_assert_eq(obx_relay_control(fixture->relay, &other, &answer), OUTBOX_E_REJECTED);
    const struct obx_control_request shorter = {OBX_CONTROL_RETRY, "x" EUROS EUROS, "k1", "alice"};
    cr_assert_eq(obx_relay_control(fixture->relay, &shorter, &answer), OUTBOX_E_REJECTED);
    const struct obx_control_request same = {OBX_CONTROL_RETRY, "x" EUROS EUROS EUROS, "k1", "alice"};
    cr_assert_eq(obx_relay_control(fixture->relay, &same, &answer), OUTBOX_OK, "%s", answer.text);
    fixture_free(fixture);
}

Test(control, skip_works_before_a_concurrent_broker)
{
    fixture_concurrent();
    struct fixture *fixture = with_blocked("retry_max: 1h\n", "k1");
    works(fixture, OBX_CONTROL_SKIP, "k1", "event 2 goes to the dead letters");
    k1_went_on(fixture);
}

static bool k1_is_not_admitted(struct fixture *fixture, const struct outbox_message *message)
{
    struct outbox_error error;
    return first_is_refused(fixture, message, &error) == OUTBOX_DELIVERED;
}

Test(control, skip_lets_a_halted_relay_go_on)
{
    struct fixture *fixture = with_refused("on_reject: stop\n", "k1");
    cr_assert(fixture_run(fixture, is_halted, 1000));
    works(fixture, OBX_CONTROL_SKIP, NULL, "event 2 goes to the dead letters");
    k1_went_on(fixture);
}

Test(control, resume_lets_a_halted_relay_go_on)
{
    struct fixture *fixture = fixture_filled("on_reject: stop\n", 30, 3);
    refused_keys = "k1";
    fixture->admit = k1_is_not_admitted;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, is_halted, 1000));
    fixture->admit = NULL;
    works(fixture, OBX_CONTROL_RESUME, NULL, "resumed");
    cr_assert(fixture_run(fixture, fixture_empty, 1000));
    fixture_free(fixture);
}

Test(control, retry_tries_one_key_or_all)
{
    struct fixture *fixture = with_blocked("retry_max: 1h\n", "k1 k2");
    fixture->outcome = NULL;
    works(fixture, OBX_CONTROL_RETRY, "k2", "key 'k2' is tried again now");
    fixture_run_for(fixture, 1000);
    cr_assert_str_eq(fixture_texts(fixture, "k2"), "0 1 2 3 4 5 6 7 8 9");
    cr_assert_str_empty(fixture_texts(fixture, "k1"));
    works(fixture, OBX_CONTROL_RETRY, NULL, "everything that waits is tried again now");
    cr_assert(fixture_run(fixture, fixture_empty, 1000));
    fixture_free(fixture);
}

static void see_reason(void *arg, const struct obx_blocked_key *key)
{
    *(bool *)arg = !strcmp(key->reason, "it is tried next");
}

static bool next_is_first(struct fixture *fixture)
{
    bool is_next = false;
    obx_relay_each_blocked(fixture->relay, see_reason, &is_next);
    return is_next;
}

Test(control, event_that_has_not_been_tried_is_not_skipped)
{
    struct fixture *fixture = with_blocked("retry_max: 1h\n", "k1");
    fixture->rows[1].gone = true; /* somebody deletes it */
    fixture->outcome = NULL;
    works(fixture, OBX_CONTROL_RETRY, "k1", "key 'k1' is tried again now");
    cr_assert(fixture_run(fixture, next_is_first, 1000));
    is_refused(fixture, OBX_CONTROL_SKIP, "k1", OUTBOX_E_AGAIN, "the event that blocks the key has not been tried yet");
    cr_assert(fixture_run(fixture, fixture_empty, 10000));
    fixture_free(fixture);
}

static const char first_gone[] =
    "1 blocked events have left the outbox without being published, the last with id 2: something else than the relay "
    "has deleted them\n";
static const char others_gone[] = "2 blocked events have left the outbox without being published, the last with id 8:";

/* Three of the key's events: the second and the third vanish within the minute after the first. */
static struct fixture *with_vanished(void)
{
    struct fixture *fixture = with_blocked("retry_max: 1h\n", "k1");
    fixture->outcome = NULL;
    fixture->rows[1].gone = true; /* somebody deletes it */
    works(fixture, OBX_CONTROL_RETRY, "k1", "key 'k1' is tried again now");
    cr_assert(fixture_run(fixture, next_is_first, 1000));
    fixture->rows[4].gone = fixture->rows[7].gone = true;
    cr_assert(fixture_run(fixture, fixture_empty, 10000));
    cr_assert_not_null(strstr(fixture->logged, first_gone), "%s", fixture->logged);
    cr_assert_null(strstr(fixture->logged, others_gone), "%s", fixture->logged);
    return fixture;
}

Test(control, vanished_events_are_logged_after_a_minute_at_most)
{
    struct fixture *fixture = with_vanished();
    fixture_run_for(fixture, 61000);
    cr_assert_not_null(strstr(fixture->logged, others_gone), "%s", fixture->logged);
    fixture_free(fixture);
}

Test(control, vanished_events_are_logged_by_a_stop_at_the_latest)
{
    struct fixture *fixture = with_vanished();
    fixture_stop(fixture, 1000);
    cr_assert(fixture_run(fixture, fixture_stopped, 2000));
    cr_assert_not_null(strstr(fixture->logged, others_gone), "%s", fixture->logged);
    fixture_free(fixture);
}

static uint32_t publishes_before;

static bool next_publish_is_held(struct fixture *fixture)
{
    return fixture->publishes > publishes_before;
}

/* One claim tries both. It does not return the only event of k1, and k1 goes when that of k2 has its outcome. */
Test(control, key_whose_last_event_has_gone_is_no_blocked_key)
{
    static const char none[] = "no such key is blocked; 'outbox status' lists blocked keys";
    struct fixture *fixture = fixture_filled("retry_max: 1h\n", 3, 3);
    refused_keys = "k1 k2";
    fixture->outcome = first_is_refused;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, a_key_is_blocked, 1000));
    fixture_run_for(fixture, 1000);
    fixture->rows[1].gone = true; /* somebody deletes it */
    fixture->hold = true;
    publishes_before = fixture->publishes;
    works(fixture, OBX_CONTROL_RETRY, NULL, "everything that waits is tried again now");
    cr_assert(fixture_run(fixture, next_publish_is_held, 1000));
    is_refused(fixture, OBX_CONTROL_SKIP, "k1", OUTBOX_E_REJECTED, none);
    is_refused(fixture, OBX_CONTROL_RETRY, "k1", OUTBOX_E_REJECTED, none);
    works(fixture, OBX_CONTROL_SKIP, NULL, "event 3 goes to the dead letters");
    fixture->outcome = NULL;
    fixture_release_all(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 10000));
    fixture_free(fixture);
}

Test(control, store_without_dead_letters_cannot_skip)
{
    fixture_store_plugin.caps &= ~OUTBOX_CAP_DEAD_LETTERS;
    struct fixture *fixture = with_blocked("retry_max: 1h\n", "k1");
    is_refused(fixture, OBX_CONTROL_SKIP, NULL, OUTBOX_E_UNSUPPORTED, "the store 'fixture' has no dead letters");
    fixture_free(fixture);
}

Test(control, no_event_is_skipped_when_the_log_is_lost)
{
    fixture_log();
    struct fixture *fixture = fixture_filled("", 40, 2);
    fixture->fail[FIXTURE_CLAIM].count = 1;
    fixture->fail[FIXTURE_CLAIM].code = OUTBOX_E_SCHEMA;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, is_halted, 5000));
    is_refused(fixture, OBX_CONTROL_SKIP, NULL, OUTBOX_E_REJECTED,
               "no event has halted the relay: the relay has halted: simulated");
    fixture_free(fixture);
}

/* A failure that may pass is skipped, too. */
Test(control, event_that_a_transform_cannot_handle_now_is_skipped)
{
    struct fixture *fixture = fixture_filled("transforms: {one: {plugin: suffix}}\nretry_max: 1h\n", 30, 3);
    fixture->not_now = "0";
    fixture->not_now_times = 1000;
    fixture->not_now_code = OUTBOX_E_AGAIN;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, a_key_is_blocked, 1000));
    fixture_run_for(fixture, 1000);
    works(fixture, OBX_CONTROL_SKIP, "k1", "event 2 goes to the dead letters");
    fixture_run_for(fixture, 1000);
    cr_assert(fixture->rows[1].dead_lettered);
    fixture_free(fixture);
}

static bool fails_k0(struct fixture *fixture, const struct outbox_message *message)
{
    (void)fixture;
    return message->key.size == 2 && !memcmp(message->key.data, "k0", 2);
}

Test(control, event_with_any_bytes_as_its_id_is_skipped_when_it_blocks_its_key)
{
    struct fixture *fixture = fixture_filled("", 4, 2);
    fixture->binary_ids = true;
    fixture->refuse = fails_k0;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, a_key_is_blocked, 5000));
    works(fixture, OBX_CONTROL_SKIP, "k0", "event a goes to the dead letters");
    fixture->refuse = NULL;
    cr_assert(fixture_run(fixture, fixture_empty, 60000), "%s", fixture->logged);
    cr_assert_eq(fixture_stats(fixture).dead_lettered, 1);
    fixture_free(fixture);
}

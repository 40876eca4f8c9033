/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/outage_log_test.c - what the log has of outages, of events that pass, and of a stop */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "relay/causes.h"
#include "relay/failures.h"

#define MINUTE_MS 60000u
#define HOUR_MS (60u * MINUTE_MS)

static unsigned count(const char *text, const char *part)
{
    unsigned found = 0;
    for (; (text = strstr(text, part)); text += strlen(part))
        found++;
    return found;
}

/* ---- texts and times --------------------------------------------------------------------------------------------- */

Test(outage_log, durations_are_readable)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } durations[] = {{0, "0 ms"},
                     {850 * OBX_MS, "850 ms"},
                     {12345 * OBX_MS, "12.3 s"},
                     {200000 * OBX_MS, "3 min 20 s"},
                     {7500000ull * OBX_MS, "2 h 5 min"},
                     {97200000ull * OBX_MS, "27 h 0 min"},
                     {183600000ull * OBX_MS, "2 d 3 h"}};
    for (size_t i = 0; i < OBX_COUNT(durations); i++)
        cr_expect_str_eq(obx_duration(durations[i].ns).text, durations[i].text);
}

Test(outage_log, reminders_come_after_a_minute_ten_minutes_and_at_their_interval)
{
    static const uint64_t outage[] = {1, 10, 20, 30, 40}, totals[] = {1, 10, 60, 120, 180};
    uint64_t of_outage = 7, of_totals = 7;
    for (size_t i = 0; i < OBX_COUNT(outage); i++) {
        of_outage = obx_next_reminder(7, of_outage, OBX_REMIND_OUTAGE);
        of_totals = obx_next_reminder(7, of_totals, OBX_REMIND_TOTALS);
        cr_expect_eq(of_outage, 7 + outage[i] * MINUTE_MS * OBX_MS);
        cr_expect_eq(of_totals, 7 + totals[i] * MINUTE_MS * OBX_MS);
    }
}

/* ---- outages ----------------------------------------------------------------------------------------------------- */

static struct fixture *with_broker_down(const char *settings, uint32_t rows, uint32_t starts)
{
    struct fixture *fixture = fixture_filled(settings, rows, 1);
    fixture->fail[FIXTURE_BROKER_START].count = starts;
    fixture->fail[FIXTURE_BROKER_START].code = OUTBOX_E_NOT_CONNECTED;
    fixture_start(fixture);
    return fixture;
}

Test(outage_log, outage_of_a_day_is_remembered_and_its_end_says_how_long_it_lasted)
{
    struct fixture *fixture = with_broker_down("poll_interval_max: 1m\n", 10, UINT32_MAX);
    fixture_run_for(fixture, 24 * HOUR_MS + 5 * MINUTE_MS);
    cr_expect_eq(count(fixture->logged, "broker: simulated; trying again until it works\n"), 1);
    cr_expect_eq(count(fixture->logged, " failures in 10 min "), 1);
    cr_expect_eq(count(fixture->logged, "broker: simulated; trying again until it works; "), 1 + 24 * 6, "%s",
                 fixture->logged);
    cr_expect_null(strstr(fixture->noted, "works again"));
    fixture->fail[FIXTURE_BROKER_START].count = 0;
    cr_assert(fixture_run(fixture, fixture_empty, MINUTE_MS));
    cr_expect_eq(count(fixture->noted, "broker: works again after "), 1);
    cr_expect_eq(count(fixture->noted, " failures in 24 h "), 1, "%s", fixture->noted);
    cr_expect_str_empty(fixture_stats(fixture).last_error);
    fixture_free(fixture);
}

static uint32_t flips;

static uint32_t two_causes(struct fixture *fixture, const struct outbox_message *message, struct outbox_error *error)
{
    (void)fixture;
    (void)message;
    bool even = flips++ % 2 == 0;
    *error =
        (struct outbox_error){.code = even ? OUTBOX_E_TIMEOUT : OUTBOX_E_NOT_CONNECTED, .text = "one of two causes"};
    return OUTBOX_NOT_CONNECTED;
}

Test(outage_log, causes_that_alternate_are_one_line_each_and_reminder)
{
    struct fixture *fixture = fixture_filled("poll_interval_max: 10s\n", 1, 1);
    flips = 0;
    fixture->outcome = two_causes;
    fixture_start(fixture);
    fixture_run_for(fixture, 5 * MINUTE_MS);
    cr_assert_gt(flips, 10);
    cr_expect_eq(count(fixture->logged, "broker: one of two causes; trying again"), 2 + 2, "%s", fixture->logged);
    fixture_free(fixture);
}

static void fail_with(struct fixture *fixture, enum fixture_op op, int code, const char *text)
{
    fixture->fail[op].count = 2;
    fixture->fail[op].code = code;
    fixture->fail[op].text = text;
}

/* The connection ends, and the next starts fail. */
static void outage(struct fixture *fixture, const char *text)
{
    fail_with(fixture, FIXTURE_CLAIM, OUTBOX_E_NOT_CONNECTED, "the connection ended");
    fail_with(fixture, FIXTURE_START, OUTBOX_E_PERMISSION, text);
    fixture_insert(fixture, "k", "next");
    cr_assert(fixture_run(fixture, fixture_empty, 10000));
}

Test(outage_log, another_cause_with_the_same_code_is_logged_within_the_minute)
{
    struct fixture *fixture = fixture_filled("poll_interval_max: 100ms\n", 10, 1);
    fixture_start(fixture);
    outage(fixture, "permission denied for table outbox");
    outage(fixture, "password authentication failed, process 4711");
    outage(fixture, "password authentication failed, process 815");
    cr_expect_eq(count(fixture->logged, "store: permission denied for table outbox; "), 1, "%s", fixture->logged);
    cr_expect_eq(count(fixture->logged, "store: password authentication failed, process "), 1, "%s", fixture->logged);
    cr_expect_eq(count(fixture->logged, "store: the connection ended; "), 1, "%s", fixture->logged);
    fixture_free(fixture);
}

/* "Connection refused", then "the database system is starting up": one server that was restarted. */
Test(outage_log, outage_with_many_words_is_one_line)
{
    struct fixture *fixture = fixture_filled("poll_interval_max: 100ms\n", 10, 1);
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 10000));
    fail_with(fixture, FIXTURE_CLAIM, OUTBOX_E_NOT_CONNECTED, "the connection ended");
    fail_with(fixture, FIXTURE_START, OUTBOX_E_NOT_CONNECTED, "the database system is starting up");
    fixture_insert(fixture, "k", "next");
    cr_assert(fixture_run(fixture, fixture_empty, 10000));
    cr_expect_eq(count(fixture->logged, "store: the connection ended; "), 1, "%s", fixture->logged);
    cr_expect_eq(count(fixture->logged, "the database system is starting up"), 0, "%s", fixture->logged);
    fixture_free(fixture);
}

static uint32_t new_words(struct fixture *fixture, const struct outbox_message *message, struct outbox_error *error)
{
    (void)fixture;
    (void)message;
    *error = (struct outbox_error){.code = OUTBOX_E_TIMEOUT};
    snprintf(error->text, sizeof error->text, "cause %c%c", 'a' + flips / 26 % 26, 'a' + flips % 26);
    flips++;
    return OUTBOX_NOT_CONNECTED;
}

Test(outage_log, outage_whose_words_never_repeat_is_eight_lines_a_minute)
{
    struct fixture *fixture = fixture_filled("poll_interval_max: 10s\n", 1, 1);
    flips = 0;
    fixture->outcome = new_words;
    fixture_start(fixture);
    fixture_run_for(fixture, MINUTE_MS - 1);
    cr_assert_gt(flips, OBX_CAUSES);
    cr_expect_eq(count(fixture->logged, "broker: cause "), OBX_CAUSES, "%s", fixture->logged);
    fixture_free(fixture);
}

/* The same operation, on one connection. */
static void cannot(struct fixture *fixture, enum fixture_op op, const char *text)
{
    fail_with(fixture, op, OUTBOX_E_PERMISSION, text);
    fixture->fail[op].count = UINT32_MAX;
    fixture_insert(fixture, "k", "more");
    fixture_run_for(fixture, 20000);
    fixture->fail[op].count = 0;
    cr_assert(fixture_run(fixture, fixture_empty, 10000));
}

Test(outage_log, another_cause_of_a_failing_operation_is_logged_within_the_minute)
{
    static const enum fixture_op operations[] = {FIXTURE_CLAIM, FIXTURE_SETTLE};
    for (size_t i = 0; i < OBX_COUNT(operations); i++) {
        struct fixture *fixture = fixture_filled("poll_interval_max: 100ms\n", 10, 1);
        fixture_start(fixture);
        cannot(fixture, operations[i], "permission denied for table outbox");
        cannot(fixture, operations[i], "the table is read-only");
        cannot(fixture, operations[i], "the table is read-only");
        cr_expect_eq(count(fixture->logged, "store: permission denied for table outbox; "), 1, "%s", fixture->logged);
        cr_expect_eq(count(fixture->logged, "store: the table is read-only; "), 1, "%s", fixture->logged);
        fixture_free(fixture);
    }
}

static uint32_t missing_topic(struct fixture *fixture, const struct outbox_message *message, struct outbox_error *error)
{
    bool first = ((const char *)message->key.data)[1] == '0';
    (void)fixture;
    *error = (struct outbox_error){.code = OUTBOX_E_NOT_FOUND};
    snprintf(error->text, sizeof error->text, "there is no topic %s", first ? "red" : "blue");
    return OUTBOX_RETRY;
}

/* Of each cause the first key is a warning. */
Test(outage_log, each_missing_topic_is_logged_once_for_all_its_keys)
{
    struct fixture *fixture = fixture_filled("", 30, 3);
    fixture->outcome = missing_topic;
    fixture_start(fixture);
    fixture_run_for(fixture, 30000);
    cr_expect_eq(count(fixture->logged, "there is no topic red"), 1, "%s", fixture->logged);
    cr_expect_eq(count(fixture->logged, "there is no topic blue"), 1, "%s", fixture->logged);
    fixture_free(fixture);
}

Test(outage_log, cause_is_made_of_words_and_not_of_numbers)
{
    static const char *const same[] = {"lock held by process 17 at 0/3A7C1", "lock  held by process 4711 at 1/0",
                                       "lock held by 7f3c0a12-5b90-4e77-8123-45d0918b6c21 process at"};
    static const char *const others[] = {"lock held by process of table", "", "orders-v1", "orders-v2", "gesperrt für"};
    struct obx_causes causes = {0};
    for (size_t i = 0; i < OBX_COUNT(same); i++)
        cr_expect_eq(obx_causes_log_due(&causes, same[i], i, OBX_LOG_EVERY_NS), i == 0, "%s", same[i]);
    for (size_t i = 0; i < OBX_COUNT(others); i++)
        cr_expect(obx_causes_log_due(&causes, others[i], 0, OBX_LOG_EVERY_NS), "%s", others[i]);
    cr_expect(obx_causes_log_due(&causes, same[1], OBX_LOG_EVERY_NS, OBX_LOG_EVERY_NS));
}

Test(outage_log, texts_that_never_repeat_are_eight_lines_a_minute)
{
    struct obx_causes causes = {0};
    unsigned logged = 0;
    for (unsigned i = 0; i < 26 * 26; i++) {
        const char text[] = {(char)('a' + i / 26), (char)('a' + i % 26), '\0'};
        logged += obx_causes_log_due(&causes, text, 3 * OBX_LOG_EVERY_NS * i / (26 * 26), OBX_LOG_EVERY_NS);
    }
    cr_expect_eq(logged, 3 * OBX_CAUSES);
}

Test(outage_log, broker_that_sends_no_outcome_is_remembered)
{
    struct fixture *fixture = fixture_filled("poll_interval_max: 1m\n", 5, 1);
    fixture->hold = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 61 * MINUTE_MS);
    cr_expect_eq(count(fixture->noted, "broker: no outcome for 10 s of the events in flight"), 1);
    cr_expect_eq(count(fixture->logged, "broker: no outcome for "), 1 + 6, "%s", fixture->logged);
    cr_expect_not_null(
        strstr(fixture->logged, "broker: no outcome for 10 min 0 s of the events in flight; is the broker up"));
    fixture_release_all(fixture);
    fixture_run_for(fixture, 10);
    cr_expect_not_null(strstr(fixture->noted, "broker: answers again, after 6"), "%s", fixture->noted);
    fixture_free(fixture);
}

/* ---- progress ---------------------------------------------------------------------------------------------------- */

Test(outage_log, first_event_of_a_start_and_totals_are_logged)
{
    struct fixture *fixture = fixture_filled("poll_interval_max: 10s\n", 30, 3);
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 1000));
    cr_expect_eq(count(fixture->noted, "published the first event since the start: event 1, key 'k0', topic "
                                       "'outbox.event.T'\n"),
                 1, "%s", fixture->noted);
    fixture_run_for(fixture, 5 * MINUTE_MS);
    cr_expect_eq(count(fixture->noted, "published 30 events in 60.0 s, 30 since the start\n"), 1, "%s", fixture->noted);
    fixture_insert(fixture, "k0", "more");
    fixture_run_for(fixture, 55 * MINUTE_MS);
    cr_expect_eq(count(fixture->noted, "published 1 events in 9 min 0 s, 31 since the start\n"), 1, "%s",
                 fixture->noted);
    fixture_stop(fixture, 1000);
    cr_assert(fixture_run(fixture, fixture_stopped, 1000));
    cr_expect_eq(count(fixture->noted,
                       "stopped: published 31 events since the start, removed 31 from the outbox, moved 0 "
                       "to the dead letters\n"),
                 1, "%s", fixture->noted);
    fixture_start(fixture);
    fixture_insert(fixture, "k0", "again");
    fixture_run_for(fixture, 11000);
    cr_expect_eq(count(fixture->noted, "published the first event since the start"), 2);
    fixture_free(fixture);
}

Test(outage_log, header_that_the_route_sets_itself_is_named_once)
{
    struct fixture *fixture = fixture_filled("poll_interval_max: 10s\n", 30, 3);
    fixture->headers = "{\"tenant\": \"a\", \"id\": \"mine\"}";
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 1000));
    cr_expect_eq(count(fixture->logged, "has the header 'id', which the route sets"), 1, "%s", fixture->logged);
    fixture_free(fixture);
}

/* ---- events that are published twice ------------------------------------------------------------------------------
 */

static uint32_t not_connected, unknown;

static uint32_t first_outcomes(struct fixture *fixture, const struct outbox_message *message,
                               struct outbox_error *error)
{
    (void)fixture;
    (void)message;
    *error = (struct outbox_error){.code = OUTBOX_E_NOT_CONNECTED, .text = "away"};
    if (unknown && unknown--)
        return OUTBOX_UNKNOWN;
    return not_connected && not_connected-- ? OUTBOX_NOT_CONNECTED : OUTBOX_DELIVERED;
}

/* Each row has a key of its own, so that the failures of one cause none of the others. */
static struct outbox_stats resent_after(uint32_t unknown_count, uint32_t not_connected_count)
{
    struct fixture *fixture = fixture_filled("", 20, 20);
    unknown = unknown_count;
    not_connected = not_connected_count;
    fixture->outcome = first_outcomes;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, MINUTE_MS));
    struct outbox_stats stats = fixture_stats(fixture);
    cr_expect_eq(fixture->published_count, 20 + unknown_count);
    fixture_free(fixture);
    return stats;
}

Test(outage_log, only_events_that_the_broker_may_have_count_as_resent)
{
    cr_expect_eq(resent_after(0, 20).resent, 0, "nothing had been sent");
    cr_expect_eq(resent_after(3, 0).resent, 3);
    cr_expect_eq(resent_after(3, 17).resent, 3);
}

Test(outage_log, events_that_were_published_and_are_read_again_count_as_resent)
{
    struct fixture *fixture = fixture_filled("claim_rows: 10\n", 50, 5);
    fixture->not_same = true;
    fixture->fail[FIXTURE_SETTLE].count = 1;
    fixture->fail[FIXTURE_SETTLE].code = OUTBOX_E_FENCED;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, MINUTE_MS));
    cr_assert_gt(fixture->published_count, 50);
    cr_expect_eq(fixture_stats(fixture).resent, fixture->published_count - 50);
    fixture_free(fixture);
}

Test(outage_log, stop_says_how_many_events_may_be_published_twice)
{
    struct fixture *fixture = fixture_filled("", 20, 20);
    fixture->fail[FIXTURE_SETTLE].count = UINT32_MAX;
    fixture->fail[FIXTURE_SETTLE].code = OUTBOX_E_AGAIN;
    unknown = 4;
    not_connected = 0;
    fixture->outcome = first_outcomes;
    fixture->hold = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 100);
    fixture_stop(fixture, 500); /* the stop of the broker ends the publishes: 4 unknown, 16 delivered */
    cr_assert(fixture_run(fixture, fixture_stopped, 5000));
    cr_expect_eq(count(fixture->logged,
                       "stopped with 20 events that the broker has or may have and that are still in the "
                       "outbox: they may be published twice\n"),
                 1, "%s", fixture->logged);
    cr_expect_eq(fixture_stats(fixture).resent, 0);
    fixture_free(fixture);
}

Test(outage_log, stop_that_gives_back_unpublished_events_warns_of_nothing)
{
    struct fixture *fixture = fixture_filled("", 20, 20);
    unknown = 0;
    not_connected = UINT32_MAX;
    fixture->outcome = first_outcomes;
    fixture->hold = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 100);
    fixture_stop(fixture, 500);
    cr_assert(fixture_run(fixture, fixture_stopped, 5000));
    cr_expect_null(strstr(fixture->logged, "published twice"), "%s", fixture->logged);
    fixture_free(fixture);
}

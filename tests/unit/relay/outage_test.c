/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/outage_test.c - brokers and stores that go away, ownership, and stopping */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"

/* ---- outages ----------------------------------------------------------------------------------------------------- */

static uint32_t down;

static uint32_t outage(struct fixture *fixture, const struct outbox_message *message, struct outbox_error *error)
{
    (void)fixture;
    (void)message;
    if (!down)
        return OUTBOX_DELIVERED;
    *error = (struct outbox_error){.code = OUTBOX_E_NOT_CONNECTED, .text = "broker is away"};
    return OUTBOX_NOT_CONNECTED;
}

Test(relay, broker_outage_delays_events_and_costs_no_attempts)
{
    struct fixture *fixture = fixture_filled("max_attempts: 2\non_reject: park\n", 200, 5);
    down = 1;
    fixture->outcome = outage;
    fixture_start(fixture);
    fixture_run_for(fixture, 120000);
    cr_assert_eq(fixture->published_count, 0);
    uint32_t starts = fixture->calls[FIXTURE_BROKER_START];
    cr_assert(starts > 12 && starts < 120, "%u", starts);
    down = 0;
    cr_assert(fixture_run(fixture, fixture_empty, 15000));
    cr_assert_eq(fixture->published_count, 200);
    cr_assert_eq(fixture_stats(fixture).dead_lettered, 0);
    cr_assert_eq(fixture_stats(fixture).retried, 0);
    for (uint32_t k = 0; k < 5; k++) {
        char key[8];
        snprintf(key, sizeof key, "k%u", k);
        cr_assert_eq(strncmp(fixture_texts(fixture, key), "0 1 2 3 4 5 6 7 8 9 10 11", 25), 0);
    }
    fixture_free(fixture);
}

static bool is_recovering(struct fixture *fixture)
{
    return fixture->state == OUTBOX_STATE_RECOVERING;
}

Test(relay, relay_is_recovering_while_the_broker_sends_no_outcome)
{
    struct fixture *fixture = fixture_new("");
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_relaying, 1000));
    fixture->hold = true;
    fixture_fill(fixture, 5, 5);
    fixture_run_for(fixture, 9000);
    cr_assert(fixture_relaying(fixture));
    cr_assert(fixture_run(fixture, is_recovering, 2000));
    struct outbox_stats stats = fixture_stats(fixture);
    cr_assert_str_eq(stats.last_error, "broker: no outcome for 10 s of the events in flight; is the broker up, and are "
                                       "enough of its replicas in sync?");
    fixture_run_for(fixture, 40000);
    cr_assert(is_recovering(fixture));
    cr_assert_str_empty(fixture->logged, "a warning is for those who know what is wrong, or for a long time");
    fixture_release_all(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 1000));
    cr_assert(fixture_relaying(fixture));
    stats = fixture_stats(fixture);
    cr_assert_str_empty(stats.last_error);
    fixture_free(fixture);
}

static uint32_t unknown_once(struct fixture *fixture, const struct outbox_message *message, struct outbox_error *error)
{
    (void)fixture;
    (void)message;
    (void)error;
    return down && down-- ? OUTBOX_UNKNOWN : OUTBOX_DELIVERED;
}

Test(relay, event_with_unknown_outcome_is_sent_again)
{
    struct fixture *fixture = fixture_filled("", 20, 1);
    down = 1;
    fixture->outcome = unknown_once;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 10000));
    cr_assert_gt(fixture->published_count, 20);
    cr_assert_str_eq(fixture_texts(fixture, "k0"), "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19");
    cr_assert_gt(fixture_stats(fixture).resent, 0);
    fixture_free(fixture);
}

Test(relay, relay_never_stops_reconnecting)
{
    struct fixture *fixture = fixture_filled("", 10, 1);
    fixture->fail[FIXTURE_START].count = 12;
    fixture->fail[FIXTURE_START].code = OUTBOX_E_NOT_FOUND;
    fixture->fail[FIXTURE_BROKER_START].count = 9;
    fixture->fail[FIXTURE_BROKER_START].code = OUTBOX_E_NOT_CONNECTED;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 300000));
    cr_assert_eq(fixture->calls[FIXTURE_START], 13);
    cr_assert_eq(fixture->calls[FIXTURE_BROKER_START], 10);
    cr_assert_str_eq(fixture->logged, "test: store: simulated; trying again until it works\n"
                                      "test: broker: simulated; trying again until it works\n");
    fixture_free(fixture);
}

Test(relay, lost_store_connection_causes_no_duplicates)
{
    struct fixture *fixture = fixture_filled("claim_rows: 10\n", 200, 5);
    fixture->fail[FIXTURE_SETTLE].count = 2;
    fixture->fail[FIXTURE_SETTLE].code = OUTBOX_E_NOT_CONNECTED;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    cr_assert_eq(fixture->published_count, 200);
    cr_assert_eq(fixture->calls[FIXTURE_START], 3);
    fixture_free(fixture);
}

Test(relay, unsettled_events_are_sent_again_after_a_failover)
{
    struct fixture *fixture = fixture_filled("claim_rows: 10\n", 200, 5);
    fixture->not_same = true;
    fixture->fail[FIXTURE_SETTLE].count = 1;
    fixture->fail[FIXTURE_SETTLE].code = OUTBOX_E_FENCED;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    cr_assert_gt(fixture->published_count, 200);
    cr_assert_leq(fixture->published_count, 300);
    fixture_free(fixture);
}

Test(relay, busy_store_is_retried_without_a_reconnect)
{
    struct fixture *fixture = fixture_filled("", 50, 5);
    fixture->fail[FIXTURE_SETTLE].count = fixture->fail[FIXTURE_CLAIM].count = 3;
    fixture->fail[FIXTURE_SETTLE].code = fixture->fail[FIXTURE_CLAIM].code = OUTBOX_E_AGAIN;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    cr_assert_eq(fixture->published_count, 50);
    cr_assert_eq(fixture->calls[FIXTURE_START], 1);
    fixture_free(fixture);
}

static bool standing_by(struct fixture *fixture)
{
    return fixture->state == OUTBOX_STATE_STANDBY;
}

Test(relay, standby_waits_and_takes_over)
{
    struct fixture *fixture = fixture_filled("", 30, 3);
    fixture->owned_by_other = true;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, standing_by, 1000));
    fixture_run_for(fixture, 60000);
    cr_assert_eq(fixture->published_count, 0);
    cr_assert_eq(fixture->calls[FIXTURE_CLAIM], 0);
    fixture->owned_by_other = false;
    cr_assert(fixture_run(fixture, fixture_empty, 1000));
    fixture_free(fixture);
}

/* ---- stopping ---------------------------------------------------------------------------------------------------- */

Test(relay, stop_finishes_the_events_in_flight)
{
    struct fixture *fixture = fixture_filled("claim_rows: 10\n", 500, 5);
    fixture->hold = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 100);
    fixture_stop(fixture, 5000);
    fixture_run_for(fixture, 1000);
    cr_assert_not(fixture->stopped);
    fixture_release(fixture);
    cr_assert(fixture_run(fixture, fixture_stopped, 1000));
    cr_assert_eq(fixture->published_count, 120);
    cr_assert_eq(fixture_stats(fixture).settled, 120);
    fixture_free(fixture);
}

Test(relay, stop_at_the_deadline_settles_the_last_outcomes)
{
    struct fixture *fixture = fixture_filled("claim_rows: 10\n", 500, 5);
    fixture->hold = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 100);
    fixture_stop(fixture, 2000);
    fixture_run_for(fixture, 1900);
    cr_assert_not(fixture->stopped);
    cr_assert(fixture_run(fixture, fixture_stopped, 500));
    cr_assert_eq(fixture_stats(fixture).settled, fixture->published_count);
    fixture_free(fixture);
}

/* The stop of a reconnect has all the time of one; that of the relay has not. */
Test(relay, deadline_cuts_short_the_stop_of_a_reconnect)
{
    struct fixture *fixture = fixture_filled("claim_rows: 10\nstore_timeout: 60s\n", 20, 5);
    fixture->hold = fixture->stubborn = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 100);
    fixture->fail[FIXTURE_PUBLISH].count = 1;
    fixture->fail[FIXTURE_PUBLISH].code = OUTBOX_E_NOT_CONNECTED;
    fixture_fill(fixture, 10, 5);
    fixture_run_for(fixture, 100);
    fixture_stop(fixture, 100);
    fixture_run_for(fixture, 90);
    cr_assert_not(fixture->stopped);
    cr_assert(fixture_run(fixture, fixture_stopped, 5000));
    cr_assert_eq(fixture_stats(fixture).settled, fixture->published_count);
    fixture->stubborn = false;
    fixture_free(fixture);
}

Test(relay, relay_stops_in_every_state_and_starts_again)
{
    for (uint64_t ms = 0; ms < 40; ms++) {
        struct fixture *fixture = fixture_filled("claim_rows: 7\n", 300, 5);
        fixture_start(fixture);
        fixture_run_for(fixture, ms);
        fixture_stop(fixture, 100);
        cr_assert(fixture_run(fixture, fixture_stopped, 10000));
        fixture_start(fixture);
        cr_assert(fixture_run(fixture, fixture_empty, 10000));
        cr_assert_eq(fixture->published_count, 300);
        fixture_free(fixture);
    }
}

/* ---- what is logged ---------------------------------------------------------------------------------------------- */

static unsigned count_lines(const struct fixture *fixture, const char *text)
{
    unsigned lines = 0;
    for (const char *at = fixture->logged; (at = strstr(at, text)); at++)
        lines++;
    return lines;
}

/* Claims succeed all the time; the settles that ended the connection do not. */
Test(relay, connection_that_a_settle_ends_is_tried_once_a_second)
{
    struct fixture *fixture = fixture_filled("", 20, 2);
    fixture->not_same = true; /* so the outbox is read again, and claims succeed before the next settle */
    fixture->fail[FIXTURE_SETTLE].count = UINT32_MAX;
    fixture->fail[FIXTURE_SETTLE].code = OUTBOX_E_IO;
    fixture_start(fixture);
    fixture_run_for(fixture, 60000);
    cr_assert_leq(fixture->calls[FIXTURE_START], 65, "%u starts in a minute", fixture->calls[FIXTURE_START]);
    cr_assert_leq(count_lines(fixture, "test: store: "), 2, "%s", fixture->logged);
    fixture->fail[FIXTURE_SETTLE].count = 0;
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    fixture_run_for(fixture, 2000);
    cr_assert_str_eq(fixture_stats(fixture).last_error, "", "the outage is over");
    fixture_free(fixture);
}

Test(relay, shown_error_stays_until_the_work_that_failed_succeeds)
{
    struct fixture *fixture = fixture_filled("", 20, 2);
    fixture->not_same = true;
    fixture->fail[FIXTURE_SETTLE].count = 5;
    fixture->fail[FIXTURE_SETTLE].code = OUTBOX_E_IO;
    fixture_start(fixture);
    while (fixture->fail[FIXTURE_SETTLE].count) {
        fixture_run_for(fixture, 1);
        cr_assert(fixture->fail[FIXTURE_SETTLE].count == 5 || fixture_stats(fixture).last_error[0],
                  "the claims in between end no outage");
    }
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    fixture_run_for(fixture, 100);
    cr_assert_str_eq(fixture_stats(fixture).last_error, "");
    fixture_free(fixture);
}

Test(relay, settle_that_is_not_allowed_keeps_the_connection)
{
    struct fixture *fixture = fixture_filled("", 20, 2);
    fixture->fail[FIXTURE_SETTLE].count = 30;
    fixture->fail[FIXTURE_SETTLE].code = OUTBOX_E_PERMISSION;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 120000));
    cr_assert_eq(fixture_stats(fixture).store_connects, 1);
    cr_assert_eq(fixture->published_count, 20);
    cr_assert_eq(count_lines(fixture, "delivered events could not be removed"), 1, "%s", fixture->logged);
    fixture_free(fixture);
}

Test(relay, claims_that_fail_for_long_are_tried_once_a_second)
{
    struct fixture *fixture = fixture_filled("", 20, 2);
    fixture->fail[FIXTURE_CLAIM].count = UINT32_MAX;
    fixture->fail[FIXTURE_CLAIM].code = OUTBOX_E_AGAIN;
    fixture_start(fixture);
    fixture_run_for(fixture, 60000);
    cr_assert_leq(fixture->calls[FIXTURE_CLAIM], 65, "%u claims in a minute", fixture->calls[FIXTURE_CLAIM]);
    cr_assert_eq(count_lines(fixture, "could not be claimed"), 1, "%s", fixture->logged);
    fixture->fail[FIXTURE_CLAIM].count = 0;
    cr_assert(fixture_run(fixture, fixture_empty, 10000));
    cr_assert_eq(fixture_stats(fixture).store_connects, 1);
    fixture_free(fixture);
}

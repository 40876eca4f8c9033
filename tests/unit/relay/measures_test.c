/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/measures_test.c - what a relay measures: latencies, the oldest event, possible duplicates */
#include <criterion/criterion.h>
#include <string.h>

#include "fixture.h"

static struct obx_relay_measures measures_of(struct fixture *fixture)
{
    struct obx_relay_measures measures;
    obx_relay_measure(fixture->relay, &measures);
    return measures;
}

static uint64_t count_of(const struct obx_histogram *histogram)
{
    uint64_t count = 0;
    for (unsigned i = 0; i <= OBX_HISTOGRAM_BUCKETS; i++)
        count += histogram->counts[i];
    return count;
}

static int64_t wall_us(struct fixture *fixture)
{
    return fixture->loop.base.ops->wall(&fixture->loop.base);
}

/* The first row was written 100 s ago, each later one a second later. */
static void set_times(struct fixture *fixture)
{
    for (uint32_t i = 0; i < fixture->row_count; i++)
        fixture->rows[i].created_us = wall_us(fixture) + ((int64_t)i - 100) * 1000000;
}

static void each_event_is_measured_once(struct fixture *fixture)
{
    set_times(fixture);
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    fixture_run_for(fixture, 1);
    struct obx_relay_measures measures = measures_of(fixture);
    cr_assert_eq(count_of(&measures.timings.delivery), 30);
    cr_assert_eq(measures.timings.delivery.counts[OBX_HISTOGRAM_BUCKETS - 2], 30, "between 60 and 300 s");
    cr_assert_eq(count_of(&measures.timings.claim), fixture->calls[FIXTURE_CLAIM]);
    cr_assert_eq(count_of(&measures.timings.settle), fixture->calls[FIXTURE_SETTLE]);
    cr_assert_gt(count_of(&measures.timings.publish), 0);
    cr_assert_eq(measures.oldest_us, INT64_MAX, "all are confirmed");
    cr_assert_eq(measures.blocked_since_ns, 0);
    fixture_free(fixture);
}

Test(measures, each_event_is_measured_once)
{
    each_event_is_measured_once(fixture_filled("", 30, 3));
}

Test(measures, each_event_is_measured_once_with_a_concurrent_broker)
{
    fixture_concurrent();
    each_event_is_measured_once(fixture_filled("", 30, 3));
}

static bool any_in_flight(struct fixture *fixture)
{
    return fixture_stats(fixture).in_flight > 0;
}

Test(measures, oldest_event_is_in_flight_or_blocked)
{
    struct fixture *fixture = fixture_filled("claim_rows: 10\n", 30, 3);
    set_times(fixture);
    fixture->hold = true;
    fixture->k1_failures = 1000;
    fixture_start(fixture);
    fixture_run_for(fixture, 100);
    cr_assert_eq(measures_of(fixture).oldest_us, fixture->rows[0].created_us, "in flight");
    fixture_release_all(fixture);
    fixture_run_for(fixture, 1000);
    cr_assert_eq(measures_of(fixture).oldest_us, fixture->rows[1].created_us, "the event that blocks k1");
    cr_assert_gt(measures_of(fixture).blocked_since_ns, 0);
    cr_assert_eq(measures_of(fixture).oldest_in_flight_us, INT64_MAX, "only blocked events are left");
    fixture->hold = true;
    cr_assert(fixture_run(fixture, any_in_flight, 60000));
    cr_assert_eq(measures_of(fixture).oldest_us, fixture->rows[1].created_us);
    cr_assert_eq(measures_of(fixture).oldest_in_flight_us, INT64_MAX, "a blocked event is being tried again");
    fixture->hold = false;
    fixture->k1_failures = 0;
    fixture_release_all(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    fixture_free(fixture);
}

Test(measures, events_without_a_time_are_not_measured)
{
    struct fixture *fixture = fixture_filled("", 30, 3);
    fixture->hold = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 100);
    cr_assert_eq(measures_of(fixture).oldest_us, INT64_MAX);
    fixture_release_all(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 1000));
    struct obx_relay_measures measures = measures_of(fixture);
    cr_assert_eq(count_of(&measures.timings.delivery), 0);
    fixture_free(fixture);
}

static uint32_t unknown_once;

static uint32_t all_unknown_once(struct fixture *fixture, const struct outbox_message *message,
                                 struct outbox_error *error)
{
    (void)fixture, (void)message;
    if (!unknown_once)
        return OUTBOX_DELIVERED;
    unknown_once--;
    *error = (struct outbox_error){.code = OUTBOX_E_TIMEOUT, .text = "no answer"};
    return OUTBOX_UNKNOWN;
}

Test(measures, recovery_names_its_possible_duplicates)
{
    struct fixture *fixture = fixture_filled("", 30, 3);
    fixture->outcome = all_unknown_once;
    for (uint32_t outage = 1; outage <= 2; outage++) {
        unknown_once = 30;
        if (outage == 1)
            fixture_start(fixture);
        cr_assert(fixture_run(fixture, fixture_empty, 60000));
        cr_assert_eq(measures_of(fixture).recovery_resent, 30, "of this outage");
        cr_assert_eq(fixture_stats(fixture).resent, outage * 30);
        fixture_fill(fixture, 30, 3);
    }
    const char *line = "broker: works again after ";
    const char *found = strstr(fixture->noted, line);
    cr_assert_not_null(found, "%s", fixture->noted);
    cr_assert_not_null(strstr(found, "; 30 events may be published twice\n"), "%s", found);
    fixture_free(fixture);
}

/* ---- events that wait in the outbox ------------------------------------------------------------------------------ */

static bool stands_by(struct fixture *fixture)
{
    return fixture->state == OUTBOX_STATE_STANDBY;
}

/* What its last claim left is now for the other relay. */
Test(measures, standby_is_not_behind)
{
    struct fixture *fixture = fixture_filled("claim_rows: 5\n", 60, 3);
    fixture->hold = true;
    fixture->claims_done = 1;
    fixture->fail[FIXTURE_SETTLE].count = 1;
    fixture->fail[FIXTURE_SETTLE].code = OUTBOX_E_NOT_CONNECTED;
    fixture_start(fixture);
    fixture_run_for(fixture, 10);
    cr_assert_gt(fixture_stats(fixture).behind_since_ns, 0);
    fixture->owned_by_other = true;
    fixture->since_us = 1795983300000000;
    fixture_release_all(fixture);
    cr_assert(fixture_run(fixture, stands_by, 5000));
    cr_assert_eq(measures_of(fixture).owned_since_us, fixture->since_us);
    const char *line = "store: standing by, the outbox is owned by the other, since 2026-11-29T20:15:00Z\n";
    cr_assert_not_null(strstr(fixture->noted, line), "%s", fixture->noted);
    cr_assert_eq(fixture_stats(fixture).behind_since_ns, 0);
    fixture->owned_by_other = false;
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    fixture_free(fixture);
}

/* ---- the backlog ------------------------------------------------------------------------------------------------- */

Test(measures, backlog_is_what_is_claimed_and_what_follows)
{
    fixture_ahead();
    struct fixture *fixture = fixture_filled("claim_rows: 5\n", 600, 3);
    fixture->hold = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 100);
    cr_assert_eq(measures_of(fixture).backlog, 600);
    cr_assert_eq(fixture->measures, 1);
    fixture_run_for(fixture, 25000); /* nothing is claimed, as nothing is confirmed */
    cr_assert_eq(measures_of(fixture).backlog, 600);
    cr_assert_eq(fixture->measures, 3, "once in 10 s");
    fixture->hold = false;
    fixture_release_all(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    fixture_run_for(fixture, 25000);
    cr_assert_eq(measures_of(fixture).backlog, 0);
    cr_assert_eq(fixture->measures, 3, "an outbox at its end is not measured");
    fixture_free(fixture);
}

/* A pause claims nothing, so only an estimate shows what comes meanwhile. */
Test(measures, backlog_of_a_paused_relay_is_seen)
{
    fixture_ahead();
    struct fixture *fixture = fixture_filled("", 30, 3);
    struct outbox_error answer;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    const struct obx_control_request pause = {.action = OBX_CONTROL_PAUSE, .by = "a test"};
    cr_assert_eq(obx_relay_control(fixture->relay, &pause, &answer), OUTBOX_OK, "%s", answer.text);
    fixture_fill(fixture, 40, 3);
    fixture_run_for(fixture, 11000);
    cr_assert_eq(measures_of(fixture).backlog, 40);
    const struct obx_control_request resume = {.action = OBX_CONTROL_RESUME, .by = "a test"};
    cr_assert_eq(obx_relay_control(fixture->relay, &resume, &answer), OUTBOX_OK, "%s", answer.text);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    fixture_run_for(fixture, 100);
    cr_assert_eq(measures_of(fixture).backlog, 0);
    fixture_free(fixture);
}

static uint32_t publishes_before;

static bool is_retried(struct fixture *fixture)
{
    return fixture->publishes > publishes_before;
}

Test(measures, backlog_has_a_retried_event_once)
{
    struct fixture *fixture = fixture_filled("retry_max: 1s\nmax_attempts: 1000\n", 30, 3);
    fixture->k1_failures = 1000;
    fixture_start(fixture);
    fixture_run_for(fixture, 1000);
    cr_assert_eq(measures_of(fixture).backlog, 10);
    fixture->hold = true;
    publishes_before = fixture->publishes;
    cr_assert(fixture_run(fixture, is_retried, 60000));
    cr_assert_eq(measures_of(fixture).backlog, 10);
    fixture->k1_failures = 0;
    fixture_release_all(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    fixture_free(fixture);
}

static bool any_published(struct fixture *fixture)
{
    return fixture->published_count > 0;
}

Test(measures, estimate_does_not_end_failures_of_claims)
{
    fixture_ahead();
    struct fixture *fixture = fixture_filled("claim_rows: 5\n", 600, 3);
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, any_published, 60000));
    fixture->measures_work = true;
    fixture->fail[FIXTURE_CLAIM].count = 1000;
    fixture->fail[FIXTURE_CLAIM].code = OUTBOX_E_AGAIN;
    fixture_run_for(fixture, 35000);
    cr_assert_gt(fixture->measures, 2);
    cr_assert_not_null(strstr(fixture->logged, "events could not be claimed"), "%s", fixture->logged);
    cr_assert_null(strstr(fixture->noted, "events are claimed again"), "%s", fixture->noted);
    fixture->fail[FIXTURE_CLAIM].count = 0;
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    cr_assert_not_null(strstr(fixture->noted, "events are claimed again"), "%s", fixture->noted);
    fixture_free(fixture);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/exactly_once_test.c - delivery: exactly-once: when the broker starts, and what follows a fence */
#include <criterion/criterion.h>
#include <string.h>

#include "fixture.h"

#define DELIVERY "delivery: exactly-once\n"

static bool has_two_starts(struct fixture *fixture)
{
    return fixture->calls[FIXTURE_BROKER_START] == 2;
}

Test(exactly_once, broker_learns_the_outbox_and_what_left_it_and_starts_after_each_acquire)
{
    fixture_exactly_once();
    struct fixture *fixture = fixture_filled(DELIVERY, 40, 4);
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    cr_assert_str_eq(fixture->broker_outbox, "fixture");
    cr_assert_eq(fixture->broker_epoch, 1);
    fixture_run_for(fixture, 10);
    cr_assert_eq(fixture->settled_reported, 40);
    fixture->fail[FIXTURE_CLAIM].count = 1;
    fixture->fail[FIXTURE_CLAIM].code = OUTBOX_E_NOT_CONNECTED;
    cr_assert(fixture_run(fixture, has_two_starts, 5000));
    cr_assert_eq(fixture->broker_epoch, 2);
    fixture_fill(fixture, 20, 4);
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    fixture_run_for(fixture, 10);
    cr_assert_eq(fixture->published_count, 60);
    cr_assert_eq(fixture->settled_reported, 60);
    fixture_free(fixture);
}

Test(exactly_once, broker_is_started_only_by_the_owner)
{
    fixture_exactly_once();
    struct fixture *fixture = fixture_new(DELIVERY);
    fixture->fail[FIXTURE_START].count = 5;
    fixture->fail[FIXTURE_START].code = OUTBOX_E_NOT_CONNECTED;
    fixture_start(fixture);
    fixture_run_for(fixture, 300);
    cr_assert_eq(fixture->calls[FIXTURE_BROKER_START], 0);
    cr_assert(fixture_run(fixture, fixture_relaying, 60000));
    cr_assert_eq(fixture->calls[FIXTURE_BROKER_START], 1);
    fixture_free(fixture);
}

Test(exactly_once, broker_without_the_capability_is_refused)
{
    fixture_refuses("store: {plugin: fixture}\nbroker: {plugin: fixture}\n" DELIVERY,
                    "test:3:1: delivery: exactly-once: the broker 'fixture' has no transactions; use "
                    "at-least-once, or a broker that 'outbox plugins' lists with exactly-once");
}

/* A relay may be without its broker for long: the log goes on. */
Test(exactly_once, log_near_its_limit_is_read_without_the_broker)
{
    fixture_exactly_once();
    fixture_log();
    struct fixture *fixture = fixture_filled(DELIVERY, 40, 4);
    fixture->fail[FIXTURE_BROKER_START].count = 1000;
    fixture->fail[FIXTURE_BROKER_START].code = OUTBOX_E_NOT_CONNECTED;
    fixture_start(fixture);
    fixture_run_for(fixture, 3000);
    cr_assert_eq(fixture->rewinds, 0);
    cr_assert_gt(fixture->measures, 0);
    fixture->relieve = true;
    fixture_run_for(fixture, 10000);
    cr_assert_eq(fixture->low, 40);
    fixture->relieve = false;
    fixture->fail[FIXTURE_BROKER_START].count = 0;
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    fixture_free(fixture);
}

Test(exactly_once, broker_with_the_capability_works_as_any_other_by_default)
{
    fixture_exactly_once();
    struct fixture *fixture = fixture_filled("", 40, 4);
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    fixture->fail[FIXTURE_CLAIM].count = 1;
    fixture->fail[FIXTURE_CLAIM].code = OUTBOX_E_NOT_CONNECTED;
    fixture_run_for(fixture, 5000);
    cr_assert_eq(fixture->calls[FIXTURE_BROKER_START], 1);
    cr_assert_eq(fixture->settled_reported, 0);
    fixture_free(fixture);
}

static uint32_t acquires_at_second_start;

static bool note_second_start(struct fixture *fixture)
{
    if (!has_two_starts(fixture))
        return false;
    acquires_at_second_start = fixture->calls[FIXTURE_ACQUIRE];
    return true;
}

/* The next publish, which is due, is fenced. */
static struct fixture *fenced(void)
{
    struct fixture *fixture = fixture_new(DELIVERY);
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_relaying, 5000));
    fixture->fail[FIXTURE_PUBLISH].count = 1;
    fixture->fail[FIXTURE_PUBLISH].code = OUTBOX_E_FENCED;
    fixture_fill(fixture, 8, 4);
    return fixture;
}

Test(exactly_once, fenced_broker_starts_after_the_ownership_is_renewed)
{
    fixture_exactly_once();
    fixture_renews();
    struct fixture *fixture = fenced();
    uint32_t renewals = fixture->calls[FIXTURE_RENEW];
    fixture->fail[FIXTURE_RENEW].count = 2; /* these do not prove it */
    fixture->fail[FIXTURE_RENEW].code = OUTBOX_E_AGAIN;
    cr_assert(fixture_run(fixture, note_second_start, 60000));
    cr_assert_eq(fixture->calls[FIXTURE_RENEW] - renewals, 3);
    cr_assert_eq(acquires_at_second_start, 1);
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    fixture_free(fixture);
}

Test(exactly_once, broker_publishes_nothing_before_the_ownership_is_confirmed_after_its_start)
{
    fixture_exactly_once();
    fixture_renews();
    struct fixture *fixture = fixture_filled(DELIVERY, 8, 4);
    fixture->fail[FIXTURE_RENEW].count = 3;
    fixture->fail[FIXTURE_RENEW].code = OUTBOX_E_AGAIN;
    fixture_start(fixture);
    fixture_run_for(fixture, 2000);
    cr_assert_eq(fixture->calls[FIXTURE_BROKER_START], 1);
    cr_assert_eq(fixture->published_count, 0);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    cr_assert_eq(fixture->calls[FIXTURE_BROKER_START], 1);
    cr_assert_eq(fixture->published_count, 8);
    fixture_free(fixture);
}

Test(exactly_once, broker_is_started_again_when_the_outbox_is_lost_before_that)
{
    fixture_exactly_once();
    fixture_renews();
    struct fixture *fixture = fixture_filled(DELIVERY, 8, 4);
    fixture->fail[FIXTURE_RENEW].count = 1;
    fixture->fail[FIXTURE_RENEW].code = OUTBOX_E_FENCED;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, note_second_start, 60000));
    cr_assert_eq(fixture->published_count, 0);
    cr_assert_eq(acquires_at_second_start, 2);
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    fixture_free(fixture);
}

Test(exactly_once, fenced_broker_of_a_store_without_renewal_starts_after_an_acquire)
{
    fixture_exactly_once();
    struct fixture *fixture = fenced();
    cr_assert(fixture_run(fixture, note_second_start, 60000));
    cr_assert_eq(acquires_at_second_start, 2);
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    fixture_free(fixture);
}

/* Six outages; then the transaction of an event that fails, which takes the others and the producer with it. */
static uint32_t fail_by_start(struct fixture *fixture, const struct outbox_message *message, struct outbox_error *error)
{
    bool is_k1 = message->key.size == 2 && !memcmp(message->key.data, "k1", 2);
    uint32_t starts = fixture->calls[FIXTURE_BROKER_START];
    error->code = OUTBOX_E_NOT_FOUND;
    if (starts > 7)
        return OUTBOX_DELIVERED;
    return is_k1 && starts == 7 ? OUTBOX_RETRY : OUTBOX_NOT_CONNECTED;
}

static bool has_seven_starts(struct fixture *fixture)
{
    return fixture->calls[FIXTURE_BROKER_START] >= 7;
}

static bool has_eight_starts(struct fixture *fixture)
{
    return fixture->calls[FIXTURE_BROKER_START] >= 8;
}

Test(exactly_once, event_that_ends_its_transaction_is_no_outage_of_the_broker)
{
    fixture_exactly_once();
    struct fixture *fixture = fixture_new(DELIVERY);
    fixture_insert(fixture, "k1", "fails");
    fixture_insert(fixture, "k2", "follows");
    fixture->outcome = fail_by_start;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, has_seven_starts, 60000));
    cr_assert(fixture_run(fixture, has_eight_starts, 400), "the pause is that of an outage");
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    fixture_free(fixture);
}

static bool stands_by(struct fixture *fixture)
{
    return fixture->state == OUTBOX_STATE_STANDBY;
}

Test(exactly_once, fenced_relay_that_lost_the_outbox_stands_by)
{
    fixture_exactly_once();
    fixture_renews();
    struct fixture *fixture = fenced();
    fixture->fail[FIXTURE_RENEW].count = 1;
    fixture->fail[FIXTURE_RENEW].code = OUTBOX_E_FENCED;
    fixture->owned_by_other = true;
    cr_assert(fixture_run(fixture, stands_by, 5000));
    fixture_run_for(fixture, 20000);
    cr_assert_eq(fixture->calls[FIXTURE_BROKER_START], 1);
    fixture->owned_by_other = false;
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    fixture_free(fixture);
}

static uint32_t unknown_once(struct fixture *fixture, const struct outbox_message *message, struct outbox_error *error)
{
    (void)message;
    (void)error;
    fixture->outcome = NULL;
    return OUTBOX_UNKNOWN;
}

Test(exactly_once, event_with_an_unknown_outcome_is_no_possible_duplicate)
{
    fixture_exactly_once();
    struct fixture *fixture = fixture_filled(DELIVERY, 1, 1);
    fixture->outcome = unknown_once;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    cr_assert_eq(fixture_stats(fixture).resent, 0);
    fixture_free(fixture);
}

Test(exactly_once, delivered_event_that_stays_at_the_stop_is_not_published_twice)
{
    fixture_exactly_once();
    struct fixture *fixture = fixture_filled(DELIVERY, 8, 4);
    fixture->fail[FIXTURE_SETTLE].count = 100000;
    fixture->fail[FIXTURE_SETTLE].code = OUTBOX_E_AGAIN;
    fixture_start(fixture);
    fixture_run_for(fixture, 1000);
    fixture_stop(fixture, 100);
    cr_assert(fixture_run(fixture, fixture_stopped, 5000));
    cr_assert_null(strstr(fixture->logged, "published twice"), "%s", fixture->logged);
    fixture->fail[FIXTURE_SETTLE].count = 0;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    fixture_free(fixture);
}

Test(exactly_once, global_order_has_many_publishes_in_flight)
{
    fixture_exactly_once();
    fixture_key_ordered();
    struct fixture *fixture = fixture_filled(DELIVERY "order: global\nclaim_rows: 100\n", 2000, 4);
    fixture->hold = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 100);
    cr_assert_eq(fixture->most_in_flight, 12);
    cr_assert_str_empty(fixture->logged);
    fixture_release_all(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    fixture_free(fixture);
}

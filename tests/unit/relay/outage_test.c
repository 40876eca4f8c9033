/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/outage_test.c - brokers and stores that go away, ownership, and stopping */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "rig.h"

/* ---- outages ----------------------------------------------------------------------------------------------------- */

static uint32_t down;

static uint32_t outage(struct rig *rig, const struct outbox_message *message, struct outbox_error *error)
{
    (void)rig;
    (void)message;
    if (!down)
        return OUTBOX_DELIVERED;
    *error = (struct outbox_error){.code = OUTBOX_E_NOT_CONNECTED, .text = "broker is away"};
    return OUTBOX_NOT_CONNECTED;
}

Test(relay, an_outage_of_the_broker_is_waited_for_and_costs_nothing)
{
    struct rig *rig = rig_filled("max_attempts: 2\non_reject: park\n", 200, 5);
    down = 1;
    rig->outcome = outage;
    rig_start(rig);
    rig_run_for(rig, 120000);
    cr_assert_eq(rig->published_count, 0);
    uint32_t starts = rig->calls[RIG_BROKER_START];
    cr_assert(starts > 12 && starts < 120, "%u", starts);
    down = 0;
    cr_assert(rig_run(rig, rig_empty, 15000));
    cr_assert_eq(rig->published_count, 200);
    cr_assert_eq(rig_stats(rig).dead_lettered, 0);
    cr_assert_eq(rig_stats(rig).retried, 0);
    for (uint32_t k = 0; k < 5; k++) {
        char key[8];
        snprintf(key, sizeof key, "k%u", k);
        cr_assert_eq(strncmp(rig_texts(rig, key), "0 1 2 3 4 5 6 7 8 9 10 11", 25), 0);
    }
    rig_free(rig);
}

static bool is_recovering(struct rig *rig)
{
    return rig->state == OUTBOX_STATE_RECOVERING;
}

Test(relay, a_broker_that_says_nothing_is_not_called_relaying)
{
    struct rig *rig = rig_new("");
    rig_start(rig);
    cr_assert(rig_run(rig, rig_relaying, 1000));
    rig->hold = true;
    rig_fill(rig, 5, 5);
    rig_run_for(rig, 9000);
    cr_assert(rig_relaying(rig));
    cr_assert(rig_run(rig, is_recovering, 2000));
    struct outbox_stats stats = rig_stats(rig);
    cr_assert_str_eq(stats.last_error, "broker: no outcome for 10 s of the events in flight; is the broker up, and are "
                                       "enough of its replicas in sync?");
    rig_run_for(rig, 60000);
    cr_assert(is_recovering(rig));
    cr_assert_str_empty(rig->said, "a warning is for those who know what is wrong");
    rig_let_go(rig);
    cr_assert(rig_run(rig, rig_empty, 1000));
    cr_assert(rig_relaying(rig));
    stats = rig_stats(rig);
    cr_assert_str_empty(stats.last_error);
    rig_free(rig);
}

static uint32_t unknown_once(struct rig *rig, const struct outbox_message *message, struct outbox_error *error)
{
    (void)rig;
    (void)message;
    (void)error;
    return down && down-- ? OUTBOX_UNKNOWN : OUTBOX_DELIVERED;
}

Test(relay, an_unknown_outcome_is_sent_again)
{
    struct rig *rig = rig_filled("", 20, 1);
    down = 1;
    rig->outcome = unknown_once;
    rig_start(rig);
    cr_assert(rig_run(rig, rig_empty, 10000));
    cr_assert_gt(rig->published_count, 20);
    cr_assert_str_eq(rig_texts(rig, "k0"), "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19");
    cr_assert_gt(rig_stats(rig).resent, 0);
    rig_free(rig);
}

Test(relay, connecting_goes_on_for_ever)
{
    struct rig *rig = rig_filled("", 10, 1);
    rig->fail[RIG_START].count = 12;
    rig->fail[RIG_START].code = OUTBOX_E_NOT_FOUND;
    rig->fail[RIG_BROKER_START].count = 9;
    rig->fail[RIG_BROKER_START].code = OUTBOX_E_NOT_CONNECTED;
    rig_start(rig);
    cr_assert(rig_run(rig, rig_empty, 300000));
    cr_assert_eq(rig->calls[RIG_START], 13);
    cr_assert_eq(rig->calls[RIG_BROKER_START], 10);
    cr_assert_str_eq(rig->said, "test: store: scripted; trying again until it works\n"
                                "test: broker: scripted; trying again until it works\n");
    rig_free(rig);
}

Test(relay, a_lost_store_costs_no_duplicates)
{
    struct rig *rig = rig_filled("claim_rows: 10\n", 200, 5);
    rig->fail[RIG_SETTLE].count = 2;
    rig->fail[RIG_SETTLE].code = OUTBOX_E_NOT_CONNECTED;
    rig_start(rig);
    cr_assert(rig_run(rig, rig_empty, 60000));
    cr_assert_eq(rig->published_count, 200);
    cr_assert_eq(rig->calls[RIG_START], 3);
    rig_free(rig);
}

Test(relay, after_a_failover_what_was_not_settled_is_sent_again)
{
    struct rig *rig = rig_filled("claim_rows: 10\n", 200, 5);
    rig->not_same = true;
    rig->fail[RIG_SETTLE].count = 1;
    rig->fail[RIG_SETTLE].code = OUTBOX_E_FENCED;
    rig_start(rig);
    cr_assert(rig_run(rig, rig_empty, 60000));
    cr_assert_gt(rig->published_count, 200);
    cr_assert_leq(rig->published_count, 300);
    rig_free(rig);
}

Test(relay, a_busy_store_is_asked_again_without_a_reconnect)
{
    struct rig *rig = rig_filled("", 50, 5);
    rig->fail[RIG_SETTLE].count = rig->fail[RIG_CLAIM].count = 3;
    rig->fail[RIG_SETTLE].code = rig->fail[RIG_CLAIM].code = OUTBOX_E_AGAIN;
    rig_start(rig);
    cr_assert(rig_run(rig, rig_empty, 60000));
    cr_assert_eq(rig->published_count, 50);
    cr_assert_eq(rig->calls[RIG_START], 1);
    rig_free(rig);
}

static bool standing_by(struct rig *rig)
{
    return rig->state == OUTBOX_STATE_STANDBY;
}

Test(relay, a_standby_waits_and_takes_over)
{
    struct rig *rig = rig_filled("", 30, 3);
    rig->owned_by_other = true;
    rig_start(rig);
    cr_assert(rig_run(rig, standing_by, 1000));
    rig_run_for(rig, 60000);
    cr_assert_eq(rig->published_count, 0);
    cr_assert_eq(rig->calls[RIG_CLAIM], 0);
    rig->owned_by_other = false;
    cr_assert(rig_run(rig, rig_empty, 1000));
    rig_free(rig);
}

/* ---- stopping ---------------------------------------------------------------------------------------------------- */

Test(relay, stopping_finishes_what_is_in_flight)
{
    struct rig *rig = rig_filled("claim_rows: 10\n", 500, 5);
    rig->hold = true;
    rig_start(rig);
    rig_run_for(rig, 100);
    rig_stop(rig, 5000);
    rig_run_for(rig, 1000);
    cr_assert_not(rig->stopped);
    rig_release(rig);
    cr_assert(rig_run(rig, rig_stopped, 1000));
    cr_assert_eq(rig->published_count, 120);
    cr_assert_eq(rig_stats(rig).settled, 120);
    rig_free(rig);
}

Test(relay, at_the_deadline_the_broker_is_stopped_and_its_last_word_is_settled)
{
    struct rig *rig = rig_filled("claim_rows: 10\n", 500, 5);
    rig->hold = true;
    rig_start(rig);
    rig_run_for(rig, 100);
    rig_stop(rig, 2000);
    rig_run_for(rig, 1900);
    cr_assert_not(rig->stopped);
    cr_assert(rig_run(rig, rig_stopped, 500));
    cr_assert_eq(rig_stats(rig).settled, rig->published_count);
    rig_free(rig);
}

/* The stop of a reconnect has all the time of one; that of the relay has not. */
Test(relay, at_the_deadline_a_stop_that_a_reconnect_began_is_cut_short)
{
    struct rig *rig = rig_filled("claim_rows: 10\nstore_timeout: 60s\n", 20, 5);
    rig->hold = rig->stubborn = true;
    rig_start(rig);
    rig_run_for(rig, 100);
    rig->fail[RIG_PUBLISH].count = 1;
    rig->fail[RIG_PUBLISH].code = OUTBOX_E_NOT_CONNECTED;
    rig_fill(rig, 10, 5);
    rig_run_for(rig, 100);
    rig_stop(rig, 100);
    rig_run_for(rig, 90);
    cr_assert_not(rig->stopped);
    cr_assert(rig_run(rig, rig_stopped, 5000));
    cr_assert_eq(rig_stats(rig).settled, rig->published_count);
    rig->stubborn = false;
    rig_free(rig);
}

Test(relay, it_can_be_stopped_in_every_state_and_started_again)
{
    for (uint64_t ms = 0; ms < 40; ms++) {
        struct rig *rig = rig_filled("claim_rows: 7\n", 300, 5);
        rig_start(rig);
        rig_run_for(rig, ms);
        rig_stop(rig, 100);
        cr_assert(rig_run(rig, rig_stopped, 10000));
        rig_start(rig);
        cr_assert(rig_run(rig, rig_empty, 10000));
        cr_assert_eq(rig->published_count, 300);
        rig_free(rig);
    }
}

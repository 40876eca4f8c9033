/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/record_test.c - delivery: exactly-once: what the broker may forget, and what is still there */
#include <criterion/criterion.h>
#include <string.h>

#include "fixture.h"

#define DELIVERY "delivery: exactly-once\n"

/* ---- what the record may forget ---------------------------------------------------------------------------------- */

/* fixture_broker.c checks that no reported event can come again, and that each event of a rewind is named. */
static void expect_settled(struct fixture *fixture, uint32_t count)
{
    fixture_run_for(fixture, 100);
    cr_assert_eq(fixture->settled_reported, count, "%u are reported", fixture->settled_reported);
}

Test(exactly_once, row_that_cannot_be_removed_hides_no_other)
{
    fixture_exactly_once();
    struct fixture *fixture = fixture_filled(DELIVERY "claim_rows: 10", 40, 4);
    fixture->unremovable = 7;
    fixture->names_unremovable = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 5000);
    expect_settled(fixture, 39);
    fixture_fill(fixture, 20, 4);
    fixture_run_for(fixture, 1000);
    expect_settled(fixture, 59);
    fixture->rows[6].gone = true; /* a later attempt of the store */
    fixture_fill(fixture, 1, 1);
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    expect_settled(fixture, 61);
    fixture_free(fixture);
}

Test(exactly_once, nothing_is_reported_while_the_store_does_not_name_the_row_that_stays)
{
    fixture_exactly_once();
    struct fixture *fixture = fixture_filled(DELIVERY, 40, 4);
    fixture->unremovable = 7;
    fixture_start(fixture);
    fixture_run_for(fixture, 5000);
    expect_settled(fixture, 0);
    fixture->unremovable = 0;
    fixture->rows[6].gone = true;
    fixture_fill(fixture, 20, 4);
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    expect_settled(fixture, 20);
    fixture_free(fixture);
}

Test(exactly_once, events_of_the_record_are_counted)
{
    fixture_exactly_once();
    struct fixture *fixture = fixture_filled(DELIVERY, 40, 4);
    fixture->already = true;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    cr_assert_eq(fixture_stats(fixture).recovered, 40);
    fixture_free(fixture);
}

static bool is_lost_again(struct fixture *fixture)
{
    return fixture->calls[FIXTURE_ACQUIRE] > 1 && fixture->state == OUTBOX_STATE_RELAYING;
}

Test(exactly_once, row_that_stays_and_is_claimed_again_is_not_reported)
{
    fixture_exactly_once();
    struct fixture *fixture = fixture_filled(DELIVERY, 40, 4);
    fixture->unremovable = 7;
    fixture->names_unremovable = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 1000);
    fixture->fail[FIXTURE_CLAIM].count = 1;
    fixture->fail[FIXTURE_CLAIM].code = OUTBOX_E_NOT_CONNECTED;
    cr_assert(fixture_run(fixture, is_lost_again, 20000));
    fixture_fill(fixture, 20, 4);
    fixture_run_for(fixture, 1000);
    expect_settled(fixture, 59);
    fixture_free(fixture);
}

static bool is_halted(struct fixture *fixture)
{
    return fixture->state == OUTBOX_STATE_HALTED;
}

static bool refuses_last(struct fixture *fixture, const struct outbox_message *message)
{
    (void)fixture;
    return message->value.size == 4 && !memcmp(message->value.data, "last", 4);
}

/* The rewind of a halted relay: row 3 comes first, and the store names row 7 no more until that is claimed again. */
Test(exactly_once, row_that_stays_is_not_reported_before_a_rewind_has_claimed_it)
{
    fixture_exactly_once();
    struct fixture *fixture = fixture_filled(DELIVERY "on_reject: stop\nclaim_rows: 1", 8, 4);
    fixture->rows[2].committed = false;
    fixture->unremovable = 7;
    fixture->names_unremovable = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 1000);
    expect_settled(fixture, 6);
    fixture->refuse = refuses_last;
    fixture_insert(fixture, "k1", "last");
    cr_assert(fixture_run(fixture, is_halted, 5000));
    fixture->refuse = NULL;
    fixture->unremovable = 0;
    fixture->rows[2].committed = true;
    fixture->claims_done = fixture->calls[FIXTURE_CLAIM] + 1;
    obx_relay_retry(fixture->relay);
    fixture_run_for(fixture, 100);
    expect_settled(fixture, 7);
    fixture_release_claim(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    expect_settled(fixture, 9);
    fixture_free(fixture);
}

Test(exactly_once, broker_learns_what_is_there_when_the_outbox_was_read)
{
    fixture_exactly_once();
    struct fixture *fixture = fixture_filled(DELIVERY "claim_rows: 10", 40, 4);
    fixture->fail[FIXTURE_BROKER_START].count = 3;
    fixture->fail[FIXTURE_BROKER_START].code = OUTBOX_E_NOT_CONNECTED;
    fixture_start(fixture);
    while (fixture->calls[FIXTURE_BROKER_START] < 4) {
        cr_assert_eq(fixture->calls[FIXTURE_CLAIM], 0, "the broker has not read the record");
        fixture_run_for(fixture, 1);
    }
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    fixture_run_for(fixture, 1000);
    cr_assert_eq(fixture->complete_reported, 1);
    fixture_free(fixture);
}

static bool third_claim_is_held(struct fixture *fixture)
{
    return fixture->calls[FIXTURE_CLAIM] == 3;
}

static bool held_claim_has_ended(struct fixture *fixture)
{
    return !fixture->claims_done;
}

/* The stop of the store ends a claim without rows: there may be rows that it did not read. The first claim measures. */
Test(exactly_once, claim_that_ends_with_the_connection_does_not_complete_what_is_there)
{
    fixture_exactly_once();
    fixture_log();
    struct fixture *fixture = fixture_filled(DELIVERY, 4, 2);
    fixture->claims_done = 2;
    fixture->hold = true;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, third_claim_is_held, 5000));
    fixture->fail[FIXTURE_SETTLE].count = 1;
    fixture->fail[FIXTURE_SETTLE].code = OUTBOX_E_NOT_CONNECTED;
    fixture_release_all(fixture);
    cr_assert(fixture_run(fixture, held_claim_has_ended, 5000));
    fixture_run_for(fixture, 1);
    cr_assert_eq(fixture->calls[FIXTURE_ACQUIRE], 1);
    cr_assert_eq(fixture->complete_reported, 0);
    cr_assert_eq(fixture_stats(fixture).empty_claims, 0);
    fixture_run_for(fixture, 1000);
    cr_assert_eq(fixture->complete_reported, 1);
    fixture_insert(fixture, "k1", "next"); /* its settle moves the position */
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    fixture_free(fixture);
}

static void read_again(struct fixture *fixture)
{
    static const enum obx_control_action actions[] = {OBX_CONTROL_PAUSE, OBX_CONTROL_RESUME};
    for (size_t i = 0; i < OBX_COUNT(actions); i++) {
        struct outbox_error answer;
        const struct obx_control_request request = {.action = actions[i], .by = "alice"};
        cr_assert_eq(obx_relay_control(fixture->relay, &request, &answer), OUTBOX_OK, "%s", answer.text);
    }
    fixture_run_for(fixture, 1000);
}

/* No settle names the row after the rewind, and no claim returns it. */
Test(exactly_once, row_that_goes_away_after_a_rewind_is_reported_once_all_was_read)
{
    fixture_exactly_once();
    struct fixture *fixture = fixture_filled(DELIVERY, 40, 4);
    fixture->unremovable = 7;
    fixture->names_unremovable = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 1000);
    expect_settled(fixture, 39);
    fixture->unremovable = 0;
    fixture->rows[6].gone = true;
    read_again(fixture);
    cr_assert_eq(fixture->complete_reported, 2);
    fixture_fill(fixture, 1, 1);
    cr_assert(fixture_run(fixture, fixture_empty, 5000));
    expect_settled(fixture, 41);
    fixture_free(fixture);
}

static bool refuses_k1(struct fixture *fixture, const struct outbox_message *message)
{
    (void)fixture;
    return message->key.size == 2 && !memcmp(message->key.data, "k1", 2);
}

/* Row 2 waits, and holds the position of the log until it is in the spool. */
Test(exactly_once, event_of_a_log_is_reported_when_the_position_has_passed_it)
{
    fixture_exactly_once();
    fixture_log();
    struct fixture *fixture = fixture_filled(DELIVERY "retry_max: 30s", 40, 4);
    fixture->refuse = refuses_k1;
    fixture->fail[FIXTURE_SPOOL].count = 1000;
    fixture->fail[FIXTURE_SPOOL].code = OUTBOX_E_AGAIN;
    fixture_start(fixture);
    fixture_run_for(fixture, 1000);
    cr_assert_eq(fixture->low, 1);
    expect_settled(fixture, 1);
    fixture->fail[FIXTURE_SPOOL].count = 0;
    fixture_run_for(fixture, 12000);
    cr_assert_eq(fixture->low, 40);
    expect_settled(fixture, 30);
    fixture->refuse = NULL;
    fixture_fill(fixture, 4, 4);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    expect_settled(fixture, 44);
    fixture_free(fixture);
}

/* As a copy in the spool that the database keeps, or that a later settle removes. */
Test(exactly_once, row_of_a_log_that_stays_hides_no_other)
{
    fixture_exactly_once();
    fixture_log();
    struct fixture *fixture = fixture_filled(DELIVERY, 40, 4);
    fixture->unremovable = 7;
    fixture->names_unremovable = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 5000);
    cr_assert_eq(fixture->low, 40);
    expect_settled(fixture, 39);
    fixture->rows[6].gone = true;
    fixture_fill(fixture, 4, 4);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    expect_settled(fixture, 44);
    fixture_free(fixture);
}

/* The store does not return them again in this ownership, so the record must not take them for gone. */
Test(exactly_once, settled_events_of_a_log_are_named_after_a_reconnect)
{
    fixture_exactly_once();
    fixture_log();
    struct fixture *fixture = fixture_filled(DELIVERY "retry_max: 30s", 40, 4);
    fixture->refuse = refuses_k1;
    fixture->fail[FIXTURE_SPOOL].count = 4;
    fixture->fail[FIXTURE_SPOOL].code = OUTBOX_E_AGAIN;
    fixture_start(fixture);
    fixture_run_for(fixture, 10);
    fixture->fail[FIXTURE_CLAIM].count = 1;
    fixture->fail[FIXTURE_CLAIM].code = OUTBOX_E_NOT_CONNECTED;
    cr_assert(fixture_run(fixture, is_lost_again, 20000));
    fixture_run_for(fixture, 12000);
    cr_assert_geq(fixture->complete_reported, 1);
    fixture->refuse = NULL;
    fixture_fill(fixture, 4, 4);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    fixture_free(fixture);
}

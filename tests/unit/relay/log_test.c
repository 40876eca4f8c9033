/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/relay/log_test.c - a store that reads a log: the low mark, the spool, relief, a log that lost events
 *
 * fixture_log.c checks the contract at each operation: no row is passed that is neither settled nor in the spool, and
 * only rows of the spool are claimed by position or dead-lettered.
 */
#include <criterion/criterion.h>

#include "fixture.h"

static bool refuses_k1(struct fixture *fixture, const struct outbox_message *message)
{
    (void)fixture;
    return message->key.size == 2 && !memcmp(message->key.data, "k1", 2);
}

static struct fixture *log_of(const char *settings, uint32_t count, uint32_t keys)
{
    fixture_log();
    return fixture_filled(settings, count, keys);
}

static void runs_until(struct fixture *fixture, bool (*done)(struct fixture *fixture))
{
    cr_assert(fixture_run(fixture, done, 60000), "%s", fixture->logged);
}

static bool all_passed(struct fixture *fixture)
{
    return fixture->low == fixture->row_count;
}

static bool passed_and_empty(struct fixture *fixture)
{
    return all_passed(fixture) && fixture_empty(fixture);
}

static uint32_t in_spool(const struct fixture *fixture)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < fixture->row_count; i++)
        count += fixture->rows[i].spooled && !fixture->rows[i].gone && !fixture->rows[i].dead_lettered;
    return count;
}

Test(log, every_settle_moves_the_position)
{
    struct fixture *fixture = log_of("", 300, 7);
    fixture_start(fixture);
    runs_until(fixture, passed_and_empty);
    fixture_run_for(fixture, 10);
    cr_assert_eq(fixture_stats(fixture).spooled, 0);
    cr_assert_eq(fixture_stats(fixture).held_since_ns, 0);
    cr_assert_eq(fixture->published_count, 300);
    fixture_free(fixture);
}

Test(log, a_blocked_key_moves_to_the_spool_and_holds_nothing)
{
    struct fixture *fixture = log_of("retry_max: 30s", 200, 4);
    fixture->refuse = refuses_k1;
    fixture_start(fixture);
    runs_until(fixture, all_passed);
    cr_assert_eq(in_spool(fixture), 50);
    fixture_run_for(fixture, 100);
    cr_assert_eq(fixture_stats(fixture).spooled, 50);
    cr_assert_eq(fixture_stats(fixture).in_flight, 0, "the batches are released");
    fixture->refuse = NULL;
    fixture_fill(fixture, 8, 4);
    runs_until(fixture, passed_and_empty);
    cr_assert_eq(in_spool(fixture), 0);
    cr_assert_eq(fixture->published_count, 208);
    cr_assert(!strncmp(fixture_texts(fixture, "k1"), "0 1 2 3 4 5 6 7 8 9 10", 22));
    fixture_free(fixture);
}

/* The store has made a dead letter of it. The later events of its key go on without it. */
Test(log, an_event_that_the_spool_refuses_is_counted_as_a_dead_letter)
{
    struct fixture *fixture = log_of("retry_max: 30s", 40, 4);
    fixture->refuse = refuses_k1;
    fixture->spool_refuses = 2;
    fixture_start(fixture);
    runs_until(fixture, all_passed);
    fixture_run_for(fixture, 100);
    cr_assert_eq(fixture_stats(fixture).spooled, 9);
    cr_assert_eq(fixture_stats(fixture).dead_lettered, 1);
    fixture->refuse = NULL;
    runs_until(fixture, passed_and_empty);
    cr_assert_eq(fixture->published_count, 39);
    fixture_free(fixture);
}

Test(log, an_event_that_fails_for_a_moment_is_retried_from_the_spool)
{
    struct fixture *fixture = log_of("claim_rows: 10\nmax_attempts: 100", 100, 2);
    fixture->k1_failures = 5;
    fixture_start(fixture);
    runs_until(fixture, passed_and_empty);
    cr_assert_gt(fixture_stats(fixture).spooled, 0);
    cr_assert_eq(fixture->published_count, 100);
    fixture_free(fixture);
}

Test(log, the_spool_is_read_before_the_log_after_a_restart)
{
    struct fixture *fixture = log_of("retry_max: 30s", 40, 2);
    fixture->refuse = refuses_k1;
    fixture_start(fixture);
    runs_until(fixture, all_passed);
    fixture_stop(fixture, 1000);
    runs_until(fixture, fixture_stopped);
    fixture->refuse = NULL;
    fixture_fill(fixture, 10, 2);
    fixture_start(fixture);
    runs_until(fixture, passed_and_empty);
    cr_assert_eq(fixture->published_count, 50);
    cr_assert(!strncmp(fixture_texts(fixture, "k1"), "0 1 2 3 4 5", 11));
    fixture_free(fixture);
}

Test(log, a_lost_connection_reads_the_log_again_without_duplicates)
{
    struct fixture *fixture = log_of("claim_rows: 20", 200, 4);
    fixture->k1_failures = 3;
    for (uint32_t i = 0; i < 12; i++) {
        fixture->fail[i % 2 ? FIXTURE_SPOOL : FIXTURE_CLAIM].count = 1;
        fixture->fail[i % 2 ? FIXTURE_SPOOL : FIXTURE_CLAIM].code = OUTBOX_E_NOT_CONNECTED;
        if (!i)
            fixture_start(fixture);
        fixture_run_for(fixture, 40);
    }
    runs_until(fixture, passed_and_empty);
    cr_assert_eq(fixture->published_count, 200);
    fixture_free(fixture);
}

Test(log, another_database_is_read_from_its_position)
{
    struct fixture *fixture = log_of("retry_max: 30s", 60, 3);
    fixture->refuse = refuses_k1;
    fixture->not_same = true;
    fixture_start(fixture);
    runs_until(fixture, all_passed);
    fixture->fail[FIXTURE_CLAIM].count = 1;
    fixture->fail[FIXTURE_CLAIM].code = OUTBOX_E_NOT_CONNECTED;
    fixture->refuse = NULL;
    fixture_fill(fixture, 6, 3);
    runs_until(fixture, passed_and_empty);
    cr_assert_eq(fixture->published_count, 66);
    fixture_free(fixture);
}

/* ---- dead letters ------------------------------------------------------------------------------------------------ */

static uint32_t dead(const struct fixture *fixture)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < fixture->row_count; i++)
        count += fixture->rows[i].dead_lettered;
    return count;
}

Test(log, rejected_events_become_dead_letters_from_the_spool)
{
    struct fixture *fixture = log_of("on_reject: park", 200, 4);
    fixture->refuse = refuses_k1;
    fixture_start(fixture);
    runs_until(fixture, passed_and_empty);
    cr_assert_eq(dead(fixture), 50);
    fixture_free(fixture);
}

Test(log, followers_of_a_dead_letter_go_there_from_the_spool)
{
    struct fixture *fixture = log_of("on_reject: park-key\nclaim_rows: 16", 100, 4);
    fixture->refuse = refuses_k1;
    fixture_start(fixture);
    runs_until(fixture, passed_and_empty);
    cr_assert_eq(dead(fixture), 25);
    fixture_free(fixture);
}

/* ---- copies that fail -------------------------------------------------------------------------------------------- */

Test(log, a_copy_that_fails_is_repeated_and_logged)
{
    struct fixture *fixture = log_of("retry_max: 30s", 40, 2);
    fixture->refuse = refuses_k1;
    fixture->fail[FIXTURE_SPOOL].count = 30;
    fixture->fail[FIXTURE_SPOOL].code = OUTBOX_E_AGAIN;
    fixture_start(fixture);
    fixture_run_for(fixture, 15000);
    cr_assert_not_null(strstr(fixture->logged, "store: simulated; for "), "%s", fixture->logged);
    cr_assert_not_null(strstr(fixture->logged, "waiting events could not be copied to the spool"));
    runs_until(fixture, all_passed);
    fixture_run_for(fixture, 10);
    cr_assert_not_null(strstr(fixture->noted, "waiting events are copied to the spool again after"));
    cr_assert_str_empty(fixture_stats(fixture).last_error);
    fixture_free(fixture);
}

static bool is_owned_again(struct fixture *fixture)
{
    return fixture->calls[FIXTURE_ACQUIRE] > 1 && fixture_stats(fixture).store_connects > 1;
}

static bool rejected_rows_are_dead(struct fixture *fixture)
{
    return fixture->rows[1].dead_lettered && fixture->rows[5].dead_lettered;
}

/* It is not in the spool, and gets there only after the rewind. */
Test(log, a_row_that_is_rejected_after_a_reconnect_does_not_stop_the_rewind)
{
    struct fixture *fixture = log_of("on_reject: park", 8, 4);
    fixture->refuse = refuses_k1;
    fixture->hold = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 50);
    fixture->fail[FIXTURE_CLAIM].count = 1;
    fixture->fail[FIXTURE_CLAIM].code = OUTBOX_E_NOT_CONNECTED;
    runs_until(fixture, is_owned_again);
    fixture_run_for(fixture, 50);
    fixture_release_all(fixture);
    runs_until(fixture, rejected_rows_are_dead);
    fixture_free(fixture);
}

/* ---- a log that is not kept, or too long --------------------------------------------------------------------------
 */

static bool halted(struct fixture *fixture)
{
    return fixture->state == OUTBOX_STATE_HALTED;
}

Test(log, a_lost_position_halts_until_people_let_it_go_on)
{
    struct fixture *fixture = log_of("", 40, 2);
    fixture->fail[FIXTURE_CLAIM].count = 1;
    fixture->fail[FIXTURE_CLAIM].code = OUTBOX_E_SCHEMA;
    fixture_start(fixture);
    runs_until(fixture, halted);
    cr_assert_str_eq(obx_relay_failure(fixture->relay)->text, "the relay has halted: simulated");
    uint32_t claims = fixture->calls[FIXTURE_CLAIM];
    fixture_run_for(fixture, 5000);
    cr_assert_eq(fixture->calls[FIXTURE_CLAIM], claims, "nothing is claimed, nothing is measured");
    obx_relay_retry(fixture->relay);
    runs_until(fixture, passed_and_empty);
    cr_assert_eq(fixture->rewinds, 1, "the one that failed did not count");
    fixture_free(fixture);
}

Test(log, a_table_whose_schema_is_wrong_does_not_halt)
{
    struct fixture *fixture = fixture_filled("", 40, 2);
    fixture->fail[FIXTURE_CLAIM].count = 1;
    fixture->fail[FIXTURE_CLAIM].code = OUTBOX_E_SCHEMA;
    fixture_start(fixture);
    runs_until(fixture, fixture_empty);
    fixture_free(fixture);
}

Test(log, the_length_of_the_log_is_reported_and_warned_of)
{
    struct fixture *fixture = log_of("", 1, 1);
    fixture->log_percent = 52;
    fixture_start(fixture);
    runs_until(fixture, passed_and_empty);
    fixture_run_for(fixture, 3000);
    cr_assert_eq(fixture_stats(fixture).kept_log_percent, 52);
    cr_assert_eq(fixture_stats(fixture).kept_log_bytes, 52000);
    const char *warning = strstr(fixture->logged, "takes 52 % of what may be kept, 52000 bytes");
    cr_assert_not_null(warning, "%s", fixture->logged);
    cr_assert_null(strstr(warning + 1, "takes"), "once");
    fixture->log_percent = 40;
    fixture_run_for(fixture, 3000);
    cr_assert_not_null(strstr(fixture->noted, "takes 40 % of what may be kept"));
    fixture_free(fixture);
}

static bool stands_by(struct fixture *fixture)
{
    return fixture->state == OUTBOX_STATE_STANDBY;
}

/* What it measured as the owner is now for the other relay. */
Test(log, a_standby_shows_no_log)
{
    struct fixture *fixture = log_of("", 1, 1);
    fixture->log_percent = 52;
    fixture_start(fixture);
    runs_until(fixture, passed_and_empty);
    fixture_run_for(fixture, 3000);
    cr_assert_eq(fixture_stats(fixture).kept_log_percent, 52);
    fixture->owned_by_other = true;
    fixture->fail[FIXTURE_CLAIM].count = 1;
    fixture->fail[FIXTURE_CLAIM].code = OUTBOX_E_NOT_CONNECTED;
    runs_until(fixture, stands_by);
    cr_assert_eq(fixture_stats(fixture).kept_log_percent, 0);
    cr_assert_eq(fixture_stats(fixture).kept_log_bytes, 0);
    fixture->owned_by_other = false;
    runs_until(fixture, fixture_relaying);
    fixture_run_for(fixture, 3000);
    cr_assert_eq(fixture_stats(fixture).kept_log_percent, 52);
    fixture_free(fixture);
}

static bool nothing_in_flight(struct fixture *fixture)
{
    return fixture_stats(fixture).in_flight == 0 && all_passed(fixture);
}

/* The broker is down: its memory fills, and the log grows. */
Test(log, relief_copies_everything_and_publishes_it_later)
{
    struct fixture *fixture = log_of("max_in_flight_bytes: 64KiB\nclaim_rows: 50", 400, 4);
    fixture->row_bytes = 400;
    fixture->fail[FIXTURE_BROKER_START].count = 1000;
    fixture->fail[FIXTURE_BROKER_START].code = OUTBOX_E_NOT_CONNECTED;
    fixture_start(fixture);
    fixture_run_for(fixture, 5000);
    cr_assert_lt(fixture->low, 400);
    cr_assert_gt(fixture->measures, 2, "there is no room for rows, and the log is measured");
    fixture->relieve = true;
    runs_until(fixture, nothing_in_flight);
    cr_assert_eq(in_spool(fixture), 400);
    cr_assert_not_null(strstr(fixture->logged, "too much log is kept"));
    fixture_fill(fixture, 40, 4);
    runs_until(fixture, nothing_in_flight);
    fixture->relieve = false;
    fixture->fail[FIXTURE_BROKER_START].count = 0;
    runs_until(fixture, passed_and_empty);
    cr_assert_eq(fixture->published_count, 440);
    cr_assert_not_null(strstr(fixture->noted, "the events of the spool are published"));
    cr_assert(!strncmp(fixture_texts(fixture, "k1"), "0 1 2 3 4 5 6 7 8", 17));
    fixture_free(fixture);
}

Test(log, relief_copies_what_is_in_flight_too)
{
    struct fixture *fixture = log_of("claim_rows: 20", 100, 4);
    fixture->hold = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 500);
    cr_assert_gt(fixture_stats(fixture).in_flight, 0);
    fixture->relieve = true;
    runs_until(fixture, all_passed);
    fixture->relieve = false;
    fixture_release_all(fixture);
    runs_until(fixture, passed_and_empty);
    cr_assert_eq(fixture->published_count, 100, "what was delivered is settled in the spool");
    fixture_free(fixture);
}

/* The copies fail for a while: rows that are wanted are settled before their turn. */
Test(log, row_that_is_settled_before_its_turn_is_not_copied)
{
    struct fixture *fixture = log_of("claim_rows: 500", 2400, 4);
    fixture->hold = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 500);
    uint64_t in_flight = fixture_stats(fixture).in_flight;
    cr_assert_gt(in_flight, 1000);
    fixture->fail[FIXTURE_SPOOL].count = 3;
    fixture->fail[FIXTURE_SPOOL].code = OUTBOX_E_AGAIN;
    fixture->relieve = true;
    fixture_run_for(fixture, 30);
    fixture_release_all(fixture);
    runs_until(fixture, nothing_in_flight);
    fixture->relieve = false;
    runs_until(fixture, passed_and_empty);
    cr_assert_eq(fixture->published_count, 2400);
    cr_assert_lt(fixture_stats(fixture).spooled, 2400, "settled rows are not copied");
    fixture_free(fixture);
}

Test(log, a_halted_relay_is_relieved)
{
    struct fixture *fixture = log_of("on_reject: stop", 20, 2);
    fixture->refuse = refuses_k1;
    fixture_start(fixture);
    runs_until(fixture, halted);
    fixture_fill(fixture, 100, 2);
    fixture->relieve = true;
    runs_until(fixture, all_passed);
    fixture->refuse = NULL;
    fixture->relieve = false;
    fixture_run_for(fixture, 2000);
    cr_assert(halted(fixture));
    obx_relay_retry(fixture->relay);
    runs_until(fixture, passed_and_empty);
    fixture_free(fixture);
}

Test(log, too_many_blocked_events_are_measured_and_relieved)
{
    struct fixture *fixture = log_of("max_blocked_events: 10\nretry_max: 30s\nclaim_rows: 20", 200, 2);
    fixture->refuse = refuses_k1;
    fixture_start(fixture);
    fixture_run_for(fixture, 5000);
    cr_assert_lt(fixture->low, 200);
    cr_assert_gt(fixture->measures, 2);
    fixture->relieve = true;
    runs_until(fixture, all_passed);
    fixture->relieve = false;
    fixture->refuse = NULL;
    runs_until(fixture, passed_and_empty);
    fixture_free(fixture);
}

/* ---- the end of the log ------------------------------------------------------------------------------------------ */

Test(log, an_empty_claim_is_the_end_only_when_the_store_is_not_behind)
{
    struct fixture *fixture = log_of("", 10, 2);
    fixture->behind = true;
    fixture_start(fixture);
    fixture_run_for(fixture, 2000);
    cr_assert(passed_and_empty(fixture));
    cr_assert_eq(fixture->drained, 0);
    cr_assert_eq(fixture_stats(fixture).empty_claims, 0);
    fixture->behind = false;
    runs_until(fixture, fixture_drained);
    cr_assert_gt(fixture_stats(fixture).empty_claims, 0);
    fixture_free(fixture);
}

Test(log, an_idle_log_is_settled_every_five_seconds)
{
    struct fixture *fixture = log_of("", 10, 2);
    fixture_start(fixture);
    runs_until(fixture, passed_and_empty);
    fixture_run_for(fixture, 21000);
    cr_assert_eq(fixture->idle_settles, 4);
    fixture_free(fixture);
}

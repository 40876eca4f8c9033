/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/relay/position_header_test.c - route.position: the header, and what its low mark may pass
 *
 * The simulation has a consumer that uses it (tests/simulation/window.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"

#define SETTINGS "route: {position: true}\n"

struct place {
    char source[20];
    unsigned long long epoch, position, low;
};

/* Of the last event that was published. */
static struct place last_place(const struct fixture *fixture)
{
    struct place place = {0};
    unsigned nonce;
    const char *text = fixture->published[fixture->published_count - 1].place;
    int fields =
        sscanf(text, "%16[0-9a-f].%llx-%8x.%llx.%llx", place.source, &place.epoch, &nonce, &place.position, &place.low);
    cr_assert_eq(fields, 5, "'%s'", text);
    return place;
}

static void goes_out(struct fixture *fixture, uint64_t position, uint64_t low)
{
    uint32_t published = fixture->published_count;
    fixture_insert(fixture, "k9", "next");
    fixture_run_for(fixture, 1000);
    cr_assert_eq(fixture->published_count, published + 1);
    struct place place = last_place(fixture);
    cr_assert_eq(place.position, position, "position %llu", place.position);
    cr_assert_eq(place.low, low, "low mark %llu", place.low);
}

static struct fixture *started(const char *settings, uint32_t count)
{
    struct fixture *fixture = fixture_filled(settings, count, 2);
    fixture_start(fixture);
    fixture_run_for(fixture, 1000);
    return fixture;
}

Test(position_header, names_position_and_low_mark)
{
    struct fixture *fixture = started(SETTINGS, 3);
    struct place place = last_place(fixture);
    cr_assert_eq(strlen(place.source), 16);
    cr_assert(place.epoch == 1 && place.position == 3 && place.low == 1);
    goes_out(fixture, 4, 4);
    goes_out(fixture, 5, 5);
    fixture_free(fixture);
}

Test(position_header, is_not_there_without_the_option)
{
    struct fixture *fixture = started("", 3);
    cr_assert_eq(fixture->published_count, 3);
    cr_assert_str_empty(fixture->published[2].place);
    fixture_free(fixture);
}

Test(position_header, low_mark_waits_for_a_transaction_that_is_open)
{
    struct fixture *fixture = fixture_filled(SETTINGS, 5, 2);
    fixture->rows[2].committed = false;
    fixture_start(fixture);
    fixture_run_for(fixture, 1000);
    goes_out(fixture, 6, 3);
    goes_out(fixture, 7, 3);
    fixture->rows[2].committed = fixture->rows[2].gone = true; /* it is rolled back */
    goes_out(fixture, 8, 8);
    fixture_free(fixture);
}

static bool refuses_k1(struct fixture *fixture, const struct outbox_message *message)
{
    (void)fixture;
    return message->key.size == 2 && !memcmp(message->key.data, "k1", 2);
}

Test(position_header, low_mark_waits_for_blocked_keys)
{
    struct fixture *fixture = fixture_new(SETTINGS);
    fixture->refuse = refuses_k1;
    fixture_fill(fixture, 6, 2);
    fixture_start(fixture);
    fixture_run_for(fixture, 1000);
    goes_out(fixture, 7, 2);
    goes_out(fixture, 8, 2);
    fixture->refuse = NULL;
    obx_relay_retry(fixture->relay);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    goes_out(fixture, 9, 9);
    fixture_free(fixture);
}

Test(position_header, low_mark_waits_for_rows_that_cannot_be_removed)
{
    struct fixture *fixture = fixture_filled(SETTINGS, 5, 2);
    fixture->unremovable = 3;
    fixture_start(fixture);
    fixture_run_for(fixture, 1000);
    goes_out(fixture, 6, 1);
    fixture->rows[2].gone = true;
    goes_out(fixture, 7, 1); /* the next settle tells */
    goes_out(fixture, 8, 8);
    fixture_free(fixture);
}

static bool dead_letters_fail(struct fixture *fixture)
{
    return fixture->calls[FIXTURE_DEAD_LETTER] > 2;
}

Test(position_header, low_mark_waits_for_the_dead_letters)
{
    struct fixture *fixture = fixture_new(SETTINGS "on_reject: park\n");
    fixture->refuse = refuses_k1;
    fixture->fail[FIXTURE_DEAD_LETTER].count = 1000;
    fixture->fail[FIXTURE_DEAD_LETTER].code = OUTBOX_E_AGAIN;
    fixture_fill(fixture, 4, 2);
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, dead_letters_fail, 60000));
    uint64_t low = last_place(fixture).low;
    goes_out(fixture, 5, low);
    fixture->fail[FIXTURE_DEAD_LETTER].count = 0;
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    goes_out(fixture, 6, 6);
    fixture_free(fixture);
}

static bool is_owner_again(struct fixture *fixture)
{
    return fixture->calls[FIXTURE_ACQUIRE] > 1 && fixture->state == OUTBOX_STATE_RELAYING;
}

Test(position_header, each_ownership_has_a_low_mark_of_its_own)
{
    struct fixture *fixture = started(SETTINGS, 5);
    goes_out(fixture, 6, 6);
    fixture->rows[1].committed = false;
    fixture->fail[FIXTURE_CLAIM].count = 1;
    fixture->fail[FIXTURE_CLAIM].code = OUTBOX_E_NOT_CONNECTED;
    cr_assert(fixture_run(fixture, is_owner_again, 60000));
    goes_out(fixture, 7, 2);
    cr_assert_eq(last_place(fixture).epoch, 2);
    fixture->rows[1].committed = true;
    fixture_free(fixture);
}

Test(position_header, pause_keeps_the_low_mark)
{
    struct fixture *fixture = started(SETTINGS, 5);
    const struct obx_control_request pause = {.action = OBX_CONTROL_PAUSE, .by = "test"},
                                     resume = {.action = OBX_CONTROL_RESUME, .by = "test"};
    struct outbox_error answer;
    goes_out(fixture, 6, 6);
    cr_assert_eq(obx_relay_control(fixture->relay, &pause, &answer), 0);
    fixture_insert(fixture, "k9", "held");
    fixture_run_for(fixture, 1000);
    cr_assert_eq(obx_relay_control(fixture->relay, &resume, &answer), 0);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    cr_assert_eq(last_place(fixture).low, 7);
    fixture_free(fixture);
}

Test(position_header, row_below_the_low_mark_shows_it)
{
    struct fixture *fixture = fixture_filled(SETTINGS, 5, 2);
    fixture->rows[2].gone = true; /* nobody knows of it */
    fixture_start(fixture);
    fixture_run_for(fixture, 1000);
    goes_out(fixture, 6, 6);
    fixture->rows[2].gone = false;
    fixture->cursor = 2; /* as after a scan for strays */
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    struct place place = last_place(fixture);
    cr_assert(place.position == 3 && place.low == 7, "%llu of %llu", place.position, place.low);
    fixture_free(fixture);
}

Test(position_header, store_without_identity_gives_none)
{
    struct fixture *fixture = fixture_filled(SETTINGS, 3, 2);
    fixture->anonymous = true;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    cr_assert_str_empty(fixture->published[2].place);
    cr_assert_not_null(strstr(fixture->logged, "it reports no identity or no epoch"), "%s", fixture->logged);
    fixture_free(fixture);
}

Test(position_header, of_a_log_waits_for_the_stored_position)
{
    fixture_log();
    struct fixture *fixture = started(SETTINGS, 5);
    cr_assert_eq(fixture->low, 5);
    goes_out(fixture, 6, 5);
    fixture_free(fixture);
}

Test(position_header, of_a_log_waits_for_the_spool)
{
    fixture_log();
    struct fixture *fixture = fixture_new(SETTINGS);
    fixture->refuse = refuses_k1;
    fixture_fill(fixture, 6, 2);
    fixture_start(fixture);
    fixture_run_for(fixture, 5000);
    cr_assert_eq(fixture->low, 6);
    goes_out(fixture, 7, 2);
    fixture_free(fixture);
}

static uint32_t publishes_before;

static bool is_held(struct fixture *fixture)
{
    return fixture->publishes > publishes_before;
}

static void passes_none(struct fixture *fixture)
{
    cr_assert(fixture_run(fixture, fixture_empty, 60000));
    while (fixture->published_count) {
        struct place place = last_place(fixture);
        cr_assert_geq(place.position, place.low, "%llu of %llu", place.position, place.low);
        fixture->published_count--;
    }
}

/* The batch in flight is settled after the resume, and before the rows of the spool are read again. */
Test(position_header, of_a_log_waits_for_the_spool_after_a_pause)
{
    fixture_log();
    struct fixture *fixture = fixture_new(SETTINGS "retry_min: 1h\nretry_max: 1h\n");
    const struct obx_control_request pause = {.action = OBX_CONTROL_PAUSE, .by = "test"},
                                     resume = {.action = OBX_CONTROL_RESUME, .by = "test"};
    struct outbox_error answer;
    fixture->refuse = refuses_k1;
    fixture_fill(fixture, 6, 2);
    fixture_start(fixture);
    fixture_run_for(fixture, 5000);
    cr_assert_eq(fixture->low, 6);
    fixture->hold = true;
    publishes_before = fixture->publishes;
    fixture_insert(fixture, "k9", "held");
    cr_assert(fixture_run(fixture, is_held, 60000));
    cr_assert_eq(obx_relay_control(fixture->relay, &pause, &answer), 0);
    fixture_run_for(fixture, 100);
    cr_assert_eq(obx_relay_control(fixture->relay, &resume, &answer), 0);
    fixture->refuse = NULL;
    fixture_release_all(fixture);
    passes_none(fixture);
    fixture_free(fixture);
}

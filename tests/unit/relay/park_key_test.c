/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/park_key_test.c - on_reject: park-key: events that follow a dead letter, and those that come back */
#include <criterion/criterion.h>
#include <string.h>

#include "fixture.h"

static bool k1_0_not_admitted(struct fixture *fixture, const struct outbox_message *message)
{
    (void)fixture;
    bool is_k1 = message->key.size == 2 && !memcmp(message->key.data, "k1", 2);
    return !is_k1 || message->value.size != 1 || *(const char *)message->value.data != '0';
}

static void drop_letters(struct fixture *fixture, uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end; i++) {
        fixture->rows[i].gone |= fixture->rows[i].dead_lettered;
        fixture->rows[i].dead_lettered = false;
    }
}

static bool k2_late_not_admitted(struct fixture *fixture, const struct outbox_message *message)
{
    (void)fixture;
    return message->value.size != 4 || memcmp(message->value.data, "late", 4) != 0;
}

static bool dead_lettered_10(struct fixture *fixture)
{
    return fixture_stats(fixture).dead_lettered == 10 && fixture_empty(fixture);
}

Test(relay, park_key_dead_letters_all_of_the_key_until_it_is_replayed)
{
    struct fixture *fixture = fixture_filled("on_reject: park-key\n", 30, 3);
    fixture->admit = k1_0_not_admitted;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, dead_lettered_10, 10000));
    cr_assert_str_empty(fixture_texts(fixture, "k1"));
    fixture->admit = NULL;
    fixture_insert(fixture, "k1", "later");
    cr_assert(fixture_run(fixture, fixture_empty, 10000));
    cr_assert(fixture->rows[30].dead_lettered);
    drop_letters(fixture, 0, fixture->row_count);
    fixture_insert(fixture, "k1", "free");
    cr_assert(fixture_run(fixture, fixture_empty, 10000));
    cr_assert_str_eq(fixture_texts(fixture, "k1"), "free");
    fixture_free(fixture);
}

/* As `dead replay --all` does while the relay runs: each comes back with a new id, at the end. */
static void replay_letters(struct fixture *fixture)
{
    for (uint32_t i = 0, count = fixture->row_count; i < count; i++) {
        if (!fixture->rows[i].dead_lettered)
            continue;
        fixture_insert(fixture, fixture->rows[i].key, fixture->rows[i].text);
        drop_letters(fixture, i, i + 1);
    }
}

Test(relay, replayed_events_go_out_in_order_and_are_no_dead_letters_again)
{
    struct fixture *fixture = fixture_filled("on_reject: park-key\n", 30, 3);
    fixture->admit = k1_0_not_admitted;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, dead_lettered_10, 10000));
    drop_letters(fixture, 0, 2); /* the culprit */
    replay_letters(fixture);
    fixture_insert(fixture, "k1", "new");
    cr_assert(fixture_run(fixture, fixture_empty, 1000));
    cr_assert_eq(fixture_stats(fixture).dead_lettered, 10);
    cr_assert_str_eq(fixture_texts(fixture, "k1"), "1 2 3 4 5 6 7 8 9 new");
    fixture_free(fixture);
}

Test(relay, replayed_events_go_out_while_moves_to_the_dead_letters_fail)
{
    struct fixture *fixture = fixture_filled("on_reject: park-key\n", 30, 3);
    fixture->admit = k1_0_not_admitted;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, dead_lettered_10, 10000));
    fixture->admit = k2_late_not_admitted;
    fixture->fail[FIXTURE_DEAD_LETTER].count = 1000;
    fixture->fail[FIXTURE_DEAD_LETTER].code = OUTBOX_E_AGAIN;
    fixture_insert(fixture, "k2", "late");
    fixture_run_for(fixture, 60000); /* the pause between moves is long by now */
    drop_letters(fixture, 0, 2);
    replay_letters(fixture);
    fixture_run_for(fixture, 1000);
    cr_assert_str_eq(fixture_texts(fixture, "k1"), "1 2 3 4 5 6 7 8 9");
    cr_assert_eq(fixture_stats(fixture).dead_lettered, 10);
    fixture_free(fixture);
}

Test(relay, event_that_follows_a_dead_letter_is_logged)
{
    struct fixture *fixture = fixture_filled("on_reject: park-key\n", 30, 3);
    fixture->admit = k1_0_not_admitted;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, dead_lettered_10, 10000));
    cr_assert_not_null(strstr(fixture->logged, "event 5 goes to the dead letters: it follows a dead letter of its key"),
                       "%s", fixture->logged);
    fixture_insert(fixture, "k1", "later");
    cr_assert(fixture_run(fixture, fixture_empty, 1000));
    cr_assert_not_null(
        strstr(fixture->logged, "event 31 goes to the dead letters: it follows a dead letter of its key"), "%s",
        fixture->logged);
    fixture_free(fixture);
}

/* What follows is not known to the relay that stops: it stays in the outbox. */
Test(relay, stop_waits_for_no_reading_of_keys)
{
    struct fixture *fixture = fixture_filled("on_reject: park-key\n", 30, 3);
    fixture->admit = k1_0_not_admitted;
    fixture_start(fixture);
    cr_assert(fixture_run(fixture, dead_lettered_10, 10000));
    for (int i = 0; i < 200; i++)
        fixture_insert(fixture, "k1", "later");
    fixture_stop(fixture, 5000);
    cr_assert(fixture_run(fixture, fixture_stopped, 1000));
    fixture_free(fixture);
}

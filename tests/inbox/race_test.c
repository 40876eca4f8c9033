/* SPDX-License-Identifier: Apache-2.0 */
/* tests/inbox/race_test.c - several sessions at once: one waits for the other, and nothing is applied twice */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

/* ---- two sessions, one id ---------------------------------------------------------------------------------------- */

struct other {
    struct session *session;
    const char *begin;
    pthread_t thread;
    atomic_bool finished;
    int code;
    bool is_new;
    struct outbox_error error;
};

static void *take_seven(void *arg)
{
    struct other *other = arg;
    struct batch batch;
    batch_open(&batch, 1);
    batch_add(&batch, 7);
    client_run(other->session, other->begin);
    other->code = batch_take(&batch, other->session, "billing");
    other->is_new = batch.is_new[0];
    other->error = batch.error;
    client_run(other->session, other->code ? "ROLLBACK" : "COMMIT");
    atomic_store(&other->finished, true);
    batch_close(&batch);
    return NULL;
}

static void begin_other(struct other *other)
{
    *other = (struct other){.session = client_open(NULL), .begin = client_begin};
    cr_assert_eq(pthread_create(&other->thread, NULL, take_seven, other), 0);
    usleep(400000);
    cr_assert(!atomic_load(&other->finished), "it did not wait for the first session");
}

static void end_other(struct other *other, bool is_new)
{
    pthread_join(other->thread, NULL);
    cr_assert_eq(other->code, 0, "%s", other->error.text);
    cr_assert_eq(other->is_new, is_new);
    client_close(other->session);
}

Test(race, the_second_session_waits_and_sees_the_duplicate)
{
    struct session *a = fixture_open();
    struct other other;
    run(a, client_begin);
    expect_take(a, "billing", "1", 7);
    begin_other(&other);
    run(a, "COMMIT");
    end_other(&other, false);
    client_close(a);
}

Test(race, the_second_session_waits_and_takes_the_ids_that_the_first_rolls_back)
{
    struct session *a = fixture_open();
    struct other other;
    run(a, client_begin);
    expect_take(a, "billing", "1", 7);
    begin_other(&other);
    run(a, "ROLLBACK");
    end_other(&other, true);
    run(a, client_begin);
    expect_take(a, "billing", "0", 7);
    run(a, "COMMIT");
    client_close(a);
}

Test(race, ids_of_a_session_that_dies_are_free_again)
{
    struct session *a = fixture_open();
    struct session *dying = client_open(NULL);
    struct other other;
    run(dying, client_begin);
    expect_take(dying, "billing", "1", 7);
    begin_other(&other);
    client_close(dying);
    end_other(&other, true);
    client_close(a);
}

/* ---- many sessions, many ids ------------------------------------------------------------------------------------- */

enum { SESSIONS = 4, POOL = 3000, BATCH = 200, ROUNDS = 60 };

struct consumer {
    struct session *session;
    pthread_t thread;
    unsigned seed;
    atomic_uint *applied; /* how often each id was committed as new */
    unsigned again, broken;
};

static void apply(struct consumer *consumer, const struct batch *batch, const unsigned *numbers)
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->is_new[i])
            atomic_fetch_add(&consumer->applied[numbers[i]], 1);
}

/* Any order, with ids that other sessions take, too. One time in eight it rolls back. */
static void one_round(struct consumer *consumer)
{
    struct batch batch;
    unsigned numbers[BATCH];
    batch_open(&batch, BATCH);
    for (unsigned i = 0; i < BATCH; i++) {
        numbers[i] = (unsigned)rand_r(&consumer->seed) % POOL;
        batch_add(&batch, numbers[i]);
    }
    bool rolls_back = rand_r(&consumer->seed) % 8 == 0;
    client_run(consumer->session, client_begin);
    int code = batch_take(&batch, consumer->session, "billing");
    if (code == OUTBOX_E_AGAIN)
        consumer->again++;
    else if (code)
        consumer->broken++;
    bool committed = !code && !rolls_back && client_run(consumer->session, "COMMIT") != INT64_MIN;
    if (committed)
        apply(consumer, &batch, numbers);
    else
        client_run(consumer->session, "ROLLBACK");
    batch_close(&batch);
}

static void *consume(void *arg)
{
    for (int i = 0; i < ROUNDS; i++)
        one_round(arg);
    return NULL;
}

static void *prune_always(void *arg)
{
    struct consumer *pruner = arg;
    struct timespec pause = {.tv_nsec = 2000000};
    for (int i = 0; i < 2 * ROUNDS; i++) {
        if (client_prune(pruner->session) == INT64_MIN)
            pruner->again++;
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static unsigned consume_together(struct session *a, bool prunes)
{
    static atomic_uint applied[POOL];
    struct consumer all[SESSIONS + 1] = {0};
    unsigned again = 0;
    int64_t once = 0;
    for (int i = 0; i < SESSIONS + prunes; i++) {
        all[i] = (struct consumer){.session = client_open(NULL), .seed = (unsigned)i + 1, .applied = applied};
        cr_assert_eq(pthread_create(&all[i].thread, NULL, i < SESSIONS ? consume : prune_always, &all[i]), 0);
    }
    for (int i = 0; i < SESSIONS + prunes; i++) {
        pthread_join(all[i].thread, NULL);
        cr_assert_eq(all[i].broken, 0);
        again += all[i].again;
        client_close(all[i].session);
    }
    for (int i = 0; i < POOL; i++) {
        cr_assert_leq(applied[i], 1, "id %d was applied %u times", i, applied[i]);
        once += applied[i];
    }
    cr_assert_gt(once, POOL * 9 / 10);
    cr_assert_eq(run(a, "SELECT COUNT(*) FROM outbox_inbox WHERE consumer = 'billing'"), once);
    return again;
}

/* Sorted ids: waits for ids form no circle. */
Test(race, sessions_with_the_same_ids_apply_each_once_and_hardly_deadlock)
{
    struct session *a = fixture_open();
    cr_assert_leq(consume_together(a, false), SESSIONS * ROUNDS * client_again_per_mille / 1000);
    client_close(a);
}

Test(race, a_prune_during_consumers_disturbs_nothing)
{
    struct session *a = fixture_open();
    struct batch old;
    batch_open(&old, 20000);
    for (unsigned i = 0; i < 20000; i++)
        batch_add(&old, 100000 + i);
    run(a, client_begin);
    cr_assert_eq(batch_take(&old, a, "old"), 0);
    run(a, "COMMIT");
    client_age(a, "old", 9);
    cr_assert_leq(consume_together(a, true), SESSIONS * ROUNDS * client_again_per_mille / 1000);
    cr_assert_eq(run(a, "SELECT COUNT(*) FROM outbox_inbox WHERE consumer = 'old'"), 0);
    batch_close(&old);
    client_close(a);
}

/* ---- snapshots --------------------------------------------------------------------------------------------------- */

/* Postgres reports a serialization failure; MySQL reads the current row. No session applies the event twice. */
Test(race, an_event_that_was_applied_after_the_snapshot_is_not_new)
{
    if (!*client_begin_repeatable)
        cr_skip("SQLite has one kind of transaction");
    struct session *a = fixture_open(), *b = client_open(NULL);
    struct batch batch;
    batch_open(&batch, 2);
    batch_add(&batch, 7);
    batch_add(&batch, 8);
    run(b, client_begin_repeatable);
    run(b, "SELECT COUNT(*) FROM outbox_inbox");
    run(a, client_begin);
    expect_take(a, "billing", "1", 7);
    run(a, "COMMIT");
    int code = batch_take(&batch, b, "billing");
    cr_assert(code == OUTBOX_E_AGAIN || (code == 0 && !batch.is_new[0] && batch.is_new[1]), "%d, %d %d: %s", code,
              batch.is_new[0], batch.is_new[1], batch.error.text);
    run(b, "ROLLBACK");
    batch_close(&batch);
    client_close(a);
    client_close(b);
}

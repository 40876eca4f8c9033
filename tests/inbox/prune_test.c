/* SPDX-License-Identifier: Apache-2.0 */
/* tests/inbox/prune_test.c - old ids go, day by day; what is kept is still known */
#include "fixture.h"

#include <pthread.h>

static void take_range(struct session *session, const char *consumer, unsigned from, unsigned count)
{
    struct batch batch;
    batch_open(&batch, count);
    for (unsigned i = 0; i < count; i++)
        batch_add(&batch, from + i);
    run(session, client_begin);
    cr_assert_eq(batch_take(&batch, session, consumer), 0, "%s", batch.error.text);
    cr_assert_eq(batch_new(&batch), count);
    run(session, "COMMIT");
    batch_close(&batch);
}

static int64_t prune(struct session *session)
{
    int64_t removed = 0;
    for (int64_t n; (n = client_prune(session)) > 0;)
        removed += n;
    return removed;
}

Test(prune, ids_of_more_than_seven_days_go)
{
    struct session *a = fixture_open();
    take_range(a, "today", 0, 5);
    take_range(a, "seven", 0, 5);
    take_range(a, "eight", 0, 5);
    take_range(a, "thirty", 0, 5);
    client_age(a, "seven", 7);
    client_age(a, "eight", 8);
    client_age(a, "thirty", 30);
    cr_assert_eq(prune(a), 10);
    cr_assert_eq(prune(a), 0);
    run(a, client_begin);
    expect_take(a, "today", "0", 1);
    expect_take(a, "seven", "0", 1);
    expect_take(a, "eight", "1", 1); /* its duplicate came too late */
    run(a, "COMMIT");
    client_close(a);
}

static void *prune_all(void *arg)
{
    int64_t *removed = calloc(1, sizeof *removed);
    for (int64_t n; (n = client_prune(arg)) > 0;)
        *removed += n;
    return removed;
}

Test(prune, sessions_that_prune_at_once_remove_each_id_once)
{
    enum { PRUNERS = 3, OLD = 25000 };
    struct session *a = fixture_open(), *sessions[PRUNERS];
    pthread_t threads[PRUNERS];
    int64_t removed = 0;
    take_range(a, "old", 0, OLD);
    take_range(a, "today", 0, 100);
    client_age(a, "old", 10);
    for (int i = 0; i < PRUNERS; i++) {
        sessions[i] = client_open(NULL);
        cr_assert_eq(pthread_create(&threads[i], NULL, prune_all, sessions[i]), 0);
    }
    for (int i = 0; i < PRUNERS; i++) {
        void *one;
        pthread_join(threads[i], &one);
        removed += *(int64_t *)one;
        free(one);
        client_close(sessions[i]);
    }
    cr_assert_eq(removed + prune(a), OLD);
    cr_assert_eq(run(a, "SELECT COUNT(*) FROM outbox_inbox"), 100);
    client_close(a);
}

Test(prune, an_open_transaction_that_took_old_ids_does_not_lose_them)
{
    struct session *a = fixture_open(), *b = client_open(NULL);
    if (!client_writers_wait)
        cr_skip("SQLite has one writer at a time");
    take_range(a, "kept", 100, 4000); /* in a small table a server reads all rows, and waits for rows locked by
                                       * others */
    client_age(a, "kept", 7);
    take_range(a, "old", 0, 10);
    client_age(a, "old", 10);
    run(b, client_begin);
    expect_take(b, "billing", "11", 1, 2); /* the same ids, of another consumer, and today's */
    cr_assert_eq(client_prune(a), 10);
    run(b, "COMMIT");
    cr_assert_eq(run(a, "SELECT COUNT(*) FROM outbox_inbox WHERE consumer = 'billing'"), 2);
    client_close(a);
    client_close(b);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/sql/capture_idle_test.c - when a quiet outbox passes the log, and when the host is to relieve it */
#include <criterion/criterion.h>

#include "sql/capture/capture.h"
#include "sql/server/driver.h"
#include "sql_host.h"

static struct sql_store store;
static uint64_t passed;
static int64_t measured;
static bool can_relieve;

/* ---- a source ---------------------------------------------------------------------------------------------------- */

static void pass(void *arg, const uint64_t marks[SQL_CAPTURE_MARKS])
{
    (void)arg;
    passed = marks[0];
}

static bool always(const struct sql_store *self)
{
    (void)self;
    return true;
}

static bool put_distance(struct sql_request *request)
{
    (void)request;
    return true;
}

static bool may_relieve(struct sql_store *self)
{
    (void)self;
    return can_relieve;
}

static struct sql_capture_source source;

/* ---- a connection that answers at once --------------------------------------------------------------------------- */

static bool is_open(const struct sql_lane *lane)
{
    (void)lane;
    return true;
}

static void sent(struct sql_lane *lane)
{
    (void)lane;
}

static void submit(struct sql_lane *lane, struct sql_request *request)
{
    static const struct outbox_error none;
    (void)lane;
    store.capture.log_bytes = measured;
    store.capture.log_limit = 100;
    sql_request_end(request, &none);
}

static const struct sql_driver driver = {.is_open = is_open, .submit = submit};
static struct sql_lane lane = {.driver = &driver, .host = &sql_host, .sent = sent};

static void set_up(void)
{
    static const uint64_t marks[SQL_CAPTURE_MARKS] = {99};
    source = (struct sql_capture_source){
        .pass = pass, .worth_recording = always, .put_distance = put_distance, .can_relieve = may_relieve};
    store = (struct sql_store){.host = &sql_host, .driver = &driver, .reader = &lane};
    store.capture.source = &source;
    store.capture.reading = can_relieve = true;
    store.capture.queue.memory.host = &sql_host;
    sql_capture_queue_reset(&store.capture.queue, SQL_CAPTURE_BASE);
    sql_capture_queue_advance(&store.capture.queue, marks);
    passed = 0;
}

static void tear_down(void)
{
    sql_capture_queue_free(&store.capture.queue);
    cr_assert_eq(sql_memory.live, 0);
}

TestSuite(capture_idle, .init = set_up, .fini = tear_down);

static bool relieves_at(int64_t percent)
{
    measured = percent;
    sql_capture_renewed(&store);
    cr_assert(!store.capture.measuring);
    return store.capture.relieving;
}

Test(capture_idle, a_quiet_outbox_passes_the_log)
{
    cr_assert(sql_capture_pass_idle(&store));
    cr_assert_eq(passed, 99);
    cr_assert(!sql_capture_pass_idle(&store)); /* once */
}

/* Its commit is still to be read again, behind the end of what was read. */
Test(capture_idle, the_log_before_a_transaction_that_is_passed_in_part_stays)
{
    store.capture.passed_index = 2;
    cr_assert(!sql_capture_pass_idle(&store));
    cr_assert_eq(passed, 0);
    cr_assert_eq(store.capture.passed_index, 2);
}

Test(capture_idle, the_log_is_relieved_from_75_percent_until_70)
{
    cr_assert(!relieves_at(74));
    cr_assert(relieves_at(75));
    cr_assert(relieves_at(70));
    cr_assert(!relieves_at(69));
}

Test(capture_idle, the_log_is_not_relieved_if_that_frees_nothing)
{
    can_relieve = false;
    cr_assert(!relieves_at(90));
    can_relieve = true;
    cr_assert(relieves_at(90));
    can_relieve = false;
    cr_assert(!relieves_at(90));
    source.can_relieve = NULL;
    cr_assert(relieves_at(90));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/lifecycle.c - init, stop, cancel, fini
 *
 * A stop waits for operations in flight, workers and threads, gives the ownership back, and closes the lanes. A
 * statement releases the lock: a server may notice the end of a session late, and a standby waits for that.
 */
#include "sql/server/lifecycle.h"

#include "sql/capture/capture.h"
#include "sql/server/locked_rows.h"

static void finish_stop(struct sql_store *store)
{
    struct outbox_error error;
    outbox_op_t op = store->stop_op;
    store->stop_op = 0;
    store->phase = SQL_STOPPED;
    outbox_error_set(&error, OUTBOX_E_CANCELED, "stop: the connection is closed");
    sql_close_all(store, &error);
    store->host->op_done(store->host, op, NULL);
}

static void given_back(struct sql_request *request, const struct outbox_error *error)
{
    struct sql_store *store = request->arg;
    (void)error; /* the session ends in any case */
    store->giving_back = false;
    store->when_idle(store);
}

static void give_back(struct sql_store *store)
{
    store->owns = false;
    store->giving_back = true;
    store->step_request = (struct sql_request){.what = "give the ownership back",
                                               .put = store->driver->put_release,
                                               .done = given_back,
                                               .arg = store,
                                               .store = store,
                                               .sql = &store->step_sql};
    sql_lane_submit(store->owner, &store->step_request);
}

static void stop_if_idle(struct sql_store *store)
{
    if (!store->stop_op || store->ops || store->start_op || store->giving_back || store->driver->is_busy(store))
        return;
    if (store->owns && sql_lane_is_open(store->owner))
        give_back(store); /* this function is then called again */
    else
        finish_stop(store);
}

void sql_stop(void *self, outbox_op_t op)
{
    struct sql_store *store = self;
    store->stop_op = op;
    sql_wakeup_stop(store);
    sql_capture_stop(store);
    if (store->start_op)
        sql_start_cancel(store);
    else
        stop_if_idle(store);
}

/* A statement cannot be canceled without blocking; its connection can be closed. */
void sql_cancel(void *self, outbox_op_t op)
{
    struct sql_store *store = self;
    struct outbox_error error;
    outbox_error_set(&error, OUTBOX_E_CANCELED, "canceled: the connection was closed");
    if (op == store->start_op) {
        sql_start_cancel(store);
    } else if (op == store->claim_op && store->capture.waiting) {
        sql_capture_cancel(store);
    } else if (op == store->claim_op) {
        sql_lane_close(store->reader, &error);
    } else if (op == store->stop_op) {
        sql_close_all(store, &error);
    } else {
        store->owns = false;
        sql_lane_close(store->owner, &error);
        if (store->driver->close_others)
            store->driver->close_others(store, &error);
    }
}

int sql_store_init(struct sql_store *store, const struct sql_driver *driver, struct sql_lane *owner,
                   struct sql_lane *reader, const struct outbox_init *init, struct outbox_error *error)
{
    struct obx_sql_text *texts[] = {&store->claim_sql, &store->settle_sql, &store->step_sql, &store->stray_sql};
    store->driver = driver;
    store->host = init->host;
    store->owner = owner;
    store->reader = reader;
    store->when_idle = stop_if_idle;
    snprintf(store->relay, sizeof store->relay, "%s", init->relay);
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = (struct obx_sql_text){.host = init->host, .dialect = driver->dialect};
    store->lock_watch.sql = (struct obx_sql_text){.host = init->host, .dialect = driver->dialect};
    obx_sql_gaps_init(&store->gaps, init->host, driver->cold_after_ns);
    store->outstanding.host = init->host;
    store->removal_rows = INT64_MAX;
    sql_locked_reset(store);
    store->claim_rows = UINT32_MAX;
    store->strays.gaps = &store->gaps;
    store->strays.outstanding = &store->outstanding;
    store->strays.before_first = driver->before_first;
    return sql_names_init(store, error);
}

void sql_store_fini(struct sql_store *store)
{
    const struct outbox_host *host = store->host;
    struct obx_sql_text *texts[] = {&store->claim_sql, &store->settle_sql, &store->step_sql, &store->stray_sql};
    if (!host)
        return;
    sql_table_free(store);
    sql_capture_free(store);
    obx_sql_batches_free(&store->batches, host);
    obx_sql_gaps_free(&store->gaps);
    obx_sql_outstanding_free(&store->outstanding);
    obx_sql_ranges_free(host, &store->ranges);
    obx_sql_ranges_free(host, &store->remaining);
    obx_sql_ranges_free(host, &store->refused);
    obx_sql_ranges_free(host, &store->retried);
    obx_sql_ranges_free(host, &store->letters);
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
        obx_sql_text_free(texts[i]);
    obx_sql_text_free(&store->lock_watch.sql);
    host->release(host, store->locked.rows);
    host->release(host, store->staying);
    host->release(host, store->writers);
    host->release(host, store->ids);
}

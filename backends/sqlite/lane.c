/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/lane.c - see lane.h */
#include "lane.h"

static void start_waiting(struct lite_lanes *lanes);

void lite_lanes_init(struct lite_lanes *lanes, struct lite_store *store, const struct outbox_host *host,
                     const char *path, uint64_t busy_timeout_ms)
{
    *lanes = (struct lite_lanes){.host = host, .store = store};
    for (int i = 0; i < LANE_COUNT; i++)
        lite_conn_init(&lanes->conns[i], host, path, busy_timeout_ms);
}

static const char *path_of(const struct lite_lanes *lanes)
{
    return lanes->conns[0].path;
}

/* ---- queues -------------------------------------------------------------------------------------------------- */

static void push(struct lite_queue *queue, struct lite_op *op)
{
    if (queue->last)
        queue->last->next = op;
    else
        queue->first = op;
    queue->last = op;
}

static struct lite_op *pop(struct lite_queue *queue)
{
    struct lite_op *op = queue->first;
    queue->first = op->next;
    if (!queue->first)
        queue->last = NULL;
    op->next = NULL;
    return op;
}

/* True: it was waiting, and is not any more. */
static bool unlink_op(struct lite_queue *queue, struct lite_op *op)
{
    struct lite_op **at = &queue->first, *before = NULL;
    for (; *at && *at != op; at = &(*at)->next)
        before = *at;
    if (!*at)
        return false;
    *at = op->next;
    if (queue->last == op)
        queue->last = before;
    op->next = NULL;
    return true;
}

/* ---- running ------------------------------------------------------------------------------------------------- */

static void complete(struct lite_op *op)
{
    const struct outbox_host *host = op->lanes->host;
    if (op->finish)
        op->finish(op);
    if (op->again) {
        op->again = false;
        lite_op_submit(op);
    } else if (op->id) {
        host->op_done(host, op->id, lite_op_ok(op) ? NULL : &op->error);
    }
}

/* Worker. */
static void on_worker(struct outbox_work *work)
{
    struct lite_op *op = work->arg;
    struct lite_conn *conn = op->lane == LANE_ALONE ? NULL : &op->lanes->conns[op->lane];
    if (conn && !conn->db && op->lane != LANE_ADMIN) {
        outbox_error_set(&op->error, OUTBOX_E_NOT_CONNECTED,
                         "use outbox database %s: it is not open; start the store first", conn->path);
        return;
    }
    if (conn) {
        conn->canceled = &op->canceled;
        conn->busy_until_ns = 0;
    }
    op->run(op, conn);
    if (conn)
        conn->canceled = NULL;
}

static void on_worker_done(struct outbox_work *work)
{
    struct lite_op *op = work->arg;
    struct lite_lanes *lanes = op->lanes;
    lanes->queues[op->lane].running = NULL;
    complete(op);
    start_waiting(lanes);
}

/* Give the first op of the queue to a worker. Without a worker it completes with that failure. */
static void start_next(struct lite_lanes *lanes, struct lite_queue *queue)
{
    struct lite_op *op = pop(queue);
    op->work.work = on_worker;
    op->work.done = on_worker_done;
    op->work.arg = op;
    queue->running = op;
    int code = lanes->host->offload(lanes->host, &op->work);
    if (code == OUTBOX_OK)
        return;
    queue->running = NULL;
    outbox_error_set(&op->error, code, "work on %s: the host has no worker thread; raise the limit of threads",
                     path_of(lanes));
    complete(op);
}

static void start_waiting(struct lite_lanes *lanes)
{
    struct lite_queue *alone = &lanes->queues[LANE_ALONE];
    bool idle = true;
    if (alone->running)
        return;
    for (int i = 0; i < LANE_COUNT; i++) {
        struct lite_queue *queue = &lanes->queues[i];
        while (!queue->running && queue->first)
            start_next(lanes, queue);
        idle = idle && !queue->running;
    }
    while (idle && !alone->running && alone->first)
        start_next(lanes, alone);
}

/* ---- for the operations -------------------------------------------------------------------------------------- */

void *lite_op_begin(struct lite_lanes *lanes, outbox_op_t id, enum lite_lane_name lane,
                    void (*run)(struct lite_op *op, struct lite_conn *conn))
{
    struct lite_op *op = lanes->host->op_scratch(lanes->host, id);
    op->lanes = lanes;
    op->store = lanes->store;
    op->id = id;
    op->lane = lane;
    op->run = run;
    return op;
}

void lite_op_submit(struct lite_op *op)
{
    push(&op->lanes->queues[op->lane], op);
    start_waiting(op->lanes);
}

void lite_op_fail_memory(struct lite_op *op, const char *what)
{
    const struct outbox_host *host = op->lanes->host;
    outbox_error_set(&op->error, OUTBOX_E_NO_MEMORY, "%s %s: out of memory", what, path_of(op->lanes));
    host->op_done(host, op->id, &op->error);
}

void lite_op_cancel(struct lite_lanes *lanes, outbox_op_t id)
{
    struct lite_op *op = lanes->host->op_scratch(lanes->host, id);
    if (!op || !op->lanes)
        return;
    op->canceled = true;
    if (!unlink_op(&lanes->queues[op->lane], op))
        return;
    outbox_error_set(&op->error, OUTBOX_E_CANCELED, "work on %s: canceled before it began", path_of(lanes));
    complete(op);
}

bool lite_lanes_closing(const struct lite_lanes *lanes)
{
    return lanes->queues[LANE_ALONE].running || lanes->queues[LANE_ALONE].first;
}

void lite_admin_open(struct lite_op *op, struct lite_conn *conn, const char *what)
{
    if (conn->db || lite_conn_open(conn, false, what, &op->error))
        return;
    if (sqlite3_exec(conn->db, "PRAGMA synchronous=FULL; PRAGMA cache_size=-256", NULL, NULL, NULL) == SQLITE_OK)
        return;
    lite_fail(conn, sqlite3_extended_errcode(conn->db), what, &op->error);
    lite_conn_close(conn);
}

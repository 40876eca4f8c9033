/* SPDX-License-Identifier: Apache-2.0 */
/* tests/simulation/store.c - see store.h */
#include "store.h"

#include <stdio.h>
#include <string.h>

#include "sim.h"

static int init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct sim_store *store = self;
    (void)error;
    store->host = init->host;
    store->node = &sim->nodes[init->relay[strlen("relay")] - '0'];
    store->node->store = store;
    obx_list_init(&store->requests);
    obx_sql_gaps_init(&store->gaps, init->host, sim_pick(1, 2000) * OBX_MS);
    return OUTBOX_OK;
}

static void fini(void *self)
{
    struct sim_store *store = self;
    obx_sql_gaps_free(&store->gaps);
    obx_sql_ranges_free(store->host, &store->runs);
    store->host->release(store->host, store->returned);
    store->host->release(store->host, store->staying);
    obx_heap_clear(&store->node->loop.heap, &store->wakeup_timer);
    obx_heap_clear(&store->node->loop.heap, &store->lost_timer);
    store->node->store = NULL;
}

/* ---- operations ------------------------------------------------------------------------------------------------- */

static void submit(struct sim_store *store, enum sim_operation what, outbox_op_t op, const void *args)
{
    if (store->broken)
        sim_store_break(store, OUTBOX_E_NOT_CONNECTED);
    struct sim_request *request = sim_request_new(store, what, op, (void *)(uintptr_t)args);
    if (!store->session && what != SIM_OPERATION_START)
        sim_request_complete(request, OUTBOX_E_NOT_CONNECTED);
    else
        sim_request_send(request);
}

static void start(void *self, outbox_op_t op, const struct outbox_store_start *start)
{
    struct sim_store *store = self;
    store->column_count = start->column_count;
    if (store->session || store->column_count > OBX_COUNT(store->columns))
        sim_fail("the store is started twice, or with %u columns", start->column_count);
    for (uint32_t i = 0; i < start->column_count; i++)
        snprintf(store->columns[i], sizeof store->columns[i], "%s", start->columns[i].name);
    submit(store, SIM_OPERATION_START, op, start);
}

static void acquire(void *self, outbox_op_t op, struct outbox_acquire *acquire)
{
    submit(self, SIM_OPERATION_ACQUIRE, op, acquire);
}

static void renew(void *self, outbox_op_t op)
{
    submit(self, SIM_OPERATION_RENEW, op, NULL);
}

static void claim(void *self, outbox_op_t op, struct outbox_claim *claim)
{
    struct sim_store *store = self;
    if (claim->flags & OUTBOX_CLAIM_REWIND)
        sim_rows_rewind(store);
    if (claim->flags & OUTBOX_CLAIM_ARM_WAKEUP)
        store->wakeup_armed = true;
    submit(store, SIM_OPERATION_CLAIM, op, claim);
}

/* The position has one writer. */
static void check_alone(const struct sim_store *store)
{
    if (!sim->plan.log)
        return;
    OBX_LIST_EACH(&store->requests, request, const struct sim_request, link)
    {
        if (request->operation == SIM_OPERATION_SETTLE || request->operation == SIM_OPERATION_SPOOL)
            sim_fail("a settle and a spool are in flight together");
    }
}

static void spool(void *self, outbox_op_t op, const struct outbox_spool *spool)
{
    check_alone(self);
    submit(self, SIM_OPERATION_SPOOL, op, spool);
}

static void settle(void *self, outbox_op_t op, const struct outbox_settle *settle)
{
    check_alone(self);
    submit(self, SIM_OPERATION_SETTLE, op, settle);
}

static void letters(void *self, outbox_op_t op, const struct outbox_dead_letter_rows *letters)
{
    submit(self, SIM_OPERATION_DEAD_LETTER, op, letters);
}

static void dead(void *self, outbox_op_t op, struct outbox_dead *dead)
{
    submit(self, SIM_OPERATION_DEAD, op, dead);
}

static void cancel(void *self, outbox_op_t op)
{
    struct sim_store *store = self;
    OBX_LIST_EACH(&store->requests, request, struct sim_request, link)
    {
        if (request->op != op)
            continue;
        SIM_TRACE("%s: request %d is canceled", store->node->name, request->operation);
        sim_request_complete(request, OUTBOX_E_CANCELED);
        return;
    }
}

/* ---- the end of a connection ------------------------------------------------------------------------------------ */

static void finish_stop(struct obx_timer *timer)
{
    struct sim_store *store = OBX_CONTAINER(timer, struct sim_store, stop_timer);
    store->host->op_done(store->host, store->stop_op, NULL);
}

/* The server receives this, unless the network drops it, too. */
static void close_session(struct sim_store *store)
{
    struct sim_session *session = store->session;
    if (!session || session->dead)
        return;
    if (store->cut)
        session->dies_ns = sim->now_ns + sim_pick(1000, 60000) * OBX_MS;
    else
        session->dies_ns = sim->now_ns + sim_pick(50, 5000) * 1000;
}

static void stop(void *self, outbox_op_t op)
{
    struct sim_store *store = self;
    close_session(store);
    sim_store_break(store, OUTBOX_E_CANCELED);
    store->stop_op = op;
    store->stop_timer.fire = finish_stop;
    sim_node_after(store->node, &store->stop_timer, sim_pick(0, 2000) * 1000);
}

void sim_store_crash(struct sim_node *node)
{
    struct sim_store *store = node->store;
    if (!store)
        return;
    if (store->session && !store->session->dead)
        store->session->dies_ns =
            sim->now_ns + (sim_has(SIM_LINGER) ? sim_pick(0, 20000) * OBX_MS : sim_pick(0, 1000) * 1000);
    for (struct obx_list *link; (link = obx_list_pop(&store->requests));)
        OBX_CONTAINER(link, struct sim_request, link)->store = NULL;
    node->store = NULL;
}

static void report_lost(struct obx_timer *timer)
{
    struct sim_store *store = OBX_CONTAINER(timer, struct sim_store, lost_timer);
    static const struct outbox_error error = {.code = OUTBOX_E_NOT_CONNECTED, .text = "the server is gone"};
    if (!store->session || !store->broken)
        return;
    sim_store_break(store, OUTBOX_E_NOT_CONNECTED);
    store->host->lost(store->host, &error);
}

void sim_store_lose(struct sim_node *node)
{
    struct sim_store *store = node->store;
    if (!store || !store->session || store->session->dead)
        return;
    SIM_TRACE("%s loses its session", node->name);
    store->session->dies_ns =
        sim->now_ns + (sim_has(SIM_LINGER) ? sim_pick(0, 20000) * OBX_MS : sim_pick(0, 1000) * 1000);
    store->broken = true;
    store->lost_timer.fire = report_lost;
    if (sim_pick(0, 1)) /* else it is noticed with the next request */
        sim_node_after(node, &store->lost_timer, sim_pick(0, 10) * OBX_MS);
}

void sim_store_cut(struct sim_node *node)
{
    struct sim_store *store = node->store;
    if (!store || !store->session || store->cut)
        return;
    SIM_TRACE("the connection of %s goes silent", node->name);
    store->cut = true;
}

/* ---- the wake-up ------------------------------------------------------------------------------------------------ */

static void notify(struct obx_timer *timer)
{
    struct sim_store *store = OBX_CONTAINER(timer, struct sim_store, wakeup_timer);
    store->host->wake(store->host);
}

void sim_store_notify(void)
{
    for (uint32_t i = 0; i < sim->plan.relays; i++) {
        struct sim_store *store = sim->nodes[i].store;
        if (!store || !store->wakeup_armed || !store->session || store->cut)
            continue;
        store->wakeup_armed = false;
        store->wakeup_timer.fire = notify;
        sim_node_after(store->node, &store->wakeup_timer, sim_pick(10, 2000) * 1000);
    }
}

uint32_t sim_store_lent(const struct sim_node *node)
{
    return node->store ? node->store->borrowed : 0;
}

bool sim_store_owns(const struct sim_node *node)
{
    const struct sim_store *store = node->store;
    return store && store->session && !store->broken && !store->cut && !store->session->dies_ns &&
           sim->db->owner == store->session;
}

/* ---- the descriptor --------------------------------------------------------------------------------------------- */

static struct outbox_store_ops ops = {.struct_size = sizeof ops,
                                      .init = init,
                                      .fini = fini,
                                      .start = start,
                                      .stop = stop,
                                      .cancel = cancel,
                                      .acquire = acquire,
                                      .renew = renew,
                                      .claim = claim,
                                      .release = sim_rows_release,
                                      .settle = settle,
                                      .dead_letter = letters,
                                      .spool = spool,
                                      .dead = dead};
struct outbox_plugin sim_store_plugin = {.abi_major = OUTBOX_ABI_MAJOR,
                                         .struct_size = sizeof sim_store_plugin,
                                         .kind = OUTBOX_STORE,
                                         .option_size = sizeof(struct outbox_option),
                                         .name = "sim",
                                         .version = "1",
                                         .description = "a client of a simulated database",
                                         .instance_size = sizeof(struct sim_store),
                                         .ops = &ops};

void sim_store_shape(void)
{
    sim_store_plugin.caps =
        OUTBOX_CAP_DEAD_LETTERS | (sim->plan.wakeup ? OUTBOX_CAP_WAKE : 0) | (sim->plan.log ? OUTBOX_CAP_LOG : 0);
    ops.renew = sim->plan.renews ? renew : NULL;
}

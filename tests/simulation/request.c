/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/request.c - an operation is sent to the server, executed, and answered
 *
 * Sent -> (inspected, for a claim that inspects the locks) -> arrived: executed or refused, atomically -> answered.
 * Faults: it is lost on the way (a silent connection), refused (AGAIN), the server is down or has ended the session,
 * the answer is lost, so the outcome is unknown, or each step is slow.
 */
#include <stdio.h>
#include <string.h>

#include <outbox/error.h>

#include "oracle.h"
#include "sim.h"
#include "store.h"

static void arrive(struct obx_timer *timer);
static void answer(struct obx_timer *timer);
static void inspect(struct obx_timer *timer);

struct sim_request *sim_request_new(struct sim_store *store, enum sim_operation operation, outbox_op_t op, void *args)
{
    struct sim_owner *before = sim_own(&sim->memory);
    struct sim_request *request = obx_alloc(sizeof *request);
    *request = (struct sim_request){.store = store,
                                    .node = store->node,
                                    .life = store->node->life,
                                    .session = store->session,
                                    .operation = operation,
                                    .op = op,
                                    .args = args,
                                    .inspect.fire = inspect,
                                    .arrive.fire = arrive,
                                    .answer.fire = answer};
    obx_list_append(&store->requests, &request->link);
    sim_own(before);
    return request;
}

/* ---- the client ------------------------------------------------------------------------------------------------- */

static void free_request(struct sim_request *request)
{
    obx_free(request->ranges);
    obx_free(request->rows.numbers);
    obx_free(request->rows.ids);
    obx_free(request);
}

void sim_request_complete(struct sim_request *request, int code)
{
    struct sim_store *store = request->store;
    struct outbox_error error = {.code = code, .text = "simulated"};
    request->store = NULL;
    obx_list_remove(&request->link);
    store->host->op_done(store->host, request->op, code ? &error : NULL);
}

void sim_store_break(struct sim_store *store, int code)
{
    store->session = NULL;
    store->cut = store->broken = store->wakeup_armed = false;
    for (struct sim_request *request; (request = OBX_LIST_FIRST(&store->requests, struct sim_request, link));)
        sim_request_complete(request, code);
}

static uint64_t latency(void)
{
    uint64_t timeout = sim->plan.timeout_ms * OBX_MS;
    if (sim_strikes(SIM_SLOW_STORE, 30))
        return sim_pick(0, 2 * timeout);
    return sim_pick(20, 400) * 1000;
}

static void copy_settle(struct sim_request *request)
{
    struct sim_store *store = request->store;
    const struct outbox_settle *settle = request->args;
    request->low = (int64_t)settle->low.major;
    if (!obx_sql_id_ranges(store->host, &store->runs, settle))
        return; /* nothing is deleted, and the client gets that answer */
    request->range_count = store->runs.count;
    struct sim_owner *before = sim_own(&sim->memory);
    request->ranges = obx_alloc((request->range_count + 1) * sizeof *request->ranges);
    sim_own(before);
    if (request->range_count)
        memcpy(request->ranges, store->runs.items, request->range_count * sizeof *request->ranges);
}

static void copy_spool(struct sim_request *request)
{
    const struct outbox_spool *spool = request->args;
    request->args = &(struct outbox_settle){.span_count = spool->span_count, .spans = spool->spans, .low = spool->low};
    copy_settle(request);
    request->args = NULL;
}

static void copy_dead_letter(struct sim_request *request)
{
    const struct outbox_dead_letter_rows *letters = request->args;
    struct sim_owner *before = sim_own(&sim->memory);
    request->range_count = letters->count;
    request->ranges = obx_alloc(letters->count * sizeof *request->ranges);
    sim_own(before);
    for (uint32_t i = 0; i < letters->count; i++)
        request->ranges[i] = (struct obx_sql_range){(int64_t)letters->rows[i].position.major, 0};
}

void sim_request_send(struct sim_request *request)
{
    struct sim_store *store = request->store;
    if (request->operation == SIM_OPERATION_SETTLE)
        copy_settle(request);
    if (request->operation == SIM_OPERATION_SPOOL)
        copy_spool(request);
    if ((request->operation == SIM_OPERATION_SETTLE || request->operation == SIM_OPERATION_SPOOL) && !request->ranges) {
        sim_request_complete(request, OUTBOX_E_AGAIN);
        return;
    }
    if (request->operation == SIM_OPERATION_DEAD_LETTER)
        copy_dead_letter(request);
    if (store->cut && request->operation != SIM_OPERATION_START)
        return;
    uint64_t delay = latency();
    if (request->operation == SIM_OPERATION_CLAIM)
        sim_world_after(&request->inspect, delay / 2);
    sim_world_after(&request->arrive, delay);
}

/* Rows that the server could not move, as do_dead_letter() has noted. */
static void report_kept(const struct sim_request *request)
{
    const struct outbox_dead_letter_rows *letters = request->args;
    for (uint32_t i = 0; i < letters->count; i++) {
        letters->kept[i] = request->ranges[i].hi != 0;
        letters->refused->rows += letters->kept[i];
    }
    snprintf(letters->refused->reason, sizeof letters->refused->reason, "simulated");
}

/* All rows that settles of this life did not remove, by position. */
static void report_staying(struct sim_request *request)
{
    struct sim_store *store = request->store;
    struct outbox_refused *refused = ((const struct outbox_settle *)request->args)->refused;
    if (!obx_sql_grow(store->host, (void **)&store->staying, &store->staying_room, sim->db->count + 1,
                      sizeof *store->staying))
        return;
    for (int64_t id = 1; id < sim->db->next_id; id++) {
        const struct sim_event *event = sim_db_row(id);
        if (event && event->kept == request->life)
            store->staying[refused->rows++] = (struct outbox_position){(uint64_t)id, 0};
    }
    refused->positions = store->staying;
    refused->position_count = (uint32_t)refused->rows;
    snprintf(refused->reason, sizeof refused->reason, "simulated");
}

/* ---- the server ------------------------------------------------------------------------------------------------- */

static int do_pass(const struct sim_request *request)
{
    const struct sim_pass pass = {.ranges = request->ranges,
                                  .range_count = request->range_count,
                                  .spools = request->operation == SIM_OPERATION_SPOOL,
                                  .low = request->low,
                                  .settled = request->store ? request->store->returned : NULL,
                                  .settled_room = request->store ? request->store->returned_room : 0};
    sim_log_pass(request->life, &pass);
    return OUTBOX_OK;
}

static int do_settle(struct sim_request *request)
{
    uint32_t rows = 0, count = 0;
    for (uint32_t i = 0; i < request->range_count; i++)
        rows += (uint32_t)(request->ranges[i].hi - request->ranges[i].lo + 1);
    uint32_t *numbers = obx_alloc((rows + 1) * sizeof *numbers);
    for (uint32_t i = 0; i < request->range_count; i++)
        sim_db_delete(request->session, request->ranges[i].lo, request->ranges[i].hi, numbers, &count);
    sim_db_log(SIM_DELETES, numbers, count);
    obx_free(numbers);
    SIM_TRACE("life %u settles %u rows, %u were there", request->life, rows, count);
    return OUTBOX_OK;
}

static int do_dead_letter(struct sim_request *request)
{
    uint32_t count = 0;
    uint32_t *numbers = obx_alloc((request->range_count + 1) * sizeof *numbers);
    for (uint32_t i = 0; i < request->range_count; i++) {
        struct sim_event *event = sim_db_row(request->ranges[i].lo);
        request->ranges[i].hi = event && sim_strikes(SIM_AGAIN, 150);
        if (!event || request->ranges[i].hi)
            continue;
        if (sim->plan.log && !event->spooled)
            sim_fail("event %u goes to the dead letters, and is not in the spool", event->number);
        event->spooled = false;
        oracle_dead_lettered(event);
        numbers[count++] = event->number;
        SIM_TRACE("life %u dead-letters event %u", request->life, event->number);
    }
    sim_db_log(SIM_PARKS, numbers, count);
    obx_free(numbers);
    return OUTBOX_OK;
}

static int do_acquire(const struct sim_request *request)
{
    struct sim_store *store = request->store;
    if (!store)
        return OUTBOX_E_CANCELED;
    struct outbox_acquire *acquire = request->args;
    bool same = store->owned && store->known_epoch == sim->db->epoch && !sim_has(SIM_NEVER_SAME);
    request->session->epoch = sim->db->epoch;
    int code = sim_session_acquire(request->session, acquire->lease_ms, same);
    acquire->epoch = sim->db->generation;
    if (sim->plan.position)
        snprintf(acquire->identity, sizeof acquire->identity, "the table");
    acquire->flags = (same ? OUTBOX_ACQUIRED_SAME : 0) | (sim->plan.log ? OUTBOX_ACQUIRED_LOG : 0);
    return code;
}

/* The store tries to remove the rows again that the database has refused. */
static int do_renew(const struct sim_request *request)
{
    uint32_t count = 0;
    uint32_t *numbers = obx_alloc((sim->db->count + 1) * sizeof *numbers);
    for (int64_t id = 1; id < sim->db->next_id; id++) {
        const struct sim_event *event = sim_db_row(id);
        if (event && event->kept && event->kept == request->life)
            sim_db_delete(request->session, id, id, numbers, &count);
    }
    sim_db_log(SIM_DELETES, numbers, count);
    obx_free(numbers);
    return OUTBOX_OK;
}

static int do_claim(struct sim_request *request)
{
    if (request->store)
        sim_rows_select(request);
    return OUTBOX_OK;
}

static int carry_out(struct sim_request *request)
{
    struct sim_session *session = request->session;
    bool owns = sim->db->owner == session;
    bool writes = request->operation == SIM_OPERATION_SETTLE || request->operation == SIM_OPERATION_DEAD_LETTER ||
                  request->operation == SIM_OPERATION_SPOOL;
    session->seen_ns = sim->now_ns;
    if (request->operation != SIM_OPERATION_ACQUIRE && !owns)
        return OUTBOX_E_FENCED;
    if (writes && sim->db->read_only)
        return OUTBOX_E_READ_ONLY;
    if (sim_strikes(SIM_AGAIN, 50))
        return OUTBOX_E_AGAIN;
    switch (request->operation) {
    case SIM_OPERATION_ACQUIRE:
        return do_acquire(request);
    case SIM_OPERATION_CLAIM:
        return do_claim(request);
    case SIM_OPERATION_SETTLE:
        return sim->plan.log ? do_pass(request) : do_settle(request);
    case SIM_OPERATION_SPOOL:
        return do_pass(request);
    case SIM_OPERATION_DEAD_LETTER:
        return do_dead_letter(request);
    case SIM_OPERATION_RENEW:
        return sim->plan.keeps ? do_renew(request) : OUTBOX_OK;
    default:
        return OUTBOX_OK;
    }
}

static int connect(struct sim_request *request)
{
    if (sim->db->read_only && sim_pick(0, 1))
        return OUTBOX_E_READ_ONLY;
    request->session = sim_session_open(request->life);
    if (!request->store)
        request->session->dies_ns = sim->now_ns + 1; /* the client has died */
    return OUTBOX_OK;
}

static void inspect(struct obx_timer *timer)
{
    struct sim_request *request = OBX_CONTAINER(timer, struct sim_request, inspect);
    if (request->store && sim->db->up)
        sim_rows_inspect(request);
}

/* A lock on the table stops who deletes. The statement goes on when the lock is gone, also if nobody waits for it. */
static bool waits_for_lock(struct sim_request *request)
{
    bool deletes = request->operation == SIM_OPERATION_SETTLE || request->operation == SIM_OPERATION_DEAD_LETTER;
    bool locked = deletes && sim->db->up && sim->now_ns < sim->db->locked_until_ns;
    request->session->waits += locked && !request->waits;
    request->session->waits -= !locked && request->waits;
    request->waits = locked;
    if (locked)
        sim_world_after(&request->arrive, sim_pick(1, 50) * OBX_MS);
    return locked;
}

static void arrive(struct obx_timer *timer)
{
    struct sim_request *request = OBX_CONTAINER(timer, struct sim_request, arrive);
    bool connects = request->operation == SIM_OPERATION_START;
    if (!connects && sim->plan.locks && waits_for_lock(request))
        return;
    if (!sim->db->up || (!connects && !sim_session_alive(request->session))) {
        request->code = OUTBOX_E_NOT_CONNECTED;
        request->breaks = true;
    } else {
        request->code = connects ? connect(request) : carry_out(request);
        request->breaks = !connects && sim_strikes(SIM_UNKNOWN_SETTLE, 30);
    }
    if (!request->store) {
        free_request(request);
        return;
    }
    if (request->breaks)
        request->code = OUTBOX_E_NOT_CONNECTED;
    if (request->store->cut && !connects)
        return; /* the answer is lost; the request is freed with the world */
    sim_node_after(request->node, &request->answer, latency());
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

static void give_dead_keys(const struct sim_request *request)
{
    struct outbox_dead *dead = request->args;
    for (uint32_t i = 0; i < sim->db->count; i++) {
        const struct sim_event *event = sim_event(i);
        char topic[32] = "outbox.event.";
        const char *key = sim_key_text(event->key);
        struct outbox_dead_letter letter = {.struct_size = sizeof letter, .number = event->number + 1};
        if (!event->dead)
            continue;
        strcat(topic, sim_topic_text(event));
        letter.topic = (struct outbox_bytes){topic, strlen(topic)};
        letter.key = (struct outbox_bytes){key, key ? strlen(key) : 0};
        dead->row(dead->arg, &letter);
    }
}

/* Another relay may have owned the outbox: what this one settled may be needed again. */
static void forget_settled(struct sim_store *store, uint32_t flags)
{
    if (store->returned_room && !(flags & OUTBOX_ACQUIRED_SAME))
        memset(store->returned, 0, (size_t)store->returned_room);
}

static void note_log(struct sim_request *request)
{
    struct sim_store *store = request->store;
    struct sim_owner *before = sim_own(&sim->memory);
    if (request->operation == SIM_OPERATION_ACQUIRE)
        forget_settled(store, ((const struct outbox_acquire *)request->args)->flags);
    for (uint32_t i = 0; request->operation == SIM_OPERATION_SETTLE && i < request->range_count; i++)
        sim_rows_note(store, request->ranges[i].lo, request->ranges[i].hi);
    sim_own(before);
}

static void note_success(struct sim_request *request)
{
    struct sim_store *store = request->store;
    if (sim->plan.log)
        note_log(request);
    if (request->operation == SIM_OPERATION_START)
        store->session = request->session;
    if (request->operation == SIM_OPERATION_ACQUIRE) {
        store->owned = true;
        store->known_epoch = request->session->epoch;
    }
    if (request->operation == SIM_OPERATION_DEAD_LETTER)
        report_kept(request);
    if (request->operation == SIM_OPERATION_SETTLE && sim->plan.keeps)
        report_staying(request);
    if (request->operation == SIM_OPERATION_DEAD)
        give_dead_keys(request);
}

static void answer(struct obx_timer *timer)
{
    struct sim_request *request = OBX_CONTAINER(timer, struct sim_request, answer);
    struct sim_store *store = request->store;
    if (store && request->operation != SIM_OPERATION_START && (request->breaks || store->broken)) {
        if (!request->session->dies_ns)
            request->session->dies_ns = sim->now_ns + 1;
        sim_store_break(store, OUTBOX_E_NOT_CONNECTED);
    } else if (store) {
        if (!request->code)
            note_success(request);
        if (!request->code && request->operation == SIM_OPERATION_CLAIM)
            sim_rows_answer(request);
        else
            sim_request_complete(request, request->code);
    }
    if (!request->store)
        free_request(request);
}

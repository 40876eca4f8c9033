/* SPDX-License-Identifier: Apache-2.0 */
/* tests/simulation/coordinator.c - see transactions.h */
#include <string.h>

#include "sim.h"
#include "transactions.h"

#define TIMEOUT_NS (15 * SIM_SECOND) /* of a transaction */

static struct {
    uint32_t epoch;
    bool open;
    uint64_t began_ns;
    struct sim_record *records;
    uint32_t count, room;
    struct kafka_progress_list written; /* the record of the open transaction; count UINT32_MAX: none */
    struct kafka_progress_list record;
} coordinator;

/* One request on its way, and its answer. */
struct request {
    struct obx_timer arrive, answer;
    struct sim_client *client;
    uint32_t epoch;
    bool ends;
    enum sim_answer result;
    struct sim_record *records;
    uint32_t count;
    struct kafka_progress_list record; /* items NULL: none */
    bool has_record;
};

void sim_coordinator_init(void)
{
    memset(&coordinator, 0, sizeof coordinator);
}

static void abort_open(void)
{
    coordinator.open = false;
    coordinator.count = 0;
    coordinator.written.count = UINT32_MAX;
}

uint32_t sim_coordinator_fence(void)
{
    abort_open();
    return ++coordinator.epoch;
}

const struct kafka_progress_list *sim_coordinator_record(void)
{
    return &coordinator.record;
}

/* ---- lists of the world ------------------------------------------------------------------------------------------ */

static void copy(struct kafka_progress_list *to, const struct kafka_progress_list *from)
{
    if (from->count > to->room || !to->items) {
        to->items = obx_resize(to->items, (from->count + 1) * sizeof *to->items);
        to->room = from->count + 1;
    }
    if (from->count)
        memcpy(to->items, from->items, from->count * sizeof *to->items);
    to->count = from->count;
}

static void append(const struct sim_record *records, uint32_t count)
{
    if (!count)
        return;
    if (coordinator.count + count > coordinator.room) {
        coordinator.room = (coordinator.count + count) * 2;
        coordinator.records = obx_resize(coordinator.records, coordinator.room * sizeof *coordinator.records);
    }
    memcpy(coordinator.records + coordinator.count, records, count * sizeof *records);
    coordinator.count += count;
}

/* ---- at the cluster ---------------------------------------------------------------------------------------------- */

static void write(const struct request *request)
{
    if (!coordinator.open) {
        abort_open();
        coordinator.open = true;
        coordinator.began_ns = sim->now_ns;
    }
    append(request->records, request->count);
    if (request->has_record)
        copy(&coordinator.written, &request->record);
}

/* What was written becomes visible, with the record if that was written, too. */
static void commit(void)
{
    for (uint32_t i = 0; i < coordinator.count; i++)
        sim_cluster_append(&coordinator.records[i]);
    if (coordinator.written.count != UINT32_MAX)
        copy(&coordinator.record, &coordinator.written);
    SIM_TRACE("a transaction of %u events is committed, %s", coordinator.count,
              coordinator.written.count == UINT32_MAX ? "without its record" : "with its record");
    abort_open();
}

static void decide(struct request *request)
{
    if (coordinator.open && sim->now_ns - coordinator.began_ns > TIMEOUT_NS)
        sim_coordinator_fence();
    request->result = request->ends ? SIM_COMMITTED_TXN : SIM_WRITTEN;
    if (request->epoch != coordinator.epoch)
        request->result = SIM_FENCED;
    else if (!request->ends)
        write(request);
    else if (coordinator.open)
        commit();
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static uint64_t latency(void)
{
    return sim_pick(50, 3000) * 1000;
}

static void answer(struct obx_timer *timer)
{
    struct request *request = OBX_CONTAINER(timer, struct request, answer);
    if (request->client->plugin && request->client->epoch == request->epoch)
        sim_once_answered(request->client, request->result);
}

static void arrive(struct obx_timer *timer)
{
    struct request *request = OBX_CONTAINER(timer, struct request, arrive);
    if (sim->cluster->down[0]) {
        sim_world_after(&request->arrive, sim_pick(10, 300) * OBX_MS);
        return;
    }
    decide(request);
    if (request->ends && sim_strikes(SIM_ACK_LOST, 100))
        return;
    if (request->client->plugin)
        sim_node_after(request->client->node, &request->answer, latency());
}

static struct request *new_request(struct sim_client *client)
{
    struct request *request = obx_alloc(sizeof *request);
    *request = (struct request){.client = client, .epoch = client->epoch};
    request->arrive.fire = arrive;
    request->answer.fire = answer;
    return request;
}

void sim_coordinator_write(struct sim_client *client, const struct sim_record *records, uint32_t count,
                           const struct kafka_progress_list *record)
{
    struct sim_owner *before = sim_own(&sim->memory);
    struct request *request = new_request(client);
    request->records = obx_alloc((count + 1) * sizeof *records);
    if (count)
        memcpy(request->records, records, count * sizeof *records);
    request->count = count;
    request->has_record = record != NULL;
    if (record)
        copy(&request->record, record);
    sim_world_after(&request->arrive, latency());
    sim_own(before);
}

/* It may be late by more than the time after which the client sends it again. */
void sim_coordinator_end(struct sim_client *client)
{
    struct sim_owner *before = sim_own(&sim->memory);
    struct request *request = new_request(client);
    request->ends = true;
    sim_world_after(&request->arrive, sim_strikes(SIM_BROKER_SLOW, 100) ? sim_pick(1, 8000) * OBX_MS : latency());
    sim_own(before);
}

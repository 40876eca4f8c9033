/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/cluster.c - flights of messages: sent, arrived, appended or not, reported
 *
 * A partition that is down makes a flight wait; after a while the flight fails. The messages of a flight are appended
 * in order, so the part that arrives, however late, is a contiguous part of the messages sent.
 */
#include "oracle.h"
#include "producer.h"
#include "sim.h"
#include "verdict.h"

#define GIVE_UP_NS (3 * SIM_SECOND)

static void arrive(struct obx_timer *timer);
static void report(struct obx_timer *timer);

void sim_cluster_init(void)
{
    sim->cluster = obx_alloc(sizeof *sim->cluster);
    for (uint32_t i = 0; i < SIM_PARTITIONS; i++)
        obx_list_init(&sim->cluster->partitions[i].tail);
}

static uint64_t latency(void)
{
    if (sim_strikes(SIM_BROKER_SLOW, 30))
        return sim_pick(1, 8000) * OBX_MS;
    return sim_pick(50, 3000) * 1000;
}

static struct sim_flight *new_flight(struct sim_producer *producer, uint32_t partition)
{
    struct sim_flight *flight = obx_alloc(sizeof *flight);
    flight->producer = producer;
    flight->partition = partition;
    flight->arrive.fire = arrive;
    flight->report.fire = report;
    obx_list_append(&producer->flights, &flight->link);
    return flight;
}

/* ---- sending ---------------------------------------------------------------------------------------------------- */

static void take_off(struct sim_flight *flight)
{
    sim_world_after(&flight->arrive, latency());
}

void sim_producer_pump(struct sim_producer *producer, uint32_t partition)
{
    struct obx_list *queue = &producer->queues[partition];
    if (!producer->broker || producer->flying[partition] || obx_list_empty(queue))
        return;
    struct sim_owner *before = sim_own(&sim->memory);
    struct sim_flight *flight = new_flight(producer, partition);
    uint32_t most = (uint32_t)sim_pick(1, sim_pick(1, SIM_FLIGHT));
    for (struct obx_list *link; flight->count < most && (link = obx_list_pop(queue));) {
        struct sim_message *message = OBX_CONTAINER(link, struct sim_message, link);
        message->refused = sim_lane_refuses(producer, message);
        flight->messages[flight->count++] = message;
    }
    producer->flying[partition] = true;
    take_off(flight);
    sim_own(before);
}

void sim_flight_shuffled(struct sim_producer *producer, struct sim_message **messages, uint32_t count)
{
    for (uint32_t i = count; i > 1; i--) {
        uint32_t other = (uint32_t)sim_pick(0, i - 1);
        struct sim_message *message = messages[i - 1];
        messages[i - 1] = messages[other];
        messages[other] = message;
    }
    for (uint32_t at = 0; at < count;) {
        struct sim_flight *flight = new_flight(producer, SIM_PARTITIONS);
        uint32_t most = (uint32_t)sim_pick(1, 8);
        while (at < count && flight->count < most)
            flight->messages[flight->count++] = messages[at++];
        take_off(flight);
    }
}

/* ---- at the cluster --------------------------------------------------------------------------------------------- */

uint32_t sim_flight_partition(const struct sim_flight *flight)
{
    return flight->partition < SIM_PARTITIONS ? flight->partition : flight->messages[0]->partition;
}

bool sim_event_fails_now(const struct sim_event *event)
{
    return event->poison == SIM_FAILING || (event->poison == SIM_FAILING_NOW && !sim->healed);
}

void sim_cluster_append(const struct sim_record *record)
{
    struct sim_event *event = sim_event(record->event);
    oracle_appended(event);
    verdict_append(record);
    window_appended(record->event, &record->mark);
    SIM_TRACE("event %u, id %ld, key %d is appended%s", event->number, (long)event->id, (int)event->key,
              event->appended > 1 ? " again" : "");
}

static int throttle_code(void)
{
    static const int codes[] = {OUTBOX_E_AGAIN, OUTBOX_E_NOT_FOUND, OUTBOX_E_PERMISSION};
    return codes[sim_pick(0, 2)];
}

/* To a concurrent broker one request may time out while the others are answered. */
static void fail_unanswered(struct sim_message *message)
{
    if (sim->plan.concurrent && sim_pick(0, 1))
        sim_message_fail(message, OUTBOX_RETRY_UNKNOWN, OUTBOX_E_AGAIN);
    else
        sim_message_fail(message, OUTBOX_UNKNOWN, OUTBOX_E_UNKNOWN_OUTCOME);
}

/* The answer may be lost; the cluster's state stays the same. */
static void decide(struct sim_message *message)
{
    const struct sim_event *event = sim_event(message->record.event);
    if (event->poison == SIM_REJECTED) {
        sim_message_fail(message, OUTBOX_REJECTED, OUTBOX_E_REJECTED);
    } else if (sim_event_fails_now(event)) {
        sim_message_fail(message, OUTBOX_RETRY, OUTBOX_E_IO);
    } else if (sim_strikes(SIM_THROTTLED, 20)) {
        sim_message_fail(message, OUTBOX_RETRY, throttle_code());
    } else if (sim_strikes(SIM_NOT_SENT, 15)) {
        sim_message_fail(message, sim_pick(0, 1) ? OUTBOX_UNKNOWN : OUTBOX_NOT_CONNECTED, OUTBOX_E_NOT_CONNECTED);
    } else if (sim_strikes(SIM_ACK_LOST, 15)) {
        sim_cluster_append(&message->record);
        fail_unanswered(message);
    } else {
        sim_cluster_append(&message->record);
        message->outcome = OUTBOX_DELIVERED;
    }
}

/* The message is in the log already. An ordered (idempotent) producer has it deduplicated; otherwise it is appended
 * again, or its outcome is unknown. */
static void decide_kept(struct sim_message *message)
{
    message->outcome = OUTBOX_DELIVERED;
    if (sim->plan.ordered)
        return;
    if (sim_strikes(SIM_NOT_SENT, 15))
        sim_message_fail(message, OUTBOX_UNKNOWN, OUTBOX_E_UNKNOWN_OUTCOME);
    else
        sim_cluster_append(&message->record);
}

static void refuse(struct sim_message *message)
{
    bool outage = !sim->healed && sim_pick(0, 3) == 0;
    sim_message_fail(message, outage ? OUTBOX_NOT_CONNECTED : OUTBOX_RETRY, OUTBOX_E_AGAIN);
}

/* Within a flight, the messages after an undelivered message of their lane. */
static bool follows_failure(const struct sim_flight *flight, uint32_t at)
{
    const struct sim_message *message = flight->messages[at];
    for (uint32_t i = 0; i < at; i++) {
        const struct sim_message *before = flight->messages[i];
        if (before->lane == message->lane && before->outcome != OUTBOX_DELIVERED &&
            before->outcome != OUTBOX_REJECTED && message->lane != SIM_MAX_KEYS)
            return true;
    }
    return false;
}

static void fail_flight(struct sim_flight *flight)
{
    for (uint32_t i = 0; i < flight->count; i++)
        sim_message_fail(flight->messages[i], i < flight->written_count ? OUTBOX_UNKNOWN : OUTBOX_NOT_CONNECTED,
                         OUTBOX_E_NOT_CONNECTED);
}

static void land(struct sim_flight *flight)
{
    bool failed = false;
    for (uint32_t i = 0; i < flight->count; i++) {
        struct sim_message *message = flight->messages[i];
        if (i < flight->kept)
            decide_kept(message);
        else if (message->refused || (failed && follows_failure(flight, i)))
            refuse(message);
        else
            decide(message);
        failed |= sim_order_kept() && message->outcome != OUTBOX_DELIVERED;
    }
}

/* A client that has died does not retry; its first attempt may still arrive later. */
static bool tries_again(const struct sim_flight *flight)
{
    if (sim->plan.patient)
        return flight->producer != NULL;
    return sim->now_ns - flight->messages[0]->queued_ns < GIVE_UP_NS;
}

static void arrive(struct obx_timer *timer)
{
    struct sim_flight *flight = OBX_CONTAINER(timer, struct sim_flight, arrive);
    if (flight->written_count && !flight->producer)
        return; /* its appended messages no longer belong to it */
    if (sim->cluster->down[sim_flight_partition(flight)] || sim_leader_missed(flight)) {
        if (tries_again(flight)) {
            sim_world_after(&flight->arrive, sim_pick(10, 300) * OBX_MS);
            return;
        }
        fail_flight(flight);
    } else {
        land(flight);
    }
    if (flight->producer)
        sim_node_after(flight->producer->node, &flight->report, latency());
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

static void report(struct obx_timer *timer)
{
    struct sim_flight *flight = OBX_CONTAINER(timer, struct sim_flight, report);
    struct sim_producer *producer = flight->producer;
    if (!producer)
        return;
    flight->producer = NULL;
    obx_list_remove(&flight->link);
    if (flight->partition < SIM_PARTITIONS)
        producer->flying[flight->partition] = false;
    sim_producer_land(producer, flight->messages, flight->count);
    if (flight->partition < SIM_PARTITIONS)
        sim_producer_pump(producer, flight->partition);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/leader.c - partitions that lose their leader
 *
 * Until the next leader is elected, sent messages are refused with an error that the client library retries, so the
 * plugin does not notice. The old leader could not confirm its last messages, since not all replicas had them
 * (acks=all), and no consumer has read them. They become readable if the new leader has them, and are lost otherwise.
 * The new leader has a prefix of them. For an ordered (idempotent) client the rest is appended after that prefix; any
 * other client appends all of them again.
 */
#include "producer.h"
#include "sim.h"

/* A batch with a refused message is not written; the simulation ends the batch before that message. */
static void write_to_old(struct sim_flight *flight)
{
    uint32_t most = (uint32_t)sim_pick(0, flight->count);
    for (uint32_t i = 0; i < most; i++) {
        const struct sim_message *message = flight->messages[i];
        const struct sim_event *event = sim_event(message->record.event);
        if (message->refused || event->poison == SIM_REJECTED || sim_event_fails_now(event))
            break;
        flight->written[flight->written_count++] = message->record;
    }
    if (!flight->written_count)
        return;
    obx_list_append(&sim->cluster->partitions[sim_flight_partition(flight)].tail, &flight->tail);
    SIM_TRACE("%u events reach a leader that is going", flight->written_count);
}

bool sim_leader_missed(struct sim_flight *flight)
{
    if (!sim->cluster->partitions[sim_flight_partition(flight)].leaderless)
        return false;
    if (!flight->written_count && sim_strikes(SIM_LEADER, 500))
        write_to_old(flight);
    return true;
}

static uint32_t count_tail(struct obx_list *tail)
{
    uint32_t count = 0;
    OBX_LIST_EACH(tail, flight, struct sim_flight, tail)
    {
        count += flight->written_count;
    }
    return count;
}

static void keep_of_tail(struct obx_list *tail, uint32_t keep)
{
    for (struct obx_list *link; (link = obx_list_pop(tail));) {
        struct sim_flight *flight = OBX_CONTAINER(link, struct sim_flight, tail);
        for (; keep && flight->kept < flight->written_count; keep--)
            sim_cluster_append(&flight->written[flight->kept++]);
    }
}

static void elect(struct obx_timer *timer)
{
    struct sim_partition *partition = OBX_CONTAINER(timer, struct sim_partition, elect);
    uint32_t count = count_tail(&partition->tail), keep = count ? (uint32_t)sim_pick(0, count) : 0;
    partition->leaderless = false;
    SIM_TRACE("partition %d has a new leader, which has %u of the last %u events",
              (int)(partition - sim->cluster->partitions), keep, count);
    struct sim_owner *before = sim_own(&sim->memory);
    keep_of_tail(&partition->tail, keep);
    sim_own(before);
}

void sim_leader_lose(uint32_t partition, uint64_t ns)
{
    struct sim_partition *it = &sim->cluster->partitions[partition];
    SIM_TRACE("partition %u has no leader for %.3f s", partition, (double)ns / 1e9);
    it->leaderless = true;
    it->elect.fire = elect;
    sim_world_after(&it->elect, ns);
}

void sim_leaders_elect(void)
{
    for (uint32_t i = 0; i < SIM_PARTITIONS; i++) {
        struct sim_partition *partition = &sim->cluster->partitions[i];
        if (!partition->leaderless)
            continue;
        obx_heap_clear(&sim->world.heap, &partition->elect);
        elect(&partition->elect);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/node.h - the process of a relay: what can crash, be paused, be stopped and started
 *
 * A node has several lives. The state of one life is in `memory` and in the loop's queues, and is dropped with it.
 */
#ifndef OBX_TESTS_SIMULATION_NODE_H
#define OBX_TESTS_SIMULATION_NODE_H

#include "fake_loop.h"
#include "memory.h"
#include "relay/relay.h"

struct sim_store;
struct sim_broker;
struct sim_once;

struct sim_node {
    uint32_t index;
    uint32_t life; /* unique number of each life of each node; 0: not alive */
    char name[16];
    struct fake_loop loop;
    struct sim_owner memory;
    struct obx_log log;
    struct obx_config *config;
    struct obx_relay *relay;
    struct sim_store *store; /* the plugins' own state, while there is one */
    struct sim_broker *broker;
    struct sim_once *once; /* instead of broker, with delivery: exactly-once */
    uint64_t paused_until_ns;
    uint64_t stop_by_ns;    /* 0: not stopping */
    bool stopped;           /* to be freed */
    bool settles;           /* was stopped while nothing failed, with time to settle delivered rows */
    struct obx_timer birth; /* in the world: the next life */
};

void sim_node_init(struct sim_node *node, uint32_t index);
void sim_node_born_after(struct sim_node *node, uint64_t delay_ns);
void sim_node_crash(struct sim_node *node);
void sim_node_pause(struct sim_node *node, uint64_t ns);
void sim_node_stop(struct sim_node *node, uint32_t deadline_ms);
void sim_node_control(struct sim_node *node, enum obx_control_action action); /* by an operator; of any key */
/* When its next step is due; UINT64_MAX: nothing to do. */
uint64_t sim_node_due(const struct sim_node *node);
void sim_node_step(struct sim_node *node);
void sim_node_after(struct sim_node *node, struct obx_timer *timer, uint64_t delay_ns); /* in its loop */

static inline bool sim_node_alive(const struct sim_node *node)
{
    return node->life != 0;
}

#endif

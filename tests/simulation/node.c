/* SPDX-License-Identifier: Apache-2.0 */
/* tests/simulation/node.c - see node.h */
#include "node.h"

#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "oracle.h"
#include "producer.h"
#include "sink.h"
#include "sim.h"
#include "store.h"
#include "transactions.h"

static const char *const state_names[] = {"stopped",    "connecting", "standby", "relaying",
                                          "recovering", "halted",     "draining"};

static void log_line(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    static const char *const levels[] = {"error", "warn", "info", "debug", "trace"};
    (void)arg;
    if (!strncmp(text, "bug:", 4))
        sim_fail("%s: %s", subject, text);
    SIM_TRACE("%s: %s: %s", subject, levels[level], text);
}

static void on_state(void *arg, enum outbox_state state, const char *why)
{
    const struct sim_node *node = arg;
    (void)why;
    SIM_TRACE("%s is %s", node->name, (size_t)state < OBX_COUNT(state_names) ? state_names[state] : "?");
}

void sim_node_after(struct sim_node *node, struct obx_timer *timer, uint64_t delay_ns)
{
    obx_heap_set(&node->loop.heap, timer, sim->now_ns + delay_ns);
}

/* ---- birth ------------------------------------------------------------------------------------------------------ */

static void make_relay(struct sim_node *node)
{
    const char *yaml = sim_plan_yaml(&sim->plan);
    struct outbox_error error = {0};
    if (obx_config_parse("sim.yaml", yaml, strlen(yaml), &node->config, &error))
        sim_fail("%s", error.text);
    struct obx_relay_setup setup = {.loop = &node->loop.base,
                                    .registry = sim->registry,
                                    .log = &node->log,
                                    .name = node->name,
                                    .section = obx_config_root(node->config),
                                    .events = {.state = on_state, .arg = node}};
    if (obx_relay_new(&setup, &node->relay, &error))
        sim_fail("%s", error.text);
    obx_relay_start(node->relay);
}

static void be_born(struct obx_timer *timer)
{
    struct sim_node *node = OBX_CONTAINER(timer, struct sim_node, birth);
    if (sim->done)
        return;
    node->life = ++sim->lives;
    fake_loop_init(&node->loop, sim_draw(&sim->random));
    node->loop.now_ns = sim->now_ns;
    node->loop.step_ns = sim_pick(200, 3000);
    if (sim_has(SIM_DISK_SLOW))
        node->loop.work_max_ns = sim_pick(1, 100) * OBX_MS;
    if (sim->plan.file && sim_has(SIM_NO_MEMORY))
        node->loop.fail_offload = (uint32_t)sim_pick(1, 300);
    node->paused_until_ns = node->stop_by_ns = 0;
    node->stopped = node->settles = false;
    SIM_TRACE("%s starts, life %u", node->name, node->life);
    node->memory.fail_one_in = 0;
    struct sim_owner *before = sim_own(&node->memory);
    make_relay(node);
    sim_own(before);
    node->memory.random = sim_draw(&sim->random);
    node->memory.fail_one_in = sim_has(SIM_NO_MEMORY) ? (uint32_t)sim_pick(20, 5000) : 0;
}

void sim_node_init(struct sim_node *node, uint32_t index)
{
    node->index = index;
    node->birth.fire = be_born;
    snprintf(node->name, sizeof node->name, "relay%u", index);
    node->log =
        (struct obx_log){.write = log_line, .arg = node, .level = sim->trace ? OUTBOX_LOG_TRACE : OUTBOX_LOG_ERROR};
}

void sim_node_born_after(struct sim_node *node, uint64_t delay_ns)
{
    sim_world_after(&node->birth, delay_ns);
}

/* ---- death ------------------------------------------------------------------------------------------------------ */

void sim_node_crash(struct sim_node *node)
{
    if (!sim_node_alive(node))
        return;
    SIM_TRACE("%s crashes", node->name);
    sim_store_crash(node);
    sim_producer_crash(node);
    sim_once_crash(node);
    sim_calls_crash(node);
    sim_owner_drop(&node->memory);
    node->relay = NULL;
    node->config = NULL;
    node->life = 0;
    sim_node_born_after(node, sim_pick(1, 3000) * OBX_MS);
}

void sim_node_pause(struct sim_node *node, uint64_t ns)
{
    if (!sim_node_alive(node))
        return;
    node->paused_until_ns = OBX_MAX(node->paused_until_ns, sim->now_ns + ns);
    SIM_TRACE("%s is paused for %.3f s", node->name, (double)ns / 1e9);
}

static void on_stopped(void *arg)
{
    ((struct sim_node *)arg)->stopped = true;
}

void sim_node_stop(struct sim_node *node, uint32_t deadline_ms)
{
    if (!sim_node_alive(node) || node->stop_by_ns)
        return;
    SIM_TRACE("%s is asked to stop within %u ms", node->name, deadline_ms);
    node->stop_by_ns = sim->now_ns + (deadline_ms + SIM_STOP_GRACE_MS) * OBX_MS;
    node->loop.now_ns = OBX_MAX(node->loop.now_ns, sim->now_ns);
    struct sim_owner *before = sim_own(&node->memory);
    obx_relay_stop(node->relay, deadline_ms, on_stopped, node);
    sim_own(before);
}

void sim_node_control(struct sim_node *node, enum obx_control_action action)
{
    const struct obx_control_request request = {.action = action, .by = "the simulation"};
    struct outbox_error answer;
    if (!sim_node_alive(node) || node->stopped)
        return;
    node->loop.now_ns = OBX_MAX(node->loop.now_ns, sim->now_ns);
    struct sim_owner *before = sim_own(&node->memory);
    obx_relay_control(node->relay, &request, &answer);
    sim_own(before);
    SIM_TRACE("operator of %s: %s", node->name, answer.text);
}

/* After an orderly stop no resource may be left. */
static void free_life(struct sim_node *node)
{
    SIM_TRACE("%s has stopped", node->name);
    oracle_stopped(node);
    if (node->settles && sim->db->fenced_life != node->life)
        oracle_settled_all(node);
    struct sim_owner *before = sim_own(&node->memory);
    obx_relay_free(node->relay);
    obx_config_free(node->config);
    sim_own(before);
    if (node->memory.live)
        sim_fail("%s has stopped and still owns %zu blocks of memory", node->name, node->memory.live);
    if (!obx_tasks_empty(&node->loop.deferred))
        sim_fail("%s has stopped and still has tasks", node->name);
    node->relay = NULL;
    node->config = NULL;
    node->life = 0;
    if (!sim->done)
        sim_node_born_after(node, sim_pick(0, 500) * OBX_MS);
}

/* ---- steps ------------------------------------------------------------------------------------------------------ */

uint64_t sim_node_due(const struct sim_node *node)
{
    uint64_t due = UINT64_MAX;
    if (!sim_node_alive(node))
        return due;
    if (!obx_tasks_empty(&node->loop.deferred))
        due = node->loop.now_ns;
    else if (node->loop.heap.first)
        due = OBX_MAX(node->loop.heap.first->due_ns, node->loop.now_ns);
    return due == UINT64_MAX ? due : OBX_MAX(due, node->paused_until_ns);
}

void sim_node_step(struct sim_node *node)
{
    node->loop.now_ns = OBX_MAX(node->loop.now_ns, sim->now_ns);
    struct sim_owner *before = sim_own(&node->memory);
    sim->running = node;
    fake_loop_step(&node->loop);
    sim->running = NULL;
    sim_own(before);
    enum sim_doom doom = sim_calls_doom();
    if (doom == SIM_POWERLESS)
        sim_sink_power();
    else if (doom == SIM_DIED)
        sim_node_crash(node);
    else if (node->stopped)
        free_life(node);
    else if (node->stop_by_ns && sim->now_ns > OBX_MAX(node->stop_by_ns, node->paused_until_ns + SIM_SECOND))
        sim_fail("%s was asked to stop and does not", node->name);
}

/*
 * tests/simulation/world.c - writers, accidents, two relays, and the judge
 *
 * A seed first chooses which accidents there are and how likely ("swarm"), then settings of the relays. Accidents
 * end after a while; from then on everything must come to rest: each committed row delivered and settled, or dead,
 * or waiting behind a poisoned event of its key, as the settings say.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plugin/registry.h"
#include "sim.h"

#define PATIENCE_NS (900000 * OBX_MS)
#define ACCIDENTS_NS (20000 * OBX_MS)

uint64_t sim_draw(struct sim *sim, uint64_t below)
{
    uint64_t z = (sim->random += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (z ^ (z >> 31)) % below;
}

bool sim_strikes(struct sim *sim, uint32_t thousandths)
{
    return sim->faulty && thousandths && sim_draw(sim, 1000) < thousandths;
}

void sim_broken(struct sim *sim, const char *format, ...)
{
    if (sim->why[0])
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sim->why, sizeof sim->why, format, arguments);
    va_end(arguments);
}

struct sim_row *sim_row_of(struct sim *sim, const void *payload, size_t size)
{
    char number[16] = "";
    memcpy(number, payload, size < 15 ? size : 15);
    return &sim->rows[strtoul(number, NULL, 10) % SIM_ROWS];
}

/* ---- the judge of each event ------------------------------------------------------------------------------------- */

void sim_publish(struct sim *sim, struct sim_row *row)
{
    sim->published++;
    sim->duplicates += row->times > 0;
    if (!row->visible)
        sim_broken(sim, "invented: row %s was published, its transaction had not committed", row->payload);
    if (row->poison)
        sim_broken(sim, "row %s was published, which the broker can never take", row->payload);
    if (row->times++ || !sim->in_order)
        return;
    if (row->sequence <= sim->reached[row->key_number])
        sim_broken(sim, "order: row %s, number %u of %s, was first published after number %u", row->payload,
                   row->sequence, row->key, sim->reached[row->key_number]);
    sim->reached[row->key_number] = row->sequence;
}

/* ---- writers ----------------------------------------------------------------------------------------------------- */

static void add_row(struct sim *sim, struct sim_transaction *transaction, uint32_t key)
{
    struct sim_row *row = &sim->rows[sim->row_count];
    snprintf(row->id, sizeof row->id, "00000000-0000-4000-8000-%012u", sim->row_count);
    snprintf(row->key, sizeof row->key, "key-%u", key);
    snprintf(row->payload, sizeof row->payload, "%u", sim->row_count++);
    row->key_number = key;
    row->sequence = ++sim->sequences[key];
    row->poison = sim_draw(sim, 60) == 0 && sim->faulty;
    transaction->count++;
}

/* Commit or roll back; only now others may have the keys. */
static void end_transaction(struct obx_timer *timer)
{
    struct sim_transaction *transaction = OBX_CONTAINER(timer, struct sim_transaction, timer);
    struct sim *sim = transaction->sim;
    bool commits = sim_draw(sim, 100) >= 20;
    for (uint32_t i = transaction->first + transaction->count; i-- > transaction->first;) {
        struct sim_row *row = &sim->rows[i];
        row->visible = commits;
        row->gone = !commits;
        sim->sequences[row->key_number] -= !commits;
        sim->locked[row->key_number] = false;
        if (commits && row->poison)
            sim->blocked[row->key_number] = true;
    }
    transaction->count = 0;
}

static void begin_transaction(struct sim *sim, struct sim_transaction *transaction)
{
    bool mine[SIM_KEYS] = {false};
    transaction->first = sim->row_count;
    for (uint64_t left = 1 + sim_draw(sim, 6); left && sim->row_count < sim->wanted; left--) {
        uint32_t key = (uint32_t)sim_draw(sim, SIM_KEYS);
        if (sim->locked[key] && !mine[key])
            continue;
        sim->locked[key] = mine[key] = true;
        add_row(sim, transaction, key);
    }
    if (transaction->count)
        sim->loop.base.ops->timer_set(&sim->loop.base, &transaction->timer, sim_draw(sim, 60 * OBX_MS));
}

static void write_more(struct obx_timer *timer)
{
    struct sim *sim = OBX_CONTAINER(timer, struct sim, writer);
    for (uint32_t i = 0; i < SIM_TRANSACTIONS; i++) {
        if (!sim->transactions[i].count) {
            begin_transaction(sim, &sim->transactions[i]);
            break;
        }
    }
    if (sim->row_count < sim->wanted)
        sim->loop.base.ops->timer_set(&sim->loop.base, timer, sim_draw(sim, 150 * OBX_MS));
}

/* ---- accidents --------------------------------------------------------------------------------------------------- */

static void note_stopped(void *arg)
{
    struct sim_node *node = arg;
    node->stopped = true;
    node->running = false;
}

/* A relay is restarted, gracefully or in a hurry, or the owner's session ends. */
static void have_accident(struct obx_timer *timer)
{
    struct sim *sim = OBX_CONTAINER(timer, struct sim, accidents);
    struct sim_node *node = &sim->nodes[sim_draw(sim, SIM_RELAYS)];
    if (sim_strikes(sim, sim->rates.fence) && sim->owner) {
        sim->owner = NULL;
        sim->epoch++;
        sim->fences++;
    }
    if (!node->running) {
        obx_relay_start(node->relay);
        node->running = true;
        node->stopped = false;
    } else if (sim_draw(sim, 100) == 0 && sim->faulty) {
        obx_relay_stop(node->relay, sim_draw(sim, 2) ? 0 : 2000, note_stopped, node);
        sim->restarts++;
    }
    sim->loop.base.ops->timer_set(&sim->loop.base, timer, sim_draw(sim, 200 * OBX_MS));
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static void say(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    const struct sim *sim = arg;
    if (sim->verbose)
        fprintf(stderr, "%10.3f ms %d %s: %s\n", (double)sim->loop.now_ns / 1e6, (int)level, subject, text);
}

static uint32_t choose_rate(struct sim *sim, uint32_t most)
{
    return sim_draw(sim, 2) ? 0 : 1 + (uint32_t)sim_draw(sim, most);
}

static void choose_rates(struct sim *sim)
{
    sim->rates = (struct sim_rates){.fail = choose_rate(sim, 100),
                                    .drop_ack = choose_rate(sim, 60),
                                    .hang = choose_rate(sim, 10),
                                    .fence = choose_rate(sim, 60),
                                    .start = choose_rate(sim, 300),
                                    .retry = choose_rate(sim, 50),
                                    .unknown = choose_rate(sim, 50),
                                    .not_connected = choose_rate(sim, 50),
                                    .broker_lost = choose_rate(sim, 60)};
    sim->park = sim_draw(sim, 2);
    sim->refuses = sim_draw(sim, 2);
    sim->in_order = sim_draw(sim, 8) != 0;
    sim->wanted = 20 + (uint32_t)sim_draw(sim, SIM_ROWS - 20);
}

/* Behind keys that are blocked for good this bound would stop everything, as it is meant to. */
static unsigned most_deferred(struct sim *sim)
{
    unsigned drawn = 5 + (unsigned)sim_draw(sim, 500);
    return sim->park ? drawn : SIM_ROWS;
}

static bool open_node(struct sim *sim, struct sim_node *node, uint32_t number)
{
    struct outbox_error error = {0};
    char yaml[640], name[16];
    snprintf(yaml, sizeof yaml,
             "store: {plugin: sim, world: %" PRIuPTR "}\n"
             "broker: {plugin: sim, world: %" PRIuPTR "}\n"
             "batch: %u\nmemory: 64KiB\nmax_deferred: %u\nmax_attempts: 1000000\n"
             "retry_min: 1ms\nretry_max: 50ms\ntimeout: 200ms\nlease: 2s\nstandby: 20ms\n"
             "order: %s\non_reject: %s\n",
             (uintptr_t)sim, (uintptr_t)sim, 1 + (unsigned)sim_draw(sim, 40), most_deferred(sim),
             sim->in_order ? "key" : "none", sim->park ? "park" : "block-key");
    snprintf(name, sizeof name, "relay-%u", number);
    if (obx_config_parse("sim.yaml", yaml, strlen(yaml), &node->config, &error)) {
        sim_broken(sim, "%s", error.text);
        return false;
    }
    struct obx_relay_setup setup = {.loop = &sim->loop.base,
                                    .registry = sim->registry,
                                    .log = &sim->log,
                                    .name = name,
                                    .section = obx_config_root(node->config)};
    node->sim = sim;
    if (obx_relay_new(&setup, &node->relay, &error))
        sim_broken(sim, "%s", error.text);
    return node->relay != NULL;
}

static bool open_world(struct sim *sim)
{
    static const struct outbox_plugin *const plugins[] = {&sim_store_plugin, &sim_broker_plugin, NULL};
    struct outbox_error error = {0};
    fake_loop_init(&sim->loop, sim->seed);
    sim->log = (struct obx_log){.write = say, .arg = sim, .level = sim->verbose ? OUTBOX_LOG_TRACE : OUTBOX_LOG_WARN};
    sim->faulty = true;
    choose_rates(sim);
    if (obx_registry_new(NULL, plugins, &sim->log, &sim->registry, &error)) {
        sim_broken(sim, "%s", error.text);
        return false;
    }
    for (uint32_t i = 0; i < SIM_TRANSACTIONS; i++)
        sim->transactions[i] = (struct sim_transaction){.timer = {.fire = end_transaction}, .sim = sim};
    sim->writer.fire = write_more;
    sim->accidents.fire = have_accident;
    sim->loop.base.ops->timer_set(&sim->loop.base, &sim->writer, 0);
    sim->loop.base.ops->timer_set(&sim->loop.base, &sim->accidents, 0);
    return open_node(sim, &sim->nodes[0], 0) && open_node(sim, &sim->nodes[1], 1);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* May this row rest where it is? With `block-key` all of a poisoned key from the poison on waits. */
static bool rests(const struct sim *sim, const struct sim_row *row)
{
    if (!row->visible || row->gone || row->dead)
        return true;
    if (sim->park)
        return false;
    if (row->poison)
        return true;
    for (const struct sim_row *before = sim->rows; sim->in_order && before < row; before++)
        if (before->visible && before->poison && before->key_number == row->key_number)
            return true;
    return false;
}

static bool at_rest(void *arg)
{
    const struct sim *sim = arg;
    if (sim->why[0])
        return true;
    for (uint32_t i = 0; i < sim->row_count; i++)
        if (!rests(sim, &sim->rows[i]))
            return false;
    for (uint32_t i = 0; i < SIM_TRANSACTIONS; i++)
        if (sim->transactions[i].count)
            return false;
    return sim->row_count == sim->wanted && !sim->faulty;
}

static bool is_broken(void *arg)
{
    return ((const struct sim *)arg)->why[0] != '\0';
}

static void judge_rows(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->row_count; i++) {
        const struct sim_row *row = &sim->rows[i];
        if (row->visible && row->gone && !row->times && !row->dead)
            sim_broken(sim, "lost: row %s is gone and was never published", row->payload);
        if (!rests(sim, row))
            sim_broken(sim, "stuck: row %s, number %u of %s, published %u times, is still there %" PRIu64 " ms later",
                       row->payload, row->sequence, row->key, row->times, (uint64_t)(PATIENCE_NS / OBX_MS));
    }
}

static bool both_stopped(void *arg)
{
    const struct sim *sim = arg;
    return !sim->nodes[0].running && !sim->nodes[1].running;
}

static void close_world(struct sim *sim)
{
    sim->loop.base.ops->timer_clear(&sim->loop.base, &sim->accidents);
    for (uint32_t i = 0; i < SIM_RELAYS; i++)
        if (sim->nodes[i].running)
            obx_relay_stop(sim->nodes[i].relay, 1000, note_stopped, &sim->nodes[i]);
    if (!fake_loop_run_until(&sim->loop, both_stopped, sim, PATIENCE_NS)) {
        sim_broken(sim, "a relay does not stop");
        return; /* freeing would crash */
    }
    for (uint32_t i = 0; i < SIM_RELAYS; i++) {
        struct outbox_stats stats = {.struct_size = sizeof stats};
        if (sim->nodes[i].relay)
            obx_relay_stats(sim->nodes[i].relay, &stats);
        if (stats.violations)
            sim_broken(sim, "%" PRIu64 " violations of the contract", stats.violations);
        obx_relay_free(sim->nodes[i].relay);
        obx_config_free(sim->nodes[i].config);
    }
    obx_registry_free(sim->registry);
    if (!sim->why[0] && !fake_loop_idle(&sim->loop))
        sim_broken(sim, "something is left on the loop");
}

bool sim_run(struct sim *sim, uint64_t seed, bool verbose)
{
    *sim = (struct sim){.seed = seed, .random = seed, .verbose = verbose};
    if (!open_world(sim))
        return false;
    fake_loop_run_until(&sim->loop, is_broken, sim, 1000 * OBX_MS + sim_draw(sim, ACCIDENTS_NS));
    sim->faulty = false;
    fake_loop_run_until(&sim->loop, at_rest, sim, PATIENCE_NS);
    judge_rows(sim);
    close_world(sim);
    return !sim->why[0];
}

/*
 * tests/simulation/broker.c - a broker over the world's topic
 *
 * Publishes wait in a queue and are worked off piece by piece. A message may fail; then nothing of its key is appended
 * that was submitted before the host was told, as the contract of OUTBOX_CAP_ORDERED says. The connection may break: of
 * what is in flight then, some was appended, and nobody knows what.
 */
#include <stdio.h>
#include <string.h>

#include "sim.h"

struct entry {
    struct entry *next;
    outbox_op_t op;
    const struct outbox_publish *publish;
    uint64_t number;
    uint32_t at; /* messages before it have their outcome */
};

struct broker {
    const struct outbox_host *host;
    int64_t world;
    struct sim *sim;
    struct outbox_timer *timer;
    struct entry *first, **last;
    bool open;
    uint64_t newest;           /* publish so far; they are numbered */
    uint64_t failed[SIM_KEYS]; /* the newest publish when an event of the key failed last */
};

static struct sim_row *row_at(struct broker *broker, const struct entry *entry, uint32_t index)
{
    const struct outbox_message *message = outbox_message_at(entry->publish, index);
    return sim_row_of(broker->sim, message->value.data, message->value.size);
}

static void tell(struct broker *broker, struct entry *entry, uint32_t index, uint32_t outcome, int code)
{
    static const char *const names[] = {"", "delivered", "retry", "rejected", "unknown", "not connected"};
    const struct sim_row *row = row_at(broker, entry, index);
    broker->host->log(broker->host, OUTBOX_LOG_TRACE, "publish %llu: row %s, number %u of %s: %s, published %u times",
                      (unsigned long long)entry->op, row->payload, row->sequence, row->key, names[outcome], row->times);
    struct outbox_error error = {.code = code};
    snprintf(error.text, sizeof error.text, "an accident, code %d", code);
    struct outbox_outcomes outcomes = {.struct_size = sizeof outcomes,
                                       .outcome = outcome,
                                       .first = index,
                                       .count = 1,
                                       .error = outcome == OUTBOX_DELIVERED ? NULL : &error};
    broker->host->outcomes(broker->host, entry->op, &outcomes);
}

static void finish_first(struct broker *broker)
{
    struct entry *entry = broker->first;
    broker->first = entry->next;
    if (!broker->first)
        broker->last = &broker->first;
    broker->host->op_done(broker->host, entry->op, NULL);
}

/* The connection is gone: a part of what is left was appended, from the front. */
static void give_up_all(struct broker *broker)
{
    bool appending = true;
    broker->open = false;
    while (broker->first) {
        struct entry *entry = broker->first;
        for (; entry->at < entry->publish->count; entry->at++) {
            struct sim_row *row = row_at(broker, entry, entry->at);
            bool refused = entry->number <= broker->failed[row->key_number];
            appending = appending && sim_draw(broker->sim, 20) != 0;
            if (appending && !row->poison && !refused) {
                sim_publish(broker->sim, row);
                tell(broker, entry, entry->at, OUTBOX_UNKNOWN, OUTBOX_E_UNKNOWN_OUTCOME);
            } else {
                appending = appending && row->poison;
                tell(broker, entry, entry->at, OUTBOX_UNKNOWN, OUTBOX_E_UNKNOWN_OUTCOME);
            }
        }
        finish_first(broker);
    }
}

static void append_one(struct broker *broker, struct entry *entry)
{
    struct sim *sim = broker->sim;
    uint32_t index = entry->at++;
    struct sim_row *row = row_at(broker, entry, index);
    uint64_t *failed = &broker->failed[row->key_number];
    if (entry->number <= *failed) {
        tell(broker, entry, index, sim->refuses ? OUTBOX_RETRY : OUTBOX_NOT_CONNECTED, OUTBOX_E_AGAIN);
        return;
    }
    if (row->poison) {
        tell(broker, entry, index, OUTBOX_REJECTED, OUTBOX_E_REJECTED);
    } else if (sim_strikes(sim, sim->rates.retry)) {
        *failed = broker->newest;
        tell(broker, entry, index, OUTBOX_RETRY, OUTBOX_E_AGAIN);
    } else if (sim_strikes(sim, sim->rates.not_connected)) {
        *failed = broker->newest;
        tell(broker, entry, index, OUTBOX_NOT_CONNECTED, OUTBOX_E_TIMEOUT);
    } else if (sim_strikes(sim, sim->rates.unknown)) {
        *failed = broker->newest;
        if (sim_draw(sim, 2))
            sim_publish(sim, row);
        tell(broker, entry, index, OUTBOX_UNKNOWN, OUTBOX_E_TIMEOUT);
    } else {
        sim_publish(sim, row);
        tell(broker, entry, index, OUTBOX_DELIVERED, OUTBOX_OK);
    }
}

static void work(void *arg)
{
    struct broker *broker = arg;
    struct sim *sim = broker->sim;
    struct outbox_error error = {.code = OUTBOX_E_NOT_CONNECTED, .text = "an accident: the broker is gone"};
    if (sim_strikes(sim, sim->rates.broker_lost)) {
        give_up_all(broker);
        broker->host->lost(broker->host, &error);
        return;
    }
    for (uint64_t left = 1 + sim_draw(sim, 30); left && broker->first; left--) {
        append_one(broker, broker->first);
        if (broker->first->at == broker->first->publish->count)
            finish_first(broker);
    }
    if (broker->first)
        broker->host->timer_set(broker->timer, sim_draw(sim, 2000));
}

static void refuse(struct broker *broker, struct entry *entry)
{
    for (; entry->at < entry->publish->count; entry->at++)
        tell(broker, entry, entry->at, OUTBOX_NOT_CONNECTED, OUTBOX_E_NOT_CONNECTED);
    broker->host->op_done(broker->host, entry->op, NULL);
}

static void broker_publish(void *self, outbox_op_t op, const struct outbox_publish *publish)
{
    struct broker *broker = self;
    struct entry *entry = broker->host->op_scratch(broker->host, op);
    *entry = (struct entry){.op = op, .publish = publish, .number = ++broker->newest};
    if (!broker->open) {
        refuse(broker, entry);
        return;
    }
    if (!broker->first)
        broker->host->timer_set(broker->timer, sim_draw(broker->sim, 2000));
    *broker->last = entry;
    broker->last = &entry->next;
}

static void broker_start(void *self, outbox_op_t op, const struct outbox_broker_start *start)
{
    struct broker *broker = self;
    struct outbox_error error = {.code = OUTBOX_E_NOT_CONNECTED, .text = "an accident: no broker is there"};
    (void)start;
    memset(broker->failed, 0, sizeof broker->failed);
    bool fails = sim_strikes(broker->sim, broker->sim->rates.start) ||
                 broker->host->timer_open(broker->host, work, broker, &broker->timer);
    broker->open = !fails;
    broker->host->op_done(broker->host, op, fails ? &error : NULL);
}

static void broker_stop(void *self, outbox_op_t op)
{
    struct broker *broker = self;
    give_up_all(broker);
    broker->host->timer_close(broker->timer);
    broker->timer = NULL;
    broker->host->op_done(broker->host, op, NULL);
}

static int broker_init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct broker *broker = self;
    (void)error;
    broker->host = init->host;
    broker->sim = (struct sim *)(uintptr_t)broker->world;
    broker->last = &broker->first;
    return OUTBOX_OK;
}

static void broker_fini(void *self)
{
    const struct broker *broker = self;
    if (broker->timer)
        broker->host->timer_close(broker->timer);
}

static const struct outbox_option options[] = {{.name = "world",
                                                .type = OUTBOX_OPT_INT,
                                                .flags = OUTBOX_OPT_REQUIRED,
                                                .offset = offsetof(struct broker, world),
                                                .help = "where the world is in memory"}};

static const struct outbox_broker_ops ops = {.struct_size = sizeof ops,
                                             .init = broker_init,
                                             .fini = broker_fini,
                                             .start = broker_start,
                                             .stop = broker_stop,
                                             .publish = broker_publish};

const struct outbox_plugin sim_broker_plugin = {.abi_major = OUTBOX_ABI_MAJOR,
                                                .struct_size = sizeof sim_broker_plugin,
                                                .kind = OUTBOX_BROKER,
                                                .option_size = sizeof(struct outbox_option),
                                                .caps = OUTBOX_CAP_ORDERED,
                                                .name = "sim",
                                                .version = "0",
                                                .description = "a topic of the simulated world",
                                                .instance_size = sizeof(struct broker),
                                                .op_size = sizeof(struct entry),
                                                .options = options,
                                                .option_count = 1,
                                                .ops = &ops};

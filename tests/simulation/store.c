/*
 * tests/simulation/store.c - a store over the world's table
 *
 * Every operation is done after a while, or fails, or is done and its answer is lost, or is never answered until it is
 * canceled. The owner is known by an epoch; one whose epoch has passed can read and remove nothing.
 */
#include <stdio.h>
#include <string.h>

#include "sim.h"

enum kind { OP_START, OP_ACQUIRE, OP_RENEW, OP_CLAIM, OP_SETTLE, OP_PARK };
enum fate { FATE_DONE, FATE_FAILS, FATE_UNHEARD, FATE_HANGS };
enum field { FIELD_ID, FIELD_TYPE, FIELD_KEY, FIELD_PAYLOAD, FIELD_NONE };

#define OPS_MAX 8
#define COLUMNS_MAX 16

struct entry {
    struct store *store;
    outbox_op_t op;
    struct outbox_timer *timer;
    enum kind kind;
    enum fate fate;
    void *argument;
};

struct store {
    const struct outbox_host *host;
    int64_t world;
    struct sim *sim;
    struct entry *entries[OPS_MAX]; /* in flight */
    enum field columns[COLUMNS_MAX];
    uint32_t column_count;
    uint64_t epoch, last_epoch; /* 0: owns nothing */
    bool given[SIM_ROWS];
};

static void finish(struct entry *entry, int code)
{
    struct store *store = entry->store;
    const struct outbox_host *host = store->host;
    struct outbox_error error = {.code = code};
    outbox_op_t op = entry->op;
    snprintf(error.text, sizeof error.text, "an accident, code %d", code);
    for (int i = 0; i < OPS_MAX; i++)
        if (store->entries[i] == entry)
            store->entries[i] = NULL;
    host->timer_close(entry->timer);
    host->op_done(host, op, code ? &error : NULL);
}

/* ---- what operations do ------------------------------------------------------------------------------------------ */

static int start(struct store *store, const struct outbox_store_start *start)
{
    static const char *const names[] = {"event_id", "type", "aggregateid", "payload"};
    store->column_count = start->column_count;
    for (uint32_t i = 0; i < start->column_count && i < COLUMNS_MAX; i++) {
        store->columns[i] = FIELD_NONE;
        for (int n = 0; n < FIELD_NONE; n++)
            if (strcmp(names[n], start->columns[i].name) == 0)
                store->columns[i] = (enum field)n;
    }
    memset(store->given, 0, sizeof store->given);
    return sim_strikes(store->sim, store->sim->rates.start) ? OUTBOX_E_NOT_CONNECTED : OUTBOX_OK;
}

static int acquire(struct store *store, struct outbox_acquire *acquire)
{
    struct sim *sim = store->sim;
    if (sim->owner && sim->owner != store)
        return OUTBOX_E_STANDBY;
    bool same = store->last_epoch && store->last_epoch == sim->epoch;
    sim->owner = store;
    store->epoch = store->last_epoch = ++sim->epoch;
    acquire->flags = same ? OUTBOX_ACQUIRED_SAME : 0;
    memset(store->given, 0, sizeof store->given);
    return OUTBOX_OK;
}

static bool owns(const struct store *store)
{
    return store->epoch && store->epoch == store->sim->epoch;
}

static struct outbox_value value_of(const struct sim_row *row, enum field field)
{
    const char *const texts[] = {row->id, "placed", row->key, row->payload};
    if (field == FIELD_NONE)
        return (struct outbox_value){.type = OUTBOX_NULL};
    return (struct outbox_value){.as.data = texts[field], .size = (uint32_t)strlen(texts[field]), .type = OUTBOX_TEXT};
}

/* Rows never move, so values may point into the table. */
static struct outbox_batch *new_batch(struct store *store, const uint32_t *rows, uint32_t count)
{
    size_t values = (size_t)count * store->column_count;
    struct outbox_batch *batch = store->host->alloc(
        store->host, sizeof *batch + count * sizeof(struct outbox_position) + values * sizeof(struct outbox_value));
    if (!batch)
        return NULL;
    struct outbox_position *positions = (void *)(batch + 1);
    struct outbox_value *cells = (void *)(positions + count);
    *batch = (struct outbox_batch){.struct_size = sizeof *batch,
                                   .rows = count,
                                   .columns = store->column_count,
                                   .positions = positions,
                                   .values = cells,
                                   .bytes = 200ull * count};
    for (uint32_t i = 0; i < count; i++) {
        positions[i].major = rows[i] + 1;
        for (uint32_t c = 0; c < store->column_count; c++)
            cells[i * store->column_count + c] = value_of(&store->sim->rows[rows[i]], store->columns[c]);
    }
    return batch;
}

static bool is_there(const struct sim_row *row)
{
    return row->visible && !row->gone && !row->dead;
}

static int claim(struct store *store, struct outbox_claim *claim)
{
    uint32_t rows[SIM_ROWS], count = 0;
    bool more = false;
    if (!owns(store))
        return OUTBOX_E_FENCED;
    if (claim->flags & OUTBOX_CLAIM_REWIND)
        memset(store->given, 0, sizeof store->given);
    for (uint32_t i = 0; i < claim->exact_count; i++)
        if (is_there(&store->sim->rows[claim->exact[i].major - 1]))
            rows[count++] = (uint32_t)claim->exact[i].major - 1;
    for (uint32_t i = 0; !claim->exact && !more && i < store->sim->row_count; i++) {
        if (!is_there(&store->sim->rows[i]) || store->given[i])
            continue;
        more = count == claim->max_rows || (count && 200ull * (count + 1) > claim->max_bytes);
        if (!more)
            rows[count++] = i;
    }
    claim->batch = count ? new_batch(store, rows, count) : NULL;
    if (count && !claim->batch)
        return OUTBOX_E_NO_MEMORY;
    if (more)
        claim->batch->flags |= OUTBOX_BATCH_MORE;
    for (uint32_t i = 0; !claim->exact && i < count; i++)
        store->given[rows[i]] = true;
    return OUTBOX_OK;
}

static int settle(struct store *store, const struct outbox_settle *settle)
{
    if (!owns(store))
        return OUTBOX_E_FENCED;
    for (uint32_t s = 0; s < settle->span_count; s++) {
        const struct outbox_span *span = &settle->spans[s];
        for (uint32_t i = 0; i < span->count; i++) {
            struct sim_row *row = &store->sim->rows[span->batch->positions[span->first + i].major - 1];
            if (!row->times && !row->gone && !row->dead)
                sim_broken(store->sim, "row %s was settled and never published", row->payload);
            row->gone = true;
        }
    }
    return OUTBOX_OK;
}

static int park(struct store *store, const struct outbox_park *park)
{
    if (!owns(store))
        return OUTBOX_E_FENCED;
    for (uint32_t i = 0; i < park->count; i++) {
        struct sim_row *row = &store->sim->rows[park->rows[i].position.major - 1];
        if (!row->poison || !store->sim->park)
            sim_broken(store->sim, "row %s was parked, which the broker would have taken", row->payload);
        row->dead = !row->gone;
    }
    return OUTBOX_OK;
}

static int perform(struct entry *entry)
{
    switch (entry->kind) {
    case OP_START:
        return start(entry->store, entry->argument);
    case OP_ACQUIRE:
        return acquire(entry->store, entry->argument);
    case OP_RENEW:
        return owns(entry->store) ? OUTBOX_OK : OUTBOX_E_FENCED;
    case OP_CLAIM:
        return claim(entry->store, entry->argument);
    case OP_SETTLE:
        return settle(entry->store, entry->argument);
    default:
        return park(entry->store, entry->argument);
    }
}

/* ---- when, and whether ------------------------------------------------------------------------------------------- */

static int accident(struct sim *sim)
{
    static const int codes[] = {OUTBOX_E_NOT_CONNECTED, OUTBOX_E_TIMEOUT, OUTBOX_E_AGAIN, OUTBOX_E_IO,
                                OUTBOX_E_UNKNOWN_OUTCOME};
    return codes[sim_draw(sim, sizeof codes / sizeof codes[0])];
}

static void fire(void *arg)
{
    struct entry *entry = arg;
    struct sim *sim = entry->store->sim;
    int code = entry->fate == FATE_FAILS ? accident(sim) : perform(entry);
    if (entry->fate == FATE_UNHEARD && code == OUTBOX_OK) {
        struct outbox_claim *claim = entry->kind == OP_CLAIM ? entry->argument : NULL;
        if (claim && claim->batch) { /* nobody learns of it, so nobody releases it */
            entry->store->host->release(entry->store->host, claim->batch);
            claim->batch = NULL;
        }
        code = OUTBOX_E_NOT_CONNECTED;
    }
    finish(entry, code);
}

static enum fate draw_fate(struct sim *sim, enum kind kind)
{
    if (sim_strikes(sim, sim->rates.fail))
        return FATE_FAILS;
    if (sim_strikes(sim, sim->rates.drop_ack))
        return kind == OP_ACQUIRE || kind == OP_START ? FATE_FAILS : FATE_UNHEARD;
    return sim_strikes(sim, sim->rates.hang) ? FATE_HANGS : FATE_DONE;
}

static void submit(void *self, outbox_op_t op, enum kind kind, void *argument)
{
    struct store *store = self;
    struct entry *entry = store->host->op_scratch(store->host, op);
    *entry = (struct entry){.store = store, .op = op, .kind = kind, .argument = argument};
    for (int i = 0; i < OPS_MAX; i++) {
        if (!store->entries[i]) {
            store->entries[i] = entry;
            break;
        }
    }
    entry->fate = draw_fate(store->sim, kind);
    if (store->host->timer_open(store->host, fire, entry, &entry->timer))
        finish(entry, OUTBOX_E_NO_MEMORY);
    else if (entry->fate != FATE_HANGS)
        store->host->timer_set(entry->timer, sim_draw(store->sim, 3000));
}

static void store_start(void *self, outbox_op_t op, const struct outbox_store_start *start)
{
    submit(self, op, OP_START, (void *)(uintptr_t)start);
}

static void store_acquire(void *self, outbox_op_t op, struct outbox_acquire *acquire)
{
    submit(self, op, OP_ACQUIRE, acquire);
}

static void store_renew(void *self, outbox_op_t op)
{
    submit(self, op, OP_RENEW, NULL);
}

static void store_claim(void *self, outbox_op_t op, struct outbox_claim *claim)
{
    submit(self, op, OP_CLAIM, claim);
}

static void store_settle(void *self, outbox_op_t op, const struct outbox_settle *settle)
{
    submit(self, op, OP_SETTLE, (void *)(uintptr_t)settle);
}

static void store_park(void *self, outbox_op_t op, const struct outbox_park *park)
{
    submit(self, op, OP_PARK, (void *)(uintptr_t)park);
}

static void store_cancel(void *self, outbox_op_t op)
{
    struct store *store = self;
    struct entry *entry = store->host->op_scratch(store->host, op);
    if (entry && entry->store)
        finish(entry, OUTBOX_E_CANCELED);
}

static void store_stop(void *self, outbox_op_t op)
{
    struct store *store = self;
    for (int i = 0; i < OPS_MAX; i++)
        if (store->entries[i])
            finish(store->entries[i], OUTBOX_E_CANCELED);
    if (store->sim->owner == store)
        store->sim->owner = NULL;
    store->epoch = 0;
    store->host->op_done(store->host, op, NULL);
}

static void store_release(void *self, struct outbox_batch *batch)
{
    const struct store *store = self;
    store->host->release(store->host, batch);
}

static void store_dead(void *self, outbox_op_t op, struct outbox_dead *dead)
{
    const struct store *store = self;
    dead->affected = 0;
    store->host->op_done(store->host, op, NULL);
}

static int store_init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct store *store = self;
    (void)error;
    store->host = init->host;
    store->sim = (struct sim *)(uintptr_t)store->world;
    return OUTBOX_OK;
}

static void store_fini(void *self)
{
    (void)self;
}

static const struct outbox_option options[] = {{.name = "world",
                                                .type = OUTBOX_OPT_INT,
                                                .flags = OUTBOX_OPT_REQUIRED,
                                                .offset = offsetof(struct store, world),
                                                .help = "where the world is in memory"}};

static const struct outbox_store_ops ops = {.struct_size = sizeof ops,
                                            .init = store_init,
                                            .fini = store_fini,
                                            .start = store_start,
                                            .stop = store_stop,
                                            .cancel = store_cancel,
                                            .acquire = store_acquire,
                                            .renew = store_renew,
                                            .claim = store_claim,
                                            .release = store_release,
                                            .settle = store_settle,
                                            .park = store_park,
                                            .dead = store_dead};

const struct outbox_plugin sim_store_plugin = {.abi_major = OUTBOX_ABI_MAJOR,
                                               .struct_size = sizeof sim_store_plugin,
                                               .kind = OUTBOX_STORE,
                                               .option_size = sizeof(struct outbox_option),
                                               .caps = OUTBOX_CAP_DEAD_LETTERS,
                                               .name = "sim",
                                               .version = "0",
                                               .description = "a table of the simulated world",
                                               .instance_size = sizeof(struct store),
                                               .op_size = sizeof(struct entry),
                                               .options = options,
                                               .option_count = 1,
                                               .ops = &ops};

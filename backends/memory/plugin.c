/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/memory/plugin.c - the memory store: options, life cycle and descriptor
 */
#include <stdio.h>
#include <string.h>

#include "store.h"

#include <outbox/version.h>

void mstore_done(const struct mstore *store, outbox_op_t op, const struct outbox_error *error)
{
    store->host->op_done(store->host, op, error && error->code ? error : NULL);
}

static int init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct mstore *store = self;
    (void)error;
    store->host = init->host;
    store->next_id = 1;
    store->ungenerated = (uint64_t)store->events;
    store->identity = init->host->random(init->host);
    return OUTBOX_OK;
}

static void fini(void *self)
{
    struct mstore *store = self;
    if (!store->host)
        return;
    for (uint32_t i = store->table.first; i < store->table.end; i++) {
        if (store->table.slots[i].row)
            mstore_row_drop(store, store->table.slots[i].row);
    }
    mstore_letters_free(store);
    store->host->release(store->host, store->table.slots);
    store->host->release(store->host, store->columns);
}

static enum mstore_field find_field(const char *name)
{
    static const char *const names[] = {"event_id", "aggregatetype", "aggregateid", "type",
                                        "payload",  "headers",       "created_at",  "id"};
    for (int i = 0; i < FIELD_ABSENT; i++) {
        if (strcmp(names[i], name) == 0)
            return (enum mstore_field)i;
    }
    return FIELD_ABSENT;
}

static int choose_columns(struct mstore *store, const struct outbox_store_start *start, struct outbox_error *error)
{
    store->host->release(store->host, store->columns);
    store->column_count = start->column_count;
    store->columns = store->host->alloc(store->host, start->column_count * sizeof *store->columns);
    if (!store->columns)
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "start the memory store: out of memory");
    for (uint32_t i = 0; i < start->column_count; i++) {
        store->columns[i] = find_field(start->columns[i].name);
        if (store->columns[i] == FIELD_ABSENT && !(start->columns[i].flags & OUTBOX_COLUMN_OPTIONAL))
            return outbox_error_set(error, OUTBOX_E_SCHEMA,
                                    "start the memory store: it has no column \"%s\"; remove it from the route",
                                    start->columns[i].name);
    }
    return OUTBOX_OK;
}

static void start(void *self, outbox_op_t op, const struct outbox_store_start *start)
{
    struct mstore *store = self;
    struct outbox_error error = {.code = OUTBOX_OK};
    choose_columns(store, start, &error);
    store->cursor = 0;
    mstore_done(store, op, &error);
}

static void stop(void *self, outbox_op_t op)
{
    struct mstore *store = self;
    store->owned = false;
    mstore_done(store, op, NULL);
}

/* Nobody else can own it. */
static void acquire(void *self, outbox_op_t op, struct outbox_acquire *acquire)
{
    struct mstore *store = self;
    acquire->flags = store->owned_before ? OUTBOX_ACQUIRED_SAME : 0;
    acquire->owner[0] = '\0';
    acquire->epoch = ++store->epoch;
    snprintf(acquire->identity, sizeof acquire->identity, "memory %016llx", (unsigned long long)store->identity);
    store->owned = store->owned_before = true;
    mstore_done(store, op, NULL);
}

static const struct outbox_option options[] = {
    {"events", OUTBOX_OPT_INT, 0, offsetof(struct mstore, events), "0", 0, INT64_MAX, NULL,
     "how many synthetic events the outbox has at first"},
    {"payload_size", OUTBOX_OPT_SIZE, 0, offsetof(struct mstore, payload_size), "128", 0, 65536, NULL,
     "payload size of a synthetic event"},
    {"keys", OUTBOX_OPT_INT, 0, offsetof(struct mstore, keys), "1000", 1, INT64_MAX, NULL,
     "how many keys the synthetic events have"},
    {"capacity", OUTBOX_OPT_INT, 0, offsetof(struct mstore, capacity), "0", 0, INT64_MAX, NULL,
     "most rows that the outbox takes; 0: no limit"},
};

static const struct outbox_store_ops ops = {
    .struct_size = sizeof ops,
    .init = init,
    .fini = fini,
    .start = start,
    .stop = stop,
    .acquire = acquire,
    .claim = mstore_claim,
    .release = mstore_release,
    .settle = mstore_settle,
    .dead_letter = mstore_dead_letter,
    .setup = mstore_setup,
    .print = mstore_print,
    .check = mstore_check,
    .status = mstore_status,
    .add = mstore_add,
    .dead = mstore_dead,
};

OUTBOX_PLUGIN(store, memory) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_STORE,
    .option_size = sizeof(struct outbox_option),
    .caps = OUTBOX_CAP_WAKE | OUTBOX_CAP_DEAD_LETTERS | OUTBOX_CAP_ADMIN,
    .name = "memory",
    .version = OUTBOX_VERSION_STRING,
    .description = "an outbox in the memory of the process, for tests and measurements",
    .instance_size = sizeof(struct mstore),
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .ops = &ops,
};

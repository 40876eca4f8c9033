/* SPDX-License-Identifier: Apache-2.0 */
/* backends/memory/add.c - adding events: all or none, in the order given */
#include "store.h"

static int check_event(const struct outbox_event *event, uint32_t index, struct outbox_error *error)
{
    const char *missing = !event->aggregate_type.data ? "aggregatetype"
                          : !event->aggregate_id.data ? "aggregateid"
                          : !event->type.data         ? "type"
                                                      : NULL;
    if (!missing)
        return OUTBOX_OK;
    return outbox_error_set(error, OUTBOX_E_INVALID, "add event %u: %s is missing; every event needs one", index + 1,
                            missing);
}

static int check_room(const struct mstore *store, uint32_t count, struct outbox_error *error)
{
    uint64_t rows = (uint64_t)store->table.live + store->ungenerated + count;
    if (!store->capacity || rows <= (uint64_t)store->capacity)
        return OUTBOX_OK;
    return outbox_error_set(error, OUTBOX_E_FULL,
                            "add events: the memory store holds at most %lld rows; raise capacity",
                            (long long)store->capacity);
}

/* All or none. Nobody can claim in between, so rows of a failed call can just be taken out again. */
void mstore_add(void *self, outbox_op_t op, const struct outbox_add *add)
{
    struct mstore *store = self;
    struct outbox_error error = {.code = OUTBOX_OK};
    int code = check_room(store, add->count, &error);
    for (uint32_t i = 0; i < add->count && !code; i++)
        code = check_event(add->events[i], i, &error);
    if (!code && mstore_generate(store, UINT32_MAX))
        code = outbox_error_set(&error, OUTBOX_E_NO_MEMORY, "add events: out of memory");
    uint64_t first = store->next_id;
    for (uint32_t i = 0; i < add->count && !code; i++) {
        if (!mstore_append(store, add->events[i]))
            code = outbox_error_set(&error, OUTBOX_E_NO_MEMORY, "add events: out of memory");
    }
    for (uint64_t id = first; code && id < store->next_id; id++)
        mstore_table_remove(store, &store->table, id);
    if (!code && add->count)
        store->host->wake(store->host);
    mstore_done(store, op, &error);
}

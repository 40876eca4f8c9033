/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/memory/settle.c - remove rows for good
 */
#include "store.h"

int mstore_fenced(const struct mstore *store, const char *what, struct outbox_error *error)
{
    if (store->owned)
        return OUTBOX_OK;
    return outbox_error_set(error, OUTBOX_E_FENCED, "%s: this relay does not own the outbox; acquire it first", what);
}

void mstore_settle(void *self, outbox_op_t op, const struct outbox_settle *settle)
{
    struct mstore *store = self;
    struct outbox_error error = {.code = OUTBOX_OK};
    if (!mstore_fenced(store, "settle rows", &error)) {
        for (uint32_t s = 0; s < settle->span_count; s++) {
            const struct outbox_span *span = &settle->spans[s];
            for (uint32_t i = span->first; i < span->first + span->count; i++)
                mstore_table_remove(store, &store->table, span->batch->positions[i].major);
        }
    }
    mstore_done(store, op, &error);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* backends/memory/status.c - pending rows, the oldest of them, and the number of dead letters */
#include <stdio.h>

#include "store.h"

void mstore_status(void *self, outbox_op_t op, struct outbox_store_status *status)
{
    const struct mstore *store = self;
    const struct mstore_table *table = &store->table;
    status->pending = (int64_t)(table->live + store->ungenerated);
    status->oldest_us = table->live ? table->slots[table->first].row->created_us : -1;
    status->dead = store->letter_count;
    snprintf(status->owner, sizeof status->owner, "%s", store->owned ? "this process" : "");
    snprintf(status->server, sizeof status->server, "memory");
    mstore_done(store, op, NULL);
}

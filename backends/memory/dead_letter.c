/* SPDX-License-Identifier: Apache-2.0 */
/* backends/memory/dead_letter.c - rows go to the dead letters */
#include "store.h"

/* All or none: letters are written first, and taken back when one cannot be. */
void mstore_park(void *self, outbox_op_t op, const struct outbox_dead_letter_rows *park)
{
    struct mstore *store = self;
    struct outbox_error error = {.code = OUTBOX_OK};
    uint32_t before = store->letter_count;
    int code = mstore_fenced(store, "park rows", &error);
    for (uint32_t i = 0; i < park->count && !code; i++) {
        struct mstore_row *row = mstore_table_find(&store->table, park->rows[i].position.major);
        if (row && (code = mstore_bury(store, row, &park->rows[i])))
            outbox_error_set(&error, code, "park rows: out of memory");
    }
    for (; code && store->letter_count > before; store->letter_count--) {
        struct mstore_letter *letter = store->letters[store->letter_count - 1];
        mstore_row_drop(store, letter->row);
        store->host->release(store->host, letter);
    }
    for (uint32_t i = 0; i < park->count && !code; i++)
        mstore_table_remove(store, &store->table, park->rows[i].position.major);
    mstore_done(store, op, &error);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* backends/memory/dead_letter.c - move rows to the dead letters */
#include "store.h"

/* All or none: the letters are inserted first, and removed again if one cannot be. */
void mstore_dead_letter(void *self, outbox_op_t op, const struct outbox_dead_letter_rows *rows)
{
    struct mstore *store = self;
    struct outbox_error error = {.code = OUTBOX_OK};
    uint32_t before = store->letter_count;
    int code = mstore_fenced(store, "move rows to the dead letters", &error);
    for (uint32_t i = 0; i < rows->count && !code; i++) {
        struct mstore_row *row = mstore_table_find(&store->table, rows->rows[i].position.major);
        if (row && (code = mstore_insert_dead_letter(store, row, &rows->rows[i])))
            outbox_error_set(&error, code, "move rows to the dead letters: out of memory");
    }
    for (; code && store->letter_count > before; store->letter_count--) {
        struct mstore_letter *letter = store->letters[store->letter_count - 1];
        mstore_row_drop(store, letter->row);
        store->host->release(store->host, letter);
    }
    for (uint32_t i = 0; i < rows->count && !code; i++)
        mstore_table_remove(store, &store->table, rows->rows[i].position.major);
    mstore_done(store, op, &error);
}

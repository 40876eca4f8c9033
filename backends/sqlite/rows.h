/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/rows.h - the memory of claimed rows
 *
 * SQLite's own memory of a row ends with the next step, so values are copied, once, into chunks that the batch owns and
 * that never move. Released batches are kept, up to 8 MiB, and used again: a relay at full speed allocates nothing.
 *
 * The loop thread gets and puts batches; the one worker that has a batch fills it.
 */
#ifndef OBX_BACKENDS_SQLITE_ROWS_H
#define OBX_BACKENDS_SQLITE_ROWS_H

#include <stdbool.h>

#include <sqlite3.h>

#include <outbox/plugin.h>

/* How a value of the table becomes a value of the row. */
enum lite_encoding { ENCODING_PLAIN, ENCODING_UUID, ENCODING_TIME };

struct lite_batch;

struct lite_rows {
    const struct outbox_host *host;
    enum lite_encoding *encodings; /* owned; one for each column that claims return */
    char **expressions;            /* owned, by sqlite3_malloc; likewise: the column as SQL */
    uint32_t column_count;
    bool utf16; /* the encoding of the database's text */
    struct lite_batch *spare;
    size_t spare_bytes;
};

/* The columns of the batches from now on; the encodings are zeroed. False: no memory. */
bool lite_rows_columns(struct lite_rows *rows, uint32_t count);
void lite_rows_trim(struct lite_rows *rows); /* free the spare batches */
void lite_rows_fini(struct lite_rows *rows);

struct lite_batch *lite_rows_get(struct lite_rows *rows); /* an empty batch; NULL: no memory */
void lite_rows_put(struct lite_rows *rows, struct lite_batch *batch);
struct outbox_batch *lite_batch_rows(struct lite_batch *batch);
/* Copy the row that the statement stands on: its id is column 0. NO_MEMORY, or AGAIN: the batch would exceed max_bytes,
 * and the row was not added. */
int lite_batch_add(const struct lite_rows *rows, struct lite_batch *batch, sqlite3_stmt *statement, uint64_t max_bytes);
/* Its one row cannot be read as a whole; why is copied. */
void lite_batch_set_unreadable(struct lite_batch *batch, const char *why);

#endif

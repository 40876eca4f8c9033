/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/memory/store.h - an outbox in the memory of one instance
 *
 * The reference for stores: the conformance suite runs against it first, and benches use it to measure the relay
 * alone. Every op completes inside the call that submits it, on the loop thread; there are no threads and no locks.
 * The rows live as long as the instance, so stop() and start() see the same "database". Functions that are shared
 * between the files of this folder begin with mstore_.
 */
#ifndef OBX_BACKENDS_MEMORY_STORE_H
#define OBX_BACKENDS_MEMORY_STORE_H

#include <outbox/plugin_util.h>

enum mstore_field {
    FIELD_EVENT_ID,
    FIELD_AGGREGATE_TYPE,
    FIELD_AGGREGATE_ID,
    FIELD_TYPE,
    FIELD_PAYLOAD,
    FIELD_HEADERS,
    FIELD_COUNT, /* the ones above have bytes in struct row */
    FIELD_CREATED_AT = FIELD_COUNT,
    FIELD_ID,
    FIELD_ABSENT /* a column that this table does not have */
};

/* One event. Its bytes follow it in the same allocation. */
struct mstore_row {
    uint64_t id;
    int64_t created_us;
    uint32_t references; /* from tables and batches; freed with the last */
    struct outbox_bytes fields[FIELD_COUNT];
};

/* Rows by ascending id. A removed row leaves an empty slot, so that the rest can be found by bisection. */
struct mstore_slot {
    uint64_t id;
    struct mstore_row *row; /* NULL: removed */
};
struct mstore_table {
    struct mstore_slot *slots;
    uint32_t room, first, end; /* slots[first..end) are in use; slots[first].row is not NULL */
    uint32_t live;
};

struct mstore_letter {
    uint64_t number;
    struct mstore_row *row;
    uint32_t attempts;
    int64_t died_us;
    struct outbox_bytes topic, key, reason; /* bytes follow the letter */
};

struct mstore {
    const struct outbox_host *host;
    /* options */
    int64_t events;
    int64_t payload_size;
    int64_t keys;
    int64_t capacity;

    struct mstore_table table;
    struct mstore_letter **letters; /* by ascending number */
    uint32_t letter_count, letter_room;
    uint64_t next_id, next_number;
    uint64_t ungenerated; /* of `events`: rows that exist and are not generated yet */
    uint64_t cursor;      /* the last id that was claimed */
    bool owned, owned_before;
    uint64_t epoch, identity; /* how often it was acquired; which instance it is */

    enum mstore_field *columns; /* the columns that start() named */
    uint32_t column_count;
};

/* rows.c */
struct mstore_row *mstore_append(struct mstore *store, const struct outbox_event *event); /* NULL: out of memory */
void mstore_row_drop(const struct mstore *store, struct mstore_row *row);
struct outbox_bytes mstore_copy(char **to, struct outbox_bytes from);
int64_t mstore_now_us(void);
uint32_t mstore_table_at(const struct mstore_table *table, uint64_t id); /* the first slot with at least this id */
struct mstore_row *mstore_table_find(const struct mstore_table *table, uint64_t id);
void mstore_table_remove(const struct mstore *store, struct mstore_table *table, uint64_t id);
int mstore_generate(struct mstore *store, uint32_t rows);

/* plugin.c */
void mstore_done(const struct mstore *store, outbox_op_t op, const struct outbox_error *error);

/* claim.c */
void mstore_claim(void *self, outbox_op_t op, struct outbox_claim *claim);
void mstore_release(void *self, struct outbox_batch *batch);

/* settle.c, dead_letter.c */
int mstore_fenced(const struct mstore *store, const char *what, struct outbox_error *error);
void mstore_settle(void *self, outbox_op_t op, const struct outbox_settle *settle);
void mstore_dead_letter(void *self, outbox_op_t op, const struct outbox_dead_letter_rows *rows);

/* dead.c */
void mstore_dead(void *self, outbox_op_t op, struct outbox_dead *dead);
int mstore_insert_dead_letter(struct mstore *store, struct mstore_row *row, const struct outbox_dead_row *dead);
void mstore_letters_free(struct mstore *store);

/* setup.c, check.c, status.c, add.c */
void mstore_setup(void *self, outbox_op_t op);
int mstore_print(void *self, enum outbox_print what, void (*line)(void *arg, const char *text), void *arg,
                 struct outbox_error *error);
void mstore_check(void *self, outbox_op_t op, const struct outbox_check *check);
void mstore_status(void *self, outbox_op_t op, struct outbox_store_status *status);
void mstore_add(void *self, outbox_op_t op, const struct outbox_add *add);

#endif

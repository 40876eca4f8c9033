/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/dead.h - the op of `outbox dead`: list, show and keys in dead.c; replay and drop in replay.c
 *
 * Letters are read on a worker a page at a time and reported on the loop, so neither memory nor the loop depends on how
 * many there are. A replay is one transaction. A drop uses short ones: letters that were dropped stay dropped if a
 * later one fails.
 */
#ifndef OBX_BACKENDS_SQLITE_DEAD_H
#define OBX_BACKENDS_SQLITE_DEAD_H

#include "store.h"

#define LITE_READING_DEAD "read the dead letters of"

struct lite_letter;

struct lite_dead_op {
    struct lite_op op;
    struct outbox_dead *args;
    struct lite_letter *letters; /* owned: one page */
    struct lite_letter **end;
    uint64_t after; /* the number of the last letter that was read */
    uint32_t index; /* the next of the numbers that were requested */
    uint64_t affected;
    bool finished;
};
LITE_OP_FITS(struct lite_dead_op);

/* ADMIN lane: replay, or drop, the letters of op->args. */
void lite_dead_move(struct lite_op *op, struct lite_conn *conn);

#endif

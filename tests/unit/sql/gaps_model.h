/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/sql/gaps_model.h - a naive database for the gap tracker: transactions, locks, a sequence, snapshots
 *
 * As in Postgres, a transaction locks the table, then draws ids, and may get its transaction id before, between or
 * after; xmax of a snapshot is one above the highest transaction that has ended, so transactions in progress can lie
 * above it. Writers follow the contract: they draw an id while they hold the lock of the key, until the end of the
 * transaction.
 */
#ifndef OBX_TESTS_UNIT_SQL_GAPS_MODEL_H
#define OBX_TESTS_UNIT_SQL_GAPS_MODEL_H

#include "sql/gaps/gaps.h"

enum { MODEL_TXNS = 8, MODEL_KEYS = 4, MODEL_ROWS = 400 };

struct model_txn {
    bool open;
    bool locks;  /* the table */
    bool writes; /* drew an id whose row is not in yet */
    uint64_t name;
    uint64_t xid;
};

struct model_row {
    int key;
    int txn; /* slot; -1: its transaction has ended */
    bool inserted, committed, claimed;
};

struct model {
    unsigned seed, state;
    struct model_txn txns[MODEL_TXNS];
    int key_owner[MODEL_KEYS];             /* slot; -1 */
    struct model_row rows[MODEL_ROWS + 1]; /* by id */
    int64_t ids;
    int64_t last_claimed[MODEL_KEYS];
    uint64_t names, xids, ended;
    uint64_t now_ns;
    struct obx_sql_gaps gaps;
    uint64_t repeated;
    uint32_t most_hot, most_cold;
};

void model_init(struct model *model, unsigned seed, uint64_t cold_after_ns);
void model_write(struct model *model);         /* one random step of the writers */
void model_inspect_locks(struct model *model); /* the relay reads the locks */
void model_claim(struct model *model, uint32_t limit);
void model_end_all(struct model *model);
long model_free(struct model *model); /* allocations that are left */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/capture/position.h - how far the binlog was read, and how far it is not needed any more
 *
 * Each transaction that was read has an ordinal: 1, 2, ... since the reading began. The events of a transaction may be
 * settled long after it was read; `pass(ordinal)` means that all transactions up to it are not needed any more.
 *
 *   read   what was read, in the order of the log      done   what is passed      from   of `done`, what was read
 *
 * `from` is behind `done` only while an XA transaction is prepared and not decided: its rows are in the log at the
 * PREPARE. A reader then begins before it, reads transactions of `done` again, and ignores them.
 *
 * Transactions wait in a queue of runs. Numbers of one source that follow each other are one run. Sources may
 * interleave: transactions between two that have events join the run of their source, which is passed as a whole. So
 * there are at most as many runs for a transaction with events as there are sources, however many others come between.
 * Pure.
 */
#ifndef OBX_BACKENDS_MYSQL_CAPTURE_POSITION_H
#define OBX_BACKENDS_MYSQL_CAPTURE_POSITION_H

#include "mysql/binlog/gtid_set.h"

/* Where a transaction begins in the log of its server. */
struct mys_place {
    uint32_t timestamp_s;
    uint32_t file; /* its number */
    uint64_t offset;
};

struct mys_run {
    struct mys_gtid first;
    uint64_t count;         /* numbers; of MariaDB, whose last number stands for all before it: 1 if it is not exact */
    uint64_t ordinal;       /* of the first; of a run that is not exact, of the last */
    bool exact;             /* its ordinals follow each other as its numbers do: it may be passed in part */
    struct mys_place place; /* of the first */
};

struct mys_position {
    const struct outbox_host *host;
    struct mys_gtid_set read, done, from;
    uint64_t read_ordinal, done_ordinal;
    struct mys_run *runs; /* owned; those after done_ordinal */
    uint32_t first, count, room;
    uint32_t joinable; /* of the last runs: those since the last transaction that ends a run */
    bool replays;      /* since the restart: `from` was behind `done`, so transactions of `done` come again */
    bool failed;       /* no memory: the position is of no use */
};

void mys_position_init(struct mys_position *position, const struct outbox_host *host, bool mariadb);
void mys_position_free(struct mys_position *position);
/* "DONE", or "DONE from FROM". False: it is none. */
bool mys_position_parse(struct mys_position *position, const char *text);
/* held: what was read before the oldest passed transaction that must be read again; NULL: there is none. */
void mys_position_print(const struct mys_position *position, const struct mys_gtid_set *held,
                        struct obx_sql_text *text);
/* The reading begins at `from`: what was read and not passed will be read again. held: as above. */
void mys_position_restart(struct mys_position *position, const struct mys_gtid_set *held);

/* A transaction was read to its end. ends: it may be passed without those that follow: it has events. Returns its
 * ordinal. */
uint64_t mys_position_read(struct mys_position *position, const struct mys_gtid *gtid, struct mys_place place,
                           bool ends);
/* Up to `ordinal` nothing is needed any more. It is of a transaction that `ends`, or of the last that was read. */
void mys_position_pass(struct mys_position *position, uint64_t ordinal);
/* The first transaction that is not passed; NULL: none. */
const struct mys_run *mys_position_oldest(const struct mys_position *position);
static inline uint64_t mys_position_bytes(const struct mys_position *position)
{
    return (uint64_t)position->count * sizeof *position->runs;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/capture/position.h - how far the binlog was read, and how far it is not needed any more
 *
 * Each transaction that was read has an ordinal: 1, 2, ... since the reading began. The events of a transaction may be
 * settled long after it was read; `pass(ordinal)` says that all transactions up to it are not needed any more.
 *
 *   read   what was read          done   what is passed          from   where a reader must begin
 *
 * `from` is behind `done` only while an XA transaction is prepared and not decided: its rows are in the log at the
 * PREPARE. A reader that begins at `from` reads transactions of `done` again, and ignores them.
 *
 * Transactions wait in a queue of runs: numbers of one source that follow each other are one run. Pure.
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
    uint64_t ordinal, count;
    struct mys_place place; /* of the first */
};

struct mys_position {
    const struct outbox_host *host;
    struct mys_gtid_set read, done, from;
    uint64_t read_ordinal, done_ordinal, from_ordinal;
    struct mys_run *runs; /* owned; those after from_ordinal */
    uint32_t first, count, room;
    bool replays; /* since the restart: `from` was behind `done`, so transactions of `done` come again */
    bool failed;  /* no memory: the position is of no use */
};

void mys_position_init(struct mys_position *position, const struct outbox_host *host, bool mariadb);
void mys_position_free(struct mys_position *position);
/* "DONE", or "DONE from FROM". False: it is none. */
bool mys_position_parse(struct mys_position *position, const char *text);
void mys_position_print(const struct mys_position *position, struct obx_sql_text *text);
/* The reading begins at `from`: what was read and not passed will be read again. */
void mys_position_restart(struct mys_position *position);

/* A transaction was read to its end. Returns its ordinal. */
uint64_t mys_position_read(struct mys_position *position, const struct mys_gtid *gtid, struct mys_place place);
/* Up to `ordinal` nothing is needed any more, but for the transactions from `held` on; UINT64_MAX: none is held. */
void mys_position_pass(struct mys_position *position, uint64_t ordinal, uint64_t held);
/* The first transaction that is still needed; NULL: none. */
const struct mys_run *mys_position_oldest(const struct mys_position *position);

#endif

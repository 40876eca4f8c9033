/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/foreign_deletes.h - rows that something else deletes before the relay reads them
 *
 * An application that deletes the row that it inserted, or a clean-up job: such events are never published, and no
 * claim sees them. A server that counts the deletes of a table shows them: what it has counted, less what this owner
 * deleted.
 *
 * A session reports its deletes to the server up to a second late. So a total may lack some of this owner's, and never
 * has too many: the measurements two before tell how many it may lack. Failed removals were counted by the server, and
 * not here: then measuring begins again.
 */
#ifndef OBX_BACKENDS_SQL_SERVER_FOREIGN_DELETES_H
#define OBX_BACKENDS_SQL_SERVER_FOREIGN_DELETES_H

#include <stdbool.h>
#include <stdint.h>

struct sql_store;

/* In SQL, too: it has no quotes. */
#define SQL_FOREIGN_DELETES_ADVICE                                                                                \
    "let only the relay delete: stop clean-up jobs, and applications that delete the row that they inserted (in " \
    "Quarkus: quarkus.debezium-outbox.remove-after-insert=false), or set capture: events are then read from the log"

#define SQL_FOREIGN_DELETES_CAUSES \
    "deletes that were rolled back count, too, and inserts that replaced a row or lost a race"

struct sql_foreign_deletes {
    int64_t own, before[2]; /* rows that this session deleted: now, and at the last two measurements */
    int64_t base;           /* at most so many deletes are older than the measuring */
    unsigned measured;
    uint64_t measured_ns, log_ns;
    int64_t earlier; /* found before the measuring began again */
    int64_t latest;  /* found in all */
    int64_t found;   /* and logged */
    bool shown;      /* to `check`, by a lock that the owner's session holds */
};

/* The session is new, or a removal has failed. What was found stays until the session ends. */
void sql_foreign_deletes_begin(struct sql_store *store);
/* total: deletes of the table that the server has counted. */
void sql_foreign_deletes_measure(struct sql_store *store, int64_t total);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/epoch.h - the number in the relay table that identifies an owner
 *
 * Each new owner raises the epoch. Every write transaction of an owner begins by reading it, so a relay that was
 * replaced removes nothing. WRITE lane, and jobs that run alone.
 */
#ifndef OBX_BACKENDS_SQLITE_EPOCH_H
#define OBX_BACKENDS_SQLITE_EPOCH_H

#include "conn.h"
#include "file.h"
#include "schema.h"

struct lite_epoch {
    int64_t current; /* 0: this relay is not the owner */
    /* Of the last ownership, to recognise it: the same epoch in the same file means that nobody else owned it since. */
    int64_t last;
    struct lite_file_id last_file;
};

/* -1 if the relay table has no row. */
int lite_epoch_read(struct lite_conn *conn, const char *what, int64_t *number, struct outbox_error *error);
/* FENCED unless this relay still is the owner. */
int lite_epoch_verify(const struct lite_epoch *epoch, struct lite_conn *conn, const char *what,
                      struct outbox_error *error);
/* The owner's description of itself, for people. Leaves `owner` alone if there is none. */
void lite_epoch_read_owner(const struct lite_schema *schema, struct lite_conn *conn, char *owner, size_t size);

#endif

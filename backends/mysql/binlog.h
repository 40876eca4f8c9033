/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog.h - does an event of the binlog end a transaction that added rows to one table?
 *
 * Of each event as little is read as that takes: its type, for which table rows are, and where a transaction ends. An
 * event that cannot be understood counts as one that may have added rows: a needless wake-up costs one poll.
 */
#ifndef OBX_BACKENDS_MYSQL_BINLOG_H
#define OBX_BACKENDS_MYSQL_BINLOG_H

#include <outbox/plugin.h>

struct mys_binlog_matcher {
    const char *schema, *table; /* borrowed */
    uint64_t table_id;          /* how the log calls it in this transaction */
    bool named;                 /* it has called it so */
    bool touched;               /* rows were added, but not yet committed */
};

/* One event without a checksum after it; data NULL: one that could not be read. True: a transaction has ended that
 * has, or may have, added rows. */
bool mys_binlog_matcher_feed(struct mys_binlog_matcher *matcher, struct outbox_bytes event);

#endif

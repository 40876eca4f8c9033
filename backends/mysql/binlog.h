/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog.h - detects the end of a transaction that added rows to one table
 *
 * Only these parts of an event are parsed: its type, the table of its rows, and the end of a transaction. An event that
 * cannot be parsed counts as added rows: a needless wake-up costs one poll.
 */
#ifndef OBX_BACKENDS_MYSQL_BINLOG_H
#define OBX_BACKENDS_MYSQL_BINLOG_H

#include <outbox/plugin.h>

struct mys_binlog_matcher {
    const char *schema, *table; /* borrowed */
    uint64_t table_id;          /* the number that the log gives it in this transaction */
    bool named;                 /* the log has named the table in this transaction */
    bool touched;               /* rows were added, but not yet committed */
};

/* One event without its checksum; data NULL: an event that could not be read. True: a transaction ended that added
 * rows, or may have. */
bool mys_binlog_matcher_feed(struct mys_binlog_matcher *matcher, struct outbox_bytes event);

#endif

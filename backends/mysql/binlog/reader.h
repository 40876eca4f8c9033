/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog/reader.h - bytes of the binlog in, transactions and rows of one table out
 *
 *     feed(event) -> next(item), next(item), ... until there is none -> feed(the next event)
 *
 * A caller may stop between two items for as long as it likes, if the bytes of the event stay. Rows come before the end
 * of their transaction is known. Pure: no I/O and no clock.
 */
#ifndef OBX_BACKENDS_MYSQL_BINLOG_READER_H
#define OBX_BACKENDS_MYSQL_BINLOG_READER_H

#include "gtid.h"
#include "inflate.h"
#include "query.h"
#include "row.h"

enum mys_item_kind {
    MYS_ITEM_NONE = 0,
    MYS_ITEM_BEGIN,     /* a transaction begins: gtid */
    MYS_ITEM_ROW,       /* of the table: values, in the order of `wanted` */
    MYS_ITEM_COMMIT,    /* the transaction is committed */
    MYS_ITEM_ROLLBACK,  /* its rows do not exist. A server logs it only if it cannot take a change back */
    MYS_ITEM_PREPARED,  /* XA: the rows exist if xid is committed */
    MYS_ITEM_XA_COMMIT, /* xid is committed, or rolled back, by this transaction, which has no rows */
    MYS_ITEM_XA_ROLLBACK,
    MYS_ITEM_ALTERED,   /* the table was defined anew; the transaction has ended, unless `inside` */
    MYS_ITEM_XA,        /* the transaction is an XA one */
    MYS_ITEM_STATEMENT, /* rows of other tables were changed by a statement: `text`, `schema` */
    MYS_ITEM_FILE,      /* a file of the log begins: `text`, `offset` */
    MYS_ITEM_HEARTBEAT,
    MYS_ITEM_TURN /* much was unpacked: the caller should let others run before it goes on */
};

struct mys_item {
    enum mys_item_kind kind;
    struct mys_gtid gtid;              /* of BEGIN */
    const char *xid;                   /* until the next call */
    const struct outbox_value *values; /* until the next call */
    struct outbox_bytes text, schema;  /* of a statement: its first word, and the session's schema */
    uint64_t offset;
    bool inside;          /* of ALTERED: CREATE TABLE .. SELECT, whose rows follow */
    uint32_t timestamp_s; /* of the event */
    uint64_t end;         /* position after the event in its file, cut to 32 bits */
};

struct mys_reader {
    const struct outbox_host *host;
    struct mys_log_name name;
    uint32_t table_columns; /* when `wanted` was made; 0: not known */
    struct mys_row_reader rows_reader;
    struct mys_table_map map;
    struct mys_payload payload;
    bool has_checksum;
    bool in_payload;
    size_t unpacked_bytes; /* of the payload, since the last TURN */
    bool in_transaction;
    bool has_rows;        /* rows of `rows` were not read yet */
    bool standalone;      /* MariaDB: the event after the GTID has no end */
    bool has_end;         /* MariaDB: the transaction has one, whatever statements are in it */
    struct mys_gtid gtid; /* of the transaction */
    struct mys_rows rows;
    struct mys_event event;  /* that was fed; body.at NULL: done */
    unsigned char *unpacked; /* owned */
    uint32_t unpacked_room;
    char xid[MYS_XID];
};

/* wanted, and the strings of `name`, are borrowed. checksums: the server's binlog_checksum is not NONE. */
int mys_reader_init(struct mys_reader *reader, const struct outbox_host *host, const struct mys_log_name *name,
                    const struct mys_log_wanted *wanted, uint32_t count, struct outbox_error *error);
void mys_reader_free(struct mys_reader *reader);
/* A stream begins, at the begin of a transaction. */
void mys_reader_restart(struct mys_reader *reader, bool has_checksum);

int mys_reader_feed(struct mys_reader *reader, struct outbox_bytes raw, struct outbox_error *error);
/* item->kind NONE: feed the next event. Errors: E_SCHEMA: damaged, or rows that cannot be known; E_UNSUPPORTED;
 * NO_MEMORY. */
int mys_reader_next(struct mys_reader *reader, struct mys_item *item, struct outbox_error *error);

#endif

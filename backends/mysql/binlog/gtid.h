/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog/gtid.h - the global number of a transaction
 *
 * MySQL: an identifier of the server where it was committed first, since 8.3 with an optional tag, and a number.
 * MariaDB: domain, server id and number.
 */
#ifndef OBX_BACKENDS_MYSQL_BINLOG_GTID_H
#define OBX_BACKENDS_MYSQL_BINLOG_GTID_H

#include "event.h"

enum { MYS_UUID = 16, MYS_TAG = 33 };

struct mys_source { /* of MySQL's numbers */
    unsigned char uuid[MYS_UUID];
    char tag[MYS_TAG]; /* "": none */
};

struct mys_gtid {
    bool mariadb;
    struct mys_source source; /* MySQL */
    uint32_t domain, server;  /* MariaDB */
    uint64_t number;          /* 0: the transaction has none */
    bool standalone;          /* MariaDB: one event follows, without an end */
    bool prepares;            /* MariaDB: an XA transaction that is prepared */
};

/* Of an event of one of the four types. Errors: E_SCHEMA. */
int mys_gtid_read(const struct mys_event *event, struct mys_gtid *gtid, struct outbox_error *error);

enum { MYS_GTID_TEXT = 100 };
void mys_gtid_print(const struct mys_gtid *gtid, char text[MYS_GTID_TEXT]);

/* 36 characters and a NUL; and back. */
void mys_uuid_print(const unsigned char uuid[MYS_UUID], char text[37]);
bool mys_uuid_parse(const char *text, unsigned char uuid[MYS_UUID]);

#endif

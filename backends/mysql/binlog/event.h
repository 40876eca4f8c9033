/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog/event.h - the envelope of an event of the binlog: header, checksum, and the description of a
 * file's format
 */
#ifndef OBX_BACKENDS_MYSQL_BINLOG_EVENT_H
#define OBX_BACKENDS_MYSQL_BINLOG_EVENT_H

#include <outbox/plugin_util.h>

#include "cursor.h"

enum mys_event_type {
    MYS_EV_QUERY = 2,
    MYS_EV_STOP = 3,
    MYS_EV_ROTATE = 4,
    MYS_EV_FORMAT_DESCRIPTION = 15,
    MYS_EV_XID = 16,
    MYS_EV_EXECUTE_LOAD_QUERY = 18,
    MYS_EV_TABLE_MAP = 19,
    MYS_EV_WRITE_ROWS_V1 = 23,
    MYS_EV_UPDATE_ROWS_V1 = 24,
    MYS_EV_DELETE_ROWS_V1 = 25,
    MYS_EV_INCIDENT = 26,
    MYS_EV_HEARTBEAT = 27,
    MYS_EV_WRITE_ROWS = 30,
    MYS_EV_GTID = 33,
    MYS_EV_ANONYMOUS_GTID = 34,
    MYS_EV_PREVIOUS_GTIDS = 35,
    MYS_EV_XA_PREPARE = 38,
    MYS_EV_TRANSACTION_PAYLOAD = 40, /* MySQL: a whole transaction, compressed */
    MYS_EV_HEARTBEAT_V2 = 41,
    MYS_EV_GTID_TAGGED = 42,
    MYS_EV_GTID_MARIADB = 162,
    MYS_EV_GTID_LIST = 163,
    MYS_EV_START_ENCRYPTION = 164,
    MYS_EV_QUERY_COMPRESSED = 165, /* MariaDB's, as the next ones */
    MYS_EV_WRITE_ROWS_COMPRESSED_V1 = 166,
    MYS_EV_WRITE_ROWS_COMPRESSED = 169
};

enum { MYS_EVENT_HEADER = 19, MYS_CHECKSUM = 4 };

struct mys_event {
    uint32_t timestamp_s; /* when the statement began, by the server's clock */
    uint8_t type;
    uint32_t server_id;
    uint32_t end;           /* position after it in its file, cut to 32 bits; 0: it is in no file */
    struct mys_cursor body; /* without header and checksum */
};

/* Opens one event and verifies its checksum, if it has one. Errors: E_SCHEMA, a damaged event. */
int mys_event_open(struct outbox_bytes raw, bool has_checksum, struct mys_event *event, struct outbox_error *error);

/* Of a FORMAT_DESCRIPTION, whose body still has its checksum: do the events after it have one? Errors: E_UNSUPPORTED.
 */
int mys_event_format(struct mys_cursor body, bool *has_checksum, struct outbox_error *error);

#endif

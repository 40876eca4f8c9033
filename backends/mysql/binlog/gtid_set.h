/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog/gtid_set.h - which transactions were read
 *
 * MySQL: a set of numbers for each source. MariaDB: the last number of each domain, which stands for all before it.
 * Memory of the host; the first failed allocation is remembered in `failed`, and the set is of no use then.
 */
#ifndef OBX_BACKENDS_MYSQL_BINLOG_GTID_SET_H
#define OBX_BACKENDS_MYSQL_BINLOG_GTID_SET_H

#include "gtid.h"
#include "sql/text.h"

struct mys_interval {
    uint64_t first, after;
};

struct mys_source_set {
    struct mys_source source;
    struct mys_interval *intervals; /* owned; ascending, with numbers between each two */
    uint32_t count, room;
};

struct mys_domain {
    uint32_t domain, server;
    uint64_t number;
};

struct mys_gtid_set {
    const struct outbox_host *host;
    bool mariadb, failed;
    struct mys_source_set *sources; /* owned; in the order of their identifiers and tags */
    uint32_t source_count, source_room;
    struct mys_domain *domains; /* owned */
    uint32_t domain_count, domain_room;
};

void mys_gtid_set_init(struct mys_gtid_set *set, const struct outbox_host *host, bool mariadb);
void mys_gtid_set_free(struct mys_gtid_set *set);
void mys_gtid_set_clear(struct mys_gtid_set *set);
/* Both are initialised; what `to` had is gone. */
void mys_gtid_set_copy(struct mys_gtid_set *to, const struct mys_gtid_set *from);

void mys_gtid_set_add(struct mys_gtid_set *set, const struct mys_gtid *gtid);
bool mys_gtid_set_has(const struct mys_gtid_set *set, const struct mys_gtid *gtid);
/* Is each transaction of `part` in `set`? */
bool mys_gtid_set_covers(const struct mys_gtid_set *set, const struct mys_gtid_set *part);

/* gtid_set_text.c: as the server writes it, without white space. False: it is no such text. */
bool mys_gtid_set_parse(struct mys_gtid_set *set, const char *text);
void mys_gtid_set_print(const struct mys_gtid_set *set, struct obx_sql_text *text);
/* As COM_BINLOG_DUMP_GTID sends it; MySQL only. */
void mys_gtid_set_encode(const struct mys_gtid_set *set, struct obx_sql_text *bytes);
/* The content of a PREVIOUS_GTIDS event is added to the set. False: it cannot be read. */
bool mys_gtid_set_decode(struct mys_gtid_set *set, struct mys_cursor body);

/* For the text: all numbers from first to after - 1. */
void mys_gtid_set_add_interval(struct mys_gtid_set *set, const struct mys_source *source, uint64_t first,
                               uint64_t after);

#endif

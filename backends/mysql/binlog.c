/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog.c - detects in the events of the server's binlog that rows were added to one table
 *
 * With rows in the log: a table map names the table, the rows after it bear its number, and an XID ends the
 * transaction. With statements (STATEMENT, MIXED): a statement that has the table's name in it may have added rows.
 * Either way the log receives a transaction at its commit, so a rolled-back transaction causes no wake-up. A prepared
 * XA transaction causes two; its rows are visible after the second. Compressed events are not parsed.
 */
#include "binlog.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { HEADER = 19, TYPE_AT = 4, MAP_HEADER = 8, QUERY_HEADER = 13 };

enum event {
    QUERY = 2,
    XID = 16,
    EXECUTE_LOAD_QUERY = 18,
    TABLE_MAP = 19,
    WRITE_ROWS_V1 = 23,
    WRITE_ROWS = 30,
    GTID = 33,
    ANONYMOUS_GTID = 34,
    XA_PREPARE = 38,
    TRANSACTION_PAYLOAD = 40, /* MySQL: a whole transaction, compressed */
    GTID_TAGGED = 42,
    GTID_MARIADB = 162,
    QUERY_COMPRESSED = 165, /* MariaDB's, as the next ones */
    WRITE_ROWS_COMPRESSED_V1 = 166,
    WRITE_ROWS_COMPRESSED = 169
};

struct cursor {
    const unsigned char *at;
    size_t left;
};

static bool skip(struct cursor *cursor, size_t size)
{
    if (cursor->left < size)
        return false;
    cursor->at += size;
    cursor->left -= size;
    return true;
}

static uint64_t number(const unsigned char *at, unsigned size)
{
    uint64_t value = 0;
    while (size--)
        value = value << 8 | at[size];
    return value;
}

/* A name with its length before it and a zero after it. Case makes no difference here: some servers fold it. */
static bool is_name(struct cursor *cursor, const char *name)
{
    size_t size = cursor->left ? *cursor->at : 0;
    if (!skip(cursor, 1) || cursor->left <= size)
        return false;
    bool same = size == strlen(name) && !strncasecmp((const char *)cursor->at, name, size);
    skip(cursor, size + 1);
    return same;
}

static void take_map(struct mys_binlog_matcher *matcher, struct cursor event)
{
    const unsigned char *id = event.at;
    if (!skip(&event, MAP_HEADER))
        return;
    bool schema = is_name(&event, matcher->schema), table = is_name(&event, matcher->table);
    if (!schema || !table)
        return;
    matcher->table_id = number(id, 6);
    matcher->named = true;
}

static void take_rows(struct mys_binlog_matcher *matcher, struct cursor event)
{
    if (event.left >= 6 && matcher->named && number(event.at, 6) == matcher->table_id)
        matcher->touched = true;
}

static bool ended(struct mys_binlog_matcher *matcher, bool committed)
{
    bool touched = matcher->touched && committed;
    matcher->named = matcher->touched = false;
    return touched;
}

static bool is_part_of_name(unsigned char byte)
{
    return isalnum(byte) || byte == '_' || byte == '$' || byte >= 0x80;
}

static bool mentions(struct cursor text, const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i + size <= text.left; i++) {
        if (strncasecmp((const char *)text.at + i, name, size))
            continue;
        if ((i == 0 || !is_part_of_name(text.at[i - 1])) &&
            (i + size == text.left || !is_part_of_name(text.at[i + size])))
            return true;
    }
    return false;
}

static bool begins(struct cursor text, const char *word)
{
    return text.left >= strlen(word) && !strncasecmp((const char *)text.at, word, strlen(word));
}

static bool is_word(struct cursor text, const char *word)
{
    return text.left == strlen(word) && begins(text, word);
}

static bool take_query(struct mys_binlog_matcher *matcher, struct cursor event)
{
    const unsigned char *header = event.at;
    if (!skip(&event, QUERY_HEADER))
        return true;
    size_t database = header[8], status = (size_t)number(header + 11, 2);
    if (!skip(&event, status + database + 1))
        return true;
    if (is_word(event, "COMMIT"))
        return ended(matcher, true);
    if (is_word(event, "BEGIN") || is_word(event, "ROLLBACK"))
        return ended(matcher, false);
    if (begins(event, "XA COMMIT"))
        return true;
    matcher->touched |= mentions(event, matcher->table);
    return false;
}

bool mys_binlog_matcher_feed(struct mys_binlog_matcher *matcher, struct outbox_bytes event)
{
    struct cursor body = {event.data, event.size};
    if (!event.data || !skip(&body, HEADER))
        return true;
    switch (((const unsigned char *)event.data)[TYPE_AT]) {
    case TABLE_MAP:
        take_map(matcher, body);
        return false;
    case WRITE_ROWS_V1:
    case WRITE_ROWS:
    case WRITE_ROWS_COMPRESSED_V1:
    case WRITE_ROWS_COMPRESSED:
        take_rows(matcher, body);
        return false;
    case QUERY:
        return take_query(matcher, body);
    case EXECUTE_LOAD_QUERY:
    case QUERY_COMPRESSED:
        matcher->touched = true;
        return false;
    case GTID: /* the next transaction begins; a statement outside a transaction (DDL) added no rows */
    case ANONYMOUS_GTID:
    case GTID_TAGGED:
    case GTID_MARIADB:
        return ended(matcher, false);
    case XID:
        return ended(matcher, true);
    case XA_PREPARE: /* its first byte: in one phase, which is a commit */
        return ended(matcher, body.left && *body.at);
    case TRANSACTION_PAYLOAD:
        return true;
    default:
        return false;
    }
}

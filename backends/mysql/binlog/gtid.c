/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog/gtid.c - the events that give a transaction its number
 *
 * Events with a tag have the format of MySQL's serialization library: fields with an id before each; a number has as
 * many ones at the end of its first byte as there are bytes after that.
 */
#include "gtid.h"

#include <stdio.h>

#define mys_fail outbox_error_set

static uint64_t take_varlen(struct mys_cursor *cursor)
{
    uint64_t first = mys_take_int(cursor, 1);
    unsigned more = 0;
    while (more < 8 && (first >> more & 1))
        more++;
    uint64_t rest = more ? mys_take_int(cursor, more) : 0;
    if (more == 8)
        return rest;
    return first >> (more + 1) | (more ? rest << (7 - more) : 0);
}

/* Signed numbers have their sign in the lowest bit. */
static uint64_t take_number(struct mys_cursor *cursor)
{
    return take_varlen(cursor) >> 1;
}

static void take_uuid(struct mys_cursor *cursor, unsigned char uuid[MYS_UUID])
{
    for (unsigned i = 0; i < MYS_UUID; i++)
        uuid[i] = (unsigned char)take_varlen(cursor);
}

static void take_tag(struct mys_cursor *cursor, char tag[MYS_TAG])
{
    uint64_t size = take_varlen(cursor);
    struct mys_cursor part = mys_take_part(cursor, size);
    if (part.bad || size >= MYS_TAG)
        cursor->bad = true;
    else
        memcpy(tag, part.at, size);
}

/* The fields come in the order of their ids; later ones are not needed. */
static void read_tagged(struct mys_cursor *body, struct mys_gtid *gtid)
{
    enum { FLAGS, UUID, NUMBER, TAG };
    take_varlen(body); /* version */
    take_varlen(body); /* size */
    take_varlen(body); /* the last field that must be known */
    while (!body->bad && mys_left(body)) {
        switch (take_varlen(body)) {
        case FLAGS:
            take_varlen(body);
            break;
        case UUID:
            take_uuid(body, gtid->source.uuid);
            break;
        case NUMBER:
            gtid->number = take_number(body);
            break;
        case TAG:
            take_tag(body, gtid->source.tag);
            return;
        default:
            return;
        }
    }
}

static void read_mysql(struct mys_cursor *body, struct mys_gtid *gtid)
{
    mys_take(body, 1); /* flags */
    const unsigned char *uuid = mys_take(body, MYS_UUID);
    if (uuid)
        memcpy(gtid->source.uuid, uuid, MYS_UUID);
    gtid->number = mys_take_int(body, 8);
}

static void read_mariadb(struct mys_cursor *body, struct mys_gtid *gtid)
{
    enum { STANDALONE = 1, PREPARED_XA = 64 };
    gtid->number = mys_take_int(body, 8);
    gtid->domain = (uint32_t)mys_take_int(body, 4);
    unsigned flags = (unsigned)mys_take_int(body, 1);
    gtid->standalone = flags & STANDALONE;
    gtid->prepares = flags & PREPARED_XA;
}

int mys_gtid_read(const struct mys_event *event, struct mys_gtid *gtid, struct outbox_error *error)
{
    struct mys_cursor body = event->body;
    *gtid = (struct mys_gtid){.mariadb = event->type == MYS_EV_GTID_MARIADB, .server = event->server_id};
    if (gtid->mariadb)
        read_mariadb(&body, gtid);
    else if (event->type == MYS_EV_GTID_TAGGED)
        read_tagged(&body, gtid);
    else if (event->type == MYS_EV_GTID)
        read_mysql(&body, gtid);
    if (body.bad || (event->type != MYS_EV_ANONYMOUS_GTID && !gtid->number))
        return mys_fail(error, OUTBOX_E_SCHEMA,
                        "read the binlog: the number of a transaction cannot be read from an "
                        "event of type %u; the log is damaged, or of a newer server",
                        (unsigned)event->type);
    return OUTBOX_OK;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

void mys_uuid_print(const unsigned char uuid[MYS_UUID], char text[37])
{
    static const char digits[] = "0123456789abcdef";
    unsigned at = 0;
    for (unsigned i = 0; i < MYS_UUID; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text[at++] = '-';
        text[at++] = digits[uuid[i] >> 4];
        text[at++] = digits[uuid[i] & 15];
    }
    text[at] = '\0';
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool mys_uuid_parse(const char *text, unsigned char uuid[MYS_UUID])
{
    for (unsigned i = 0; i < MYS_UUID; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
            return false;
        int high = hex(text[0]), low = high < 0 ? -1 : hex(text[1]);
        if (low < 0)
            return false;
        uuid[i] = (unsigned char)(high << 4 | low);
        text += 2;
    }
    return true;
}

void mys_gtid_print(const struct mys_gtid *gtid, char text[MYS_GTID_TEXT])
{
    char uuid[37];
    mys_uuid_print(gtid->source.uuid, uuid);
    if (gtid->mariadb)
        snprintf(text, MYS_GTID_TEXT, "%u-%u-%llu", gtid->domain, gtid->server, (unsigned long long)gtid->number);
    else
        snprintf(text, MYS_GTID_TEXT, "%s:%s%s%llu", uuid, gtid->source.tag, *gtid->source.tag ? ":" : "",
                 (unsigned long long)gtid->number);
}

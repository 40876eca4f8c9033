/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/capture/pages.c - see pages.h */
#include "pages.h"

#include <outbox/plugin_util.h>
#include <string.h>

#include "crc32c.h"

enum { CONTINUES = 0x0001, OVERWRITES = 0x0008 }; /* of a page's header */
enum { BODY_KEEP = 1 << 20 };                     /* a larger buffer is given back after its record */
#define LENGTH_MAX (UINT32_C(1) << 30)
#define LSN "%X/%X"
#define LSN_OF(lsn) (unsigned)((lsn) >> 32), (unsigned)(lsn)

struct input {
    const unsigned char *at;
    size_t left;
};

unsigned pg_wal_magic(unsigned major)
{
    static const struct {
        unsigned major, magic;
    } known[] = {{14, 0xd10d}, {15, 0xd110}, {16, 0xd113}, {17, 0xd116}, {18, 0xd118}};
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].major == major)
            return known[i].magic;
    return 0;
}

void pg_wal_pages_begin(struct pg_wal_pages *pages, uint64_t from)
{
    pages->from = from;
    pages->lsn = pg_wal_page_of(from);
    pages->timeline = 0;
    pages->page_head_have = pages->have = pages->length = 0;
    pages->in_sync = pages->skip_to_segment = false;
    pages->skip = 0;
}

void pg_wal_pages_free(struct pg_wal_pages *pages)
{
    if (pages->host)
        pages->host->release(pages->host, pages->body);
    pages->body = NULL;
    pages->body_room = 0;
}

static bool fail(const struct pg_wal_pages *pages, struct outbox_error *error, const char *what)
{
    outbox_error_set(error, OUTBOX_E_SCHEMA,
                     "read the server's log: at " LSN ": %s; the log is of another place or version, or damaged",
                     LSN_OF(pages->lsn), what);
    return false;
}

static void take(struct pg_wal_pages *pages, struct input *input, size_t count)
{
    input->at += count;
    input->left -= count;
    pages->lsn += count;
}

static size_t min_size(size_t a, uint64_t b)
{
    return a < b ? a : (size_t)b;
}

/* Bytes of input in the present page. */
static size_t in_page(const struct pg_wal_pages *pages, const struct input *input)
{
    return min_size(input->left, PG_WAL_PAGE - pages->lsn % PG_WAL_PAGE);
}

/* ---- the headers of pages ---------------------------------------------------------------------------------------- */

/* Numbers in it: magic, flags, timeline, its place, and how many bytes of the record before are still to come. */
static bool use_page_head(struct pg_wal_pages *pages, struct outbox_error *error)
{
    const unsigned char *head = pages->page_head;
    unsigned flags = pg_wal_u16(head + 2);
    uint32_t rest = pg_wal_u32(head + 16);
    uint64_t place = pages->lsn - pages->page_head_have;
    pages->page_head_have = 0;
    if (pg_wal_u16(head) != pg_wal_magic(pages->major))
        return fail(pages, error, "a page of an unknown version");
    if (pg_wal_u64(head + 8) != place)
        return fail(pages, error, "a page of another place");
    pages->timeline = pg_wal_u32(head + 4);
    if (!pages->in_sync && flags & CONTINUES)
        pages->skip = (uint64_t)rest + (-rest & 7u);
    pages->in_sync = true;
    if (flags & OVERWRITES) /* the server crashed within a record, which is void */
        pages->have = pages->length = 0, pages->skip = 0;
    if (pages->have && (!(flags & CONTINUES) || rest != pages->length - pages->have))
        return fail(pages, error, "a record that does not continue");
    return true;
}

static bool take_page_head(struct pg_wal_pages *pages, struct input *input, struct outbox_error *error)
{
    uint64_t place = pages->lsn - pages->page_head_have;
    uint32_t size = place % pages->segment ? 24 : PG_WAL_PAGE_HEAD_MAX;
    size_t count = min_size(input->left, size - pages->page_head_have);
    memcpy(pages->page_head + pages->page_head_have, input->at, count);
    pages->page_head_have += (uint32_t)count;
    take(pages, input, count);
    return pages->page_head_have < size || use_page_head(pages, error);
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

static bool matters(const unsigned char *head)
{
    uint8_t manager = head[17], info = head[16];
    return manager == PG_RM_MESSAGE || manager == PG_RM_XACT ||
           (manager == PG_RM_STANDBY && (info & 0xf0) == PG_STANDBY_RUNNING) ||
           (manager == PG_RM_XLOG && (info & 0xf0) == PG_XLOG_SWITCH);
}

/* The input stands behind the record. crc: of the body. */
static bool end_record(struct pg_wal_pages *pages, const unsigned char *head, const unsigned char *body, uint32_t crc,
                       struct outbox_error *error)
{
    struct pg_wal_record record = {.lsn = pages->record_lsn,
                                   .xid = pg_wal_u32(head + 4),
                                   .info = head[16],
                                   .manager = head[17],
                                   .body = body,
                                   .size = pg_wal_u32(head) - PG_WAL_RECORD_HEAD};
    if (~pg_crc32c(crc, head, 20) != pg_wal_u32(head + 20))
        return fail(pages, error, "a record with a wrong checksum");
    pages->have = pages->length = 0;
    pages->skip = -pages->lsn & 7u;
    record.end = pages->lsn + pages->skip;
    if (record.manager == PG_RM_XLOG && (record.info & 0xf0) == PG_XLOG_SWITCH && pages->lsn % pages->segment) {
        pages->skip = 0;
        pages->skip_to_segment = true;
        record.end += pages->segment - 1;
        record.end -= record.end % pages->segment;
    }
    return !matters(head) || record.lsn < pages->from || pages->record(pages->arg, &record);
}

static bool set_length(struct pg_wal_pages *pages, const unsigned char *at, struct outbox_error *error)
{
    pages->length = pg_wal_u32(at);
    return (pages->length >= PG_WAL_RECORD_HEAD && pages->length <= LENGTH_MAX) ||
           fail(pages, error, "a record of an impossible length");
}

static void give_back_large(struct pg_wal_pages *pages)
{
    if (pages->body_room <= BODY_KEEP)
        return;
    pages->host->release(pages->host, pages->body);
    pages->body = NULL;
    pages->body_room = 0;
}

static bool make_room(struct pg_wal_pages *pages, struct outbox_error *error)
{
    uint32_t need = pages->length - PG_WAL_RECORD_HEAD;
    pages->crc = ~UINT32_C(0);
    if (!matters(pages->head) || need <= pages->body_room)
        return true;
    pages->host->release(pages->host, pages->body);
    pages->body_room = 0;
    pages->body = pages->host->alloc(pages->host, need);
    if (!pages->body) {
        outbox_error_set(error, OUTBOX_E_NO_MEMORY, "read the server's log: no memory for a record of %u bytes", need);
        return false;
    }
    pages->body_room = need;
    return true;
}

static bool continue_head(struct pg_wal_pages *pages, struct input *input, struct outbox_error *error)
{
    size_t count = min_size(in_page(pages, input), PG_WAL_RECORD_HEAD - pages->have);
    memcpy(pages->head + pages->have, input->at, count);
    pages->have += (uint32_t)count;
    take(pages, input, count);
    if (pages->have >= 4 && !set_length(pages, pages->head, error))
        return false;
    return pages->have < PG_WAL_RECORD_HEAD || make_room(pages, error);
}

static void continue_body(struct pg_wal_pages *pages, struct input *input)
{
    size_t count = min_size(in_page(pages, input), pages->length - pages->have);
    pages->crc = pg_crc32c(pages->crc, input->at, count);
    if (matters(pages->head))
        memcpy(pages->body + (pages->have - PG_WAL_RECORD_HEAD), input->at, count);
    pages->have += (uint32_t)count;
    take(pages, input, count);
}

static bool continue_record(struct pg_wal_pages *pages, struct input *input, struct outbox_error *error)
{
    if (pages->have < PG_WAL_RECORD_HEAD) {
        if (!continue_head(pages, input, error))
            return false;
    } else {
        continue_body(pages, input);
    }
    if (pages->have < PG_WAL_RECORD_HEAD || pages->have < pages->length)
        return true;
    bool goes_on = end_record(pages, pages->head, pages->body, pages->crc, error);
    give_back_large(pages);
    return goes_on;
}

static bool begin_record(struct pg_wal_pages *pages, struct input *input, struct outbox_error *error)
{
    const unsigned char *at = input->at;
    size_t room = in_page(pages, input);
    pages->record_lsn = pages->lsn;
    if (room >= 4 && !set_length(pages, at, error))
        return false;
    if (room < 4 || pages->length > room)
        return continue_record(pages, input, error);
    uint32_t length = pages->length;
    take(pages, input, length);
    return end_record(pages, at, at + PG_WAL_RECORD_HEAD,
                      pg_crc32c(~UINT32_C(0), at + PG_WAL_RECORD_HEAD, length - PG_WAL_RECORD_HEAD), error);
}

uint64_t pg_wal_pages_end(const struct pg_wal_pages *pages)
{
    uint64_t end = pages->lsn - pages->page_head_have + pages->skip;
    if (pages->have)
        return pages->record_lsn;
    if (pages->skip_to_segment)
        end += pages->segment - end % pages->segment;
    return end;
}

/* ---- the input --------------------------------------------------------------------------------------------------- */

static bool step(struct pg_wal_pages *pages, struct input *input, struct outbox_error *error)
{
    if (pages->skip_to_segment) {
        take(pages, input, min_size(input->left, pages->segment - pages->lsn % pages->segment));
        pages->skip_to_segment = pages->lsn % pages->segment != 0;
        return true;
    }
    if (pages->page_head_have || pages->lsn % PG_WAL_PAGE == 0)
        return take_page_head(pages, input, error);
    if (pages->skip) {
        size_t count = min_size(in_page(pages, input), pages->skip);
        pages->skip -= count;
        take(pages, input, count);
        return true;
    }
    return pages->have ? continue_record(pages, input, error) : begin_record(pages, input, error);
}

bool pg_wal_pages_read(struct pg_wal_pages *pages, const unsigned char *bytes, size_t size, struct outbox_error *error)
{
    struct input input = {bytes, size};
    error->code = OUTBOX_OK;
    while (input.left)
        if (!step(pages, &input, error))
            return false;
    return true;
}

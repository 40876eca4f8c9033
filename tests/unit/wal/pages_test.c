/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/wal/pages_test.c - WAL as bytes becomes whole records, in pieces of any size */
#include <criterion/criterion.h>

#include "../sql/sql_host.h"
#include "writer.h"

static struct seen {
    uint64_t lsns[4096], ends[4096];
    uint32_t xids[4096], sizes[4096], count, stop_at;
    unsigned char last[4096];
} seen;

static bool on_record(void *arg, const struct pg_wal_record *record)
{
    (void)arg;
    seen.lsns[seen.count] = record->lsn;
    seen.ends[seen.count] = record->end;
    seen.xids[seen.count] = record->xid;
    seen.sizes[seen.count] = record->size;
    seen.last[seen.count] = record->size ? record->body[record->size - 1] : 0;
    return ++seen.count != seen.stop_at;
}

static struct pg_wal_pages pages_of(unsigned major, uint64_t from)
{
    struct pg_wal_pages pages = {.host = &sql_host, .record = on_record, .major = major, .segment = WAL_SEGMENT};
    memset(&seen, 0, sizeof seen);
    pg_wal_pages_begin(&pages, from);
    return pages;
}

/* In pieces of so many bytes. */
static bool read_all(const struct wal *wal, struct pg_wal_pages *pages, size_t piece, struct outbox_error *error)
{
    while (pages->lsn < wal->lsn) {
        size_t left = (size_t)(wal->lsn - pages->lsn), size = left < piece ? left : piece;
        unsigned char *copy = malloc(size); /* so that a sanitizer detects reads past the end */
        memcpy(copy, wal_at(wal, pages->lsn), size);
        bool fine = pg_wal_pages_read(pages, copy, size, error);
        free(copy);
        if (!fine)
            return false;
    }
    return true;
}

static void expect_last(uint32_t index, uint32_t xid, unsigned char last)
{
    cr_assert(index < seen.count, "record %u of %u", index, seen.count);
    cr_assert(seen.xids[index] == xid && seen.last[index] == last, "record %u has xid %u, ends in %u", index,
              seen.xids[index], seen.last[index]);
}

Test(wal_pages, records_in_pages_over_pages_and_over_segments_in_pieces_of_any_size)
{
    static const size_t piece_sizes[] = {1, 7, 8, 23, 24, 100, 8191, 8192, 8193, 131072, WAL_ROOM};
    for (unsigned major = 14; major <= 18; major++) {
        struct wal wal = wal_new(major);
        for (uint32_t i = 0; i < 200; i++) {
            wal_message(&wal, 1000 + i, true, "outbox:a", i * 97, (unsigned char)i);
            wal_filler(&wal, i * 53 % 9000);
        }
        cr_assert_gt(wal.lsn, WAL_BEGIN + WAL_SEGMENT);
        for (unsigned s = 0; s < sizeof piece_sizes / sizeof *piece_sizes; s++) {
            struct pg_wal_pages pages = pages_of(major, WAL_BEGIN);
            struct outbox_error error;
            if (major != 15 && piece_sizes[s] < 100)
                continue;
            cr_assert(read_all(&wal, &pages, piece_sizes[s], &error), "%s", error.text);
            cr_assert_eq(seen.count, 200);
            for (uint32_t i = 1; i < 200; i++)
                expect_last(i, 1000 + i, (unsigned char)i);
            cr_assert_eq(pg_wal_pages_end(&pages), wal.lsn);
            pg_wal_pages_free(&pages);
        }
        free(wal.bytes);
    }
    cr_assert_eq(sql_memory.live, 0);
}

Test(wal_pages, reading_begins_at_any_record)
{
    struct wal wal = wal_new(15);
    uint64_t begins[60];
    for (uint32_t i = 0; i < 60; i++) {
        wal_message(&wal, i + 1, true, "outbox:a", 3000, (unsigned char)i);
        begins[i] = wal.record_lsn;
    }
    for (uint32_t i = 0; i < 60; i++) {
        struct pg_wal_pages pages = pages_of(15, begins[i]);
        struct outbox_error error;
        cr_assert(read_all(&wal, &pages, 1000, &error), "%s", error.text);
        cr_assert(seen.count == 60 - i && seen.xids[0] == i + 1 && seen.lsns[0] == begins[i]);
        pg_wal_pages_free(&pages);
    }
    free(wal.bytes);
}

/* The log may end there, so that no server has the next page. */
Test(wal_pages, reading_from_the_end_of_a_page_begins_at_that_page)
{
    struct wal wal = wal_new(15), before;
    struct outbox_error error;
    wal_message(&wal, 1, true, "outbox:a", 100, 'x');
    before = wal;
    for (uint32_t size = 8; wal.lsn == before.lsn || wal.lsn % PG_WAL_PAGE; size++) {
        cr_assert_lt(size, PG_WAL_PAGE);
        wal = before;
        wal_filler(&wal, size);
    }
    uint64_t end = wal.lsn;
    wal_message(&wal, 2, true, "outbox:a", 100, 'y');
    struct pg_wal_pages pages = pages_of(15, pg_wal_restart_at(end));
    cr_assert_eq(pages.lsn, end - PG_WAL_PAGE);
    cr_assert(read_all(&wal, &pages, 1000, &error), "%s", error.text);
    cr_assert(seen.count == 1 && seen.xids[0] == 2);
    cr_assert_eq(pg_wal_restart_at(end + 8), end + 8);
    pg_wal_pages_free(&pages);
    free(wal.bytes);
}

Test(wal_pages, a_switch_skips_the_rest_of_the_segment)
{
    struct wal wal = wal_new(17);
    wal_message(&wal, 1, true, "outbox:a", 100, 1);
    wal_switch(&wal);
    wal_message(&wal, 2, true, "outbox:a", 100, 2);
    struct pg_wal_pages pages = pages_of(17, WAL_BEGIN);
    struct outbox_error error;
    cr_assert(read_all(&wal, &pages, 8192, &error), "%s", error.text);
    cr_assert_eq(seen.count, 3);
    cr_assert_eq(seen.ends[1], WAL_BEGIN + WAL_SEGMENT);
    expect_last(2, 2, 2);
    pg_wal_pages_free(&pages);
    free(wal.bytes);
}

/* The server crashed within a record: the next page has a mark, and no more of it. */
Test(wal_pages, a_record_that_a_crash_cut_off_is_void)
{
    struct wal wal = wal_new(16);
    wal_message(&wal, 1, true, "outbox:a", 100, 1);
    wal_message(&wal, 2, true, "outbox:a", 20000, 2);
    uint64_t page = WAL_BEGIN + PG_WAL_PAGE;
    wal.lsn = page;
    memset(wal_at(&wal, page), 0, WAL_ROOM - PG_WAL_PAGE);
    wal_page_head(&wal, 0);
    wal_put(wal_at(&wal, page) + 2, 8, 2);
    wal_message(&wal, 3, true, "outbox:a", 100, 3);
    struct pg_wal_pages pages = pages_of(16, WAL_BEGIN);
    struct outbox_error error;
    cr_assert(read_all(&wal, &pages, 5000, &error), "%s", error.text);
    cr_assert_eq(seen.count, 2);
    expect_last(1, 3, 3);
    pg_wal_pages_free(&pages);
    free(wal.bytes);
}

static void expect_refused(struct wal *wal, unsigned major, const char *why)
{
    struct pg_wal_pages pages = pages_of(major, WAL_BEGIN);
    struct outbox_error error;
    cr_assert(!read_all(wal, &pages, 1000, &error));
    cr_assert(error.code == OUTBOX_E_SCHEMA && strstr(error.text, why), "%s", error.text);
    pg_wal_pages_free(&pages);
}

Test(wal_pages, damage_is_refused)
{
    struct wal wal = wal_new(15);
    wal_message(&wal, 1, true, "outbox:a", 20000, 1);
    wal_message(&wal, 2, true, "outbox:a", 100, 2);
    expect_refused(&wal, 14, "unknown version");
    *wal_at(&wal, WAL_BEGIN + 5000) ^= 1;
    expect_refused(&wal, 15, "wrong checksum");
    *wal_at(&wal, WAL_BEGIN + 5000) ^= 1;
    wal_put(wal_at(&wal, WAL_BEGIN + PG_WAL_PAGE) + 16, 5, 4);
    expect_refused(&wal, 15, "does not continue");
    wal_put(wal_at(&wal, WAL_BEGIN + PG_WAL_PAGE) + 8, 5, 4);
    expect_refused(&wal, 15, "another place");
    wal_put(wal_at(&wal, WAL_BEGIN + 40), 5, 4);
    expect_refused(&wal, 15, "impossible length");
    free(wal.bytes);
}

Test(wal_pages, the_receiver_may_stop_after_a_record_and_go_on)
{
    struct wal wal = wal_new(15);
    struct outbox_error error;
    for (uint32_t i = 0; i < 10; i++)
        wal_message(&wal, i + 1, true, "outbox:a", 500, (unsigned char)i);
    struct pg_wal_pages pages = pages_of(15, WAL_BEGIN);
    seen.stop_at = 4;
    cr_assert(!read_all(&wal, &pages, WAL_ROOM, &error));
    cr_assert(!error.code && seen.count == 4);
    cr_assert(read_all(&wal, &pages, WAL_ROOM, &error));
    cr_assert_eq(seen.count, 10);
    pg_wal_pages_free(&pages);
    free(wal.bytes);
}

Test(wal_pages, the_checksum_is_the_same_without_the_processor)
{
    unsigned char bytes[1000];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 3);
    cr_assert_eq(~pg_crc32c(~UINT32_C(0), (const unsigned char *)"123456789", 9), 0xe3069283);
    for (unsigned size = 0; size < 100; size++)
        cr_assert_eq(pg_crc32c(5, bytes + size, size * 9), pg_crc32c_by_table(5, bytes + size, size * 9));
}

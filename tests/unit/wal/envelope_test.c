/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/wal/envelope_test.c - an event in a message */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "postgres/capture/envelope.h"

static const unsigned char whole[] = "\x01\x00"
                                     "0123456789abcdef"
                                     "\x00\x00\x00\x00\x00\x00\x00\x05"
                                     "\x00\x00\x00\x05order"
                                     "\x00\x00\x00\x02id"
                                     "\x00\x00\x00\x01t"
                                     "\x00\x00\x00\x02{}"
                                     "payload";
enum { WHOLE = sizeof whole - 1 };

static bool is(struct outbox_bytes part, const char *text)
{
    return part.data && part.size == strlen(text) && !memcmp(part.data, text, part.size);
}

Test(wal_envelope, has_all_parts)
{
    struct pg_envelope e;
    cr_assert_null(pg_envelope_read(whole, WHOLE, &e));
    cr_assert(is(e.parts[PG_PART_EVENT_ID], "0123456789abcdef") && is(e.parts[PG_PART_AGGREGATE_TYPE], "order"));
    cr_assert(is(e.parts[PG_PART_AGGREGATE_ID], "id") && is(e.parts[PG_PART_TYPE], "t"));
    cr_assert(is(e.parts[PG_PART_HEADERS], "{}") && is(e.parts[PG_PART_PAYLOAD], "payload"));
    cr_assert_eq(e.created_us, 946684800000005);
}

Test(wal_envelope, tells_null_from_empty)
{
    unsigned char bytes[WHOLE];
    struct pg_envelope e;
    memcpy(bytes, whole, WHOLE);
    cr_assert_null(pg_envelope_read(bytes, WHOLE - 7, &e));
    cr_assert(e.parts[PG_PART_PAYLOAD].data && !e.parts[PG_PART_PAYLOAD].size);
    bytes[1] = PG_ENVELOPE_NO_PAYLOAD | PG_ENVELOPE_NO_HEADERS;
    cr_assert_null(pg_envelope_read(bytes, WHOLE - 7, &e));
    cr_assert(!e.parts[PG_PART_PAYLOAD].data && !e.parts[PG_PART_HEADERS].data);
}

Test(wal_envelope, refuses_what_is_cut_and_other_versions)
{
    struct pg_envelope e;
    for (size_t size = 0; size < WHOLE - 7; size++) {
        unsigned char *bytes = malloc(size + 1);
        memcpy(bytes, whole, size);
        cr_assert_not_null(pg_envelope_read(bytes, size, &e), "%zu bytes", size);
        free(bytes);
    }
    cr_assert_not_null(pg_envelope_read((const unsigned char *)"\x02", 1, &e));
    cr_assert_not_null(pg_envelope_read((const unsigned char *)"hello", 5, &e));
}

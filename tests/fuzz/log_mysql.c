/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/log_mysql.c - the reader of MySQL's binlog, fed with events of any content
 *
 * Each step is one event: its type from a list, its body from the input; a checksum that is right, so that the parsers
 * behind it are reached. A TABLE_MAP of the reader's table with columns of the input's types comes before rows. No byte
 * is read past the end of an event, and every value lies where it can be read. Sets of transactions that parse are
 * printed, and read back as the same set.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "../../backends/mysql/binlog/gtid_set.h"
#include "../../backends/mysql/binlog/reader.h"

enum { BODY_MAX = 1 << 16, HEADER = 19 };

static const struct mys_log_wanted wanted[] = {{.name = "a", .as = MYS_LOG_AS_TEXT, .ordinal = 0},
                                               {.name = "b", .as = MYS_LOG_AS_BYTES, .ordinal = 1},
                                               {.name = "c", .as = MYS_LOG_AS_UUID, .ordinal = 2},
                                               {.name = "d", .as = MYS_LOG_AS_MARIADB_UUID, .ordinal = 3},
                                               {.name = "e", .as = MYS_LOG_AS_INET6, .ordinal = 4}};
enum { WANTED = sizeof wanted / sizeof *wanted };

static volatile unsigned sum;

static void touch(const struct outbox_value *value)
{
    const unsigned char *bytes = value->as.data;
    if (value->type == OUTBOX_TEXT || value->type == OUTBOX_BYTES || value->type == OUTBOX_UUID)
        for (uint32_t i = 0; i < value->size; i++)
            sum += bytes[i];
}

/* False: the reader has refused the event, and the stream ends. */
static bool feed(struct mys_reader *reader, uint8_t type, const void *body, size_t size)
{
    struct outbox_error error = {.code = 0};
    struct mys_item item = {.kind = MYS_ITEM_NONE};
    size_t whole = HEADER + size + 4;
    unsigned char *event = calloc(1, whole);
    event[4] = type;
    memcpy(event + HEADER, size ? body : "", size);
    uint32_t checksum = (uint32_t)crc32_z(0, event, whole - 4);
    for (unsigned i = 0; i < 4; i++)
        event[whole - 4 + i] = (unsigned char)(checksum >> 8 * i);
    int code = mys_reader_feed(reader, (struct outbox_bytes){event, whole}, &error);
    while (!code && !(code = mys_reader_next(reader, &item, &error)) && item.kind != MYS_ITEM_NONE)
        for (uint32_t i = 0; item.kind == MYS_ITEM_ROW && i < WANTED; i++)
            touch(&item.values[i]);
    FUZZ_CHECK(!code || (error.code && *error.text));
    free(event);
    return !code;
}

static bool feed_map(struct mys_reader *reader, struct fuzz_input *input)
{
    unsigned char body[64 + 5 + 20] = {7,   0, 0, 0,   0,   0,   0,   0,   4,   's', 'h',   'o',
                                       'p', 0, 6, 'o', 'u', 't', 'b', 'o', 'x', 0,   WANTED};
    size_t size = 23;
    for (unsigned i = 0; i < WANTED; i++)
        body[size++] = (unsigned char)fuzz_int(input, 1);
    unsigned meta = fuzz_int(input, 1) % 11;
    body[size++] = (unsigned char)meta;
    for (unsigned i = 0; i < meta; i++)
        body[size++] = (unsigned char)fuzz_int(input, 1);
    size++; /* which may be null */
    return feed(reader, MYS_EV_TABLE_MAP, body, size);
}

static void check_set(const char *text, bool mariadb)
{
    struct mys_gtid_set set, again;
    struct obx_sql_text first = {.host = &fuzz_host}, second = {.host = &fuzz_host};
    mys_gtid_set_init(&set, &fuzz_host, mariadb);
    mys_gtid_set_init(&again, &fuzz_host, mariadb);
    if (mys_gtid_set_parse(&set, text)) {
        mys_gtid_set_print(&set, &first);
        FUZZ_CHECK(mys_gtid_set_parse(&again, obx_sql_text_get(&first)));
        mys_gtid_set_print(&again, &second);
        FUZZ_CHECK(!strcmp(obx_sql_text_get(&first), obx_sql_text_get(&second)));
        FUZZ_CHECK(mys_gtid_set_covers(&set, &again) && mys_gtid_set_covers(&again, &set));
    }
    obx_sql_text_free(&first);
    obx_sql_text_free(&second);
    mys_gtid_set_free(&set);
    mys_gtid_set_free(&again);
}

static void check_bytes(const void *data, size_t size)
{
    struct mys_gtid_set set, again;
    struct obx_sql_text bytes = {.host = &fuzz_host};
    mys_gtid_set_init(&set, &fuzz_host, false);
    mys_gtid_set_init(&again, &fuzz_host, false);
    struct mys_cursor body = {.at = data, .end = (const unsigned char *)data + size};
    if (mys_gtid_set_decode(&set, body)) {
        mys_gtid_set_encode(&set, &bytes);
        body = (struct mys_cursor){.at = (const unsigned char *)obx_sql_text_get(&bytes),
                                   .end = (const unsigned char *)obx_sql_text_get(&bytes) + bytes.size};
        FUZZ_CHECK(mys_gtid_set_decode(&again, body) && mys_gtid_set_covers(&set, &again) &&
                   mys_gtid_set_covers(&again, &set));
    }
    obx_sql_text_free(&bytes);
    mys_gtid_set_free(&set);
    mys_gtid_set_free(&again);
}

static bool step(struct mys_reader *reader, struct fuzz_input *input)
{
    static const uint8_t types[] = {2, 4, 15, 16, 19, 23, 26, 27, 30, 33, 34, 38, 40, 41, 42, 162, 165, 166, 169};
    unsigned kind = (unsigned)fuzz_int(input, 1) % (sizeof types + 3);
    if (kind == sizeof types)
        return feed_map(reader, input);
    struct outbox_bytes bytes = fuzz_bytes(input);
    bool going = true;
    if (kind < sizeof types) {
        going = feed(reader, types[kind], bytes.data, bytes.size);
    } else if (kind == sizeof types + 1) {
        check_bytes(bytes.data, bytes.size);
    } else {
        char *text = strndup(bytes.size ? bytes.data : "", bytes.size);
        check_set(text, false);
        check_set(text, true);
        free(text);
    }
    fuzz_free(bytes.data);
    return going;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct mys_log_name name = {.schema = "shop", .table = "outbox"};
    struct fuzz_input input = {data, data + size};
    struct outbox_error error;
    struct mys_reader reader;
    FUZZ_CHECK(!mys_reader_init(&reader, &fuzz_host, &name, wanted, WANTED, &error));
    reader.table_columns = WANTED;
    mys_reader_restart(&reader, true);
    while (input.at < input.end)
        if (!step(&reader, &input))
            mys_reader_restart(&reader, true);
    mys_reader_free(&reader);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/wal.c - WAL as a server might send it, and messages as an application might write them
 *
 * The first byte chooses. 0: bytes of WAL, in pieces. 1: the body of one record. 2: an envelope. Nothing is read past
 * the input, no record is given twice, and what is given lies in the input or in the parser's buffer.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "postgres/capture/envelope.h"
#include "postgres/capture/open.h"

enum { SEGMENT = 16 << 20 };
static struct sql_capture_memory memory;
static struct pg_open transactions;
static unsigned major;
static uint64_t last_lsn;

static void on_message(const struct pg_wal_message *message, uint64_t lsn)
{
    struct pg_envelope envelope;
    struct sql_capture_event *event = sql_capture_event_new(&memory, (uint32_t)message->content.size);
    FUZZ_CHECK(event);
    event->order = lsn;
    memcpy(event->data, message->content.data, message->content.size);
    pg_envelope_read(event->data, event->size, &envelope);
    FUZZ_CHECK(pg_open_add(&transactions, message->xid, 1, event));
}

static void on_meaning(const struct pg_wal_record *record)
{
    struct pg_wal_meaning meaning;
    switch (pg_wal_record_read(record, major, &meaning)) {
    case PG_WAL_MESSAGE:
        on_message(&meaning.message, record->lsn);
        break;
    case PG_WAL_END: {
        struct pg_open_ended ended = pg_open_end(&transactions, &meaning.end);
        FUZZ_CHECK(meaning.end.commits || !ended.events.count);
        sql_capture_list_drop(&memory, &ended.events);
        break;
    }
    case PG_WAL_RUNNING:
        pg_open_prune(&transactions, &meaning.running);
        break;
    default:
        break;
    }
}

static bool on_record(void *arg, const struct pg_wal_record *record)
{
    (void)arg;
    FUZZ_CHECK(record->lsn > last_lsn && record->end > record->lsn && record->end % 8 == 0);
    last_lsn = record->lsn;
    on_meaning(record);
    return true;
}

static void read_pages(struct fuzz_input *input)
{
    size_t piece = 1 + (size_t)fuzz_int(input, 2);
    struct pg_wal_pages pages = {.host = &fuzz_host, .record = on_record, .major = major, .segment = SEGMENT};
    struct outbox_error error = {.code = OUTBOX_OK};
    bool fine = input->end - input->at >= PG_WAL_RECORD_HEAD;
    uint64_t begin = fine ? pg_wal_page_of(pg_wal_u64(input->at + 8) & INT64_MAX) : 0; /* the page's own place */
    pg_wal_pages_begin(&pages, begin);
    last_lsn = begin;
    while (fine && input->at < input->end) {
        size_t left = (size_t)(input->end - input->at), size = left < piece ? left : piece;
        uint8_t *copy = malloc(size);
        memcpy(copy, input->at, size);
        fine = pg_wal_pages_read(&pages, copy, size, &error);
        free(copy);
        input->at += size;
    }
    FUZZ_CHECK(pg_wal_pages_end(&pages) >= begin);
    pg_wal_pages_free(&pages);
}

static void read_record(struct fuzz_input *input)
{
    struct pg_wal_record record = {.lsn = 8, .end = 16, .xid = (uint32_t)fuzz_int(input, 1)};
    record.manager = (uint8_t)fuzz_int(input, 1);
    record.info = (uint8_t)fuzz_int(input, 1);
    record.size = (uint32_t)(input->end - input->at);
    unsigned char *copy = malloc(record.size + 1);
    memcpy(copy, input->at, record.size);
    record.body = copy;
    on_meaning(&record);
    free(copy);
}

static void read_envelope(struct fuzz_input *input)
{
    size_t size = (size_t)(input->end - input->at);
    struct pg_envelope envelope;
    unsigned char *copy = malloc(size + 1);
    memcpy(copy, input->at, size);
    if (!pg_envelope_read(copy, size, &envelope))
        for (int i = 0; i < PG_PART_CREATED_AT; i++) {
            const unsigned char *at = envelope.parts[i].data;
            FUZZ_CHECK(!at ||
                       (at >= copy && envelope.parts[i].size <= size && at + envelope.parts[i].size <= copy + size));
        }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, data + size};
    uint8_t choice = (uint8_t)fuzz_int(&input, 1);
    memory = (struct sql_capture_memory){.host = &fuzz_host};
    pg_open_begin(&transactions, &memory, 100000);
    major = 14 + (unsigned)(choice >> 4) % 5;
    if (choice % 3 == 0)
        read_pages(&input);
    else if (choice % 3 == 1)
        read_record(&input);
    else
        read_envelope(&input);
    pg_open_free(&transactions);
    sql_capture_memory_free(&memory);
    return 0;
}

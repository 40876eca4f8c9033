/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/pgoutput.c - messages of the output plugin, as a server might send them: `capture: logical`
 *
 * Each step is one message: a begin, a commit, an emitted event, the columns of the table, a row, a keepalive, or any
 * bytes. A second implementation notes which values the events of a commit must have, and whether columns are refused;
 * after arbitrary bytes it knows nothing more, and only reads past the end count. A refusal ends the stream, and the
 * reading begins again, as in a relay.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../backends/postgres/store.h"

enum { OID = 16400, BYTEA = 17, TEXT = 25, COLUMNS = PG_ROW_VALUES, EXTRA = 2, EVENTS = 64, MESSAGE = 1 << 17 };
static const char prefix[] = "outbox:outbox";

/* ---- the store, whose stream is the input ------------------------------------------------------------------------ */

static struct pg_store store;
static struct sql_column columns[COLUMNS];
static struct sql_selected selected[PG_PARTS];
static const struct pg_log_events *stream;
static struct outbox_host host;

void pg_log_open(struct pg_log_stream *opened, struct pg_store *owner, const struct pg_log_events *events, void *arg)
{
    FUZZ_CHECK(owner == &store && arg == &store);
    opened->state = PG_LOG_STREAMING;
    stream = events;
}

void pg_log_close(struct pg_log_stream *closed)
{
    closed->state = PG_LOG_CLOSED;
}

void pg_log_pause(struct pg_log_stream *paused)
{
    paused->paused = true;
}

void pg_log_resume(struct pg_log_stream *resumed)
{
    resumed->paused = false;
}

void pg_log_start(struct pg_log_stream *started, uint64_t lsn, uint32_t timeline)
{
    (void)started, (void)lsn, (void)timeline;
}

void pg_log_start_slot(struct pg_log_stream *started, uint64_t lsn, const char *command)
{
    (void)started, (void)lsn, (void)command;
}

void pg_log_lost(const struct pg_log_stream *lost, uint64_t from, const char *why, struct outbox_error *error)
{
    (void)lost, (void)from, (void)why, (void)error;
}

static void on_lost(const struct outbox_host *self, const struct outbox_error *error)
{
    (void)self;
    FUZZ_CHECK(error->code && *error->text);
}

static void on_wake(const struct outbox_host *self)
{
    (void)self;
}

static const char *column_name(int value)
{
    return value == PG_ROW_ID ? "id" : obx_sql_columns[value];
}

/* The order of the table: the id, then those of obx_sql_columns. */
static int value_at(int column)
{
    return column ? column - 1 : PG_ROW_ID;
}

static void open_store(uint8_t choice)
{
    static const char *const bases[] = {"2950", "25", "25", "25", "17", "3802", "1184", "20"}; /* of the values */
    host = fuzz_host;
    host.lost = on_lost;
    host.wake = on_wake;
    store = (struct pg_store){.sql = {.host = &host, .phase = SQL_STARTED, .reader = &store.reader.lane},
                              .capture_mode = PG_CAPTURE_LOGICAL,
                              .capture_rows = choice % 4 != 0,
                              .table_oid = OID};
    for (int i = 0; i < COLUMNS; i++) {
        snprintf(columns[i].name, sizeof columns[i].name, "%s", column_name(value_at(i)));
        snprintf(columns[i].base, sizeof columns[i].base, "%s", bases[value_at(i)]);
    }
    for (int i = 0; i < PG_PARTS; i++)
        snprintf(selected[i].name, sizeof selected[i].name, "%s", obx_sql_columns[i]);
    store.sql.table.columns = columns;
    store.sql.table.column_count = COLUMNS;
    store.sql.selected = selected;
    store.sql.selected_count = PG_PARTS;
    store.sql.capture.source = &pg_capture_logical;
    store.sql.capture.queue.memory.host = &host;
    store.sql.capture.passed_index = choice >> 4 & 3;
    store.capture.position.passed = 1000;
    store.capture.moving_slot = true; /* a look-up of the publication is in flight, for ever */
    snprintf(store.capture.prefix, sizeof store.capture.prefix, "%s", prefix);
    FUZZ_CHECK(pg_capture_choose_parts(&store));
}

/* ---- the second implementation ----------------------------------------------------------------------------------- */

/* Of an event; data NULL: null. The time is in text[PG_PART_CREATED_AT], in microseconds. */
struct expected {
    struct outbox_bytes parts[PG_PARTS];
    int64_t created_us;
};
static struct {
    bool knows; /* false: arbitrary bytes have come */
    struct expected events[EVENTS];
    unsigned count;
    bool passed; /* the transaction */
    uint64_t skip;
    int64_t committed_us;
    bool named, refused;
    int value_of[COLUMNS + EXTRA]; /* of the log's columns; PG_ROW_VALUES: none */
    bool has[COLUMNS];
    int count_of_columns;
} model;

static void forget_events(void)
{
    for (unsigned i = 0; i < model.count; i++)
        for (int p = 0; p < PG_PARTS; p++)
            fuzz_free(model.events[i].parts[p].data);
    model.count = 0;
}

static void begin_reading(void)
{
    struct sql_capture *capture = &store.sql.capture;
    sql_capture_queue_reset(&capture->queue, SQL_CAPTURE_BASE);
    capture->failure.code = OUTBOX_OK;
    capture->reading = true;
    store.capture.database = 5;
    forget_events();
    model.knows = true;
    model.passed = model.named = model.refused = false;
    model.committed_us = 0;
    model.skip = capture->passed_index;
    capture->source->begin(&store.sql);
}

static void compare_event(const struct expected *expected)
{
    struct outbox_value values[PG_PARTS];
    struct sql_capture_event *event = sql_capture_queue_take(&store.sql.capture.queue);
    FUZZ_CHECK(event && !pg_capture_decode(&store.sql, event, values));
    for (int i = 0; i < PG_PART_CREATED_AT; i++) {
        FUZZ_CHECK((values[i].type == OUTBOX_NULL) == !expected->parts[i].data);
        FUZZ_CHECK(!expected->parts[i].data || (values[i].size == expected->parts[i].size &&
                                                !memcmp(values[i].as.data, expected->parts[i].data, values[i].size)));
    }
    FUZZ_CHECK(values[PG_PART_CREATED_AT].as.integer == expected->created_us);
    sql_capture_event_drop(&store.sql.capture.queue.memory, event);
}

static volatile unsigned sum;

static void touch_events(void)
{
    struct sql_capture_event *event;
    while ((event = sql_capture_queue_take(&store.sql.capture.queue))) {
        struct outbox_value values[PG_PARTS] = {{.type = OUTBOX_NULL}};
        pg_capture_decode(&store.sql, event, values);
        for (int i = 0; i < PG_PART_CREATED_AT; i++)
            for (uint32_t n = 0; values[i].type != OUTBOX_NULL && n < values[i].size; n++)
                sum += ((const unsigned char *)values[i].as.data)[n];
        sql_capture_event_drop(&store.sql.capture.queue.memory, event);
    }
}

/* What has become committed. */
static void take_events(void)
{
    struct sql_capture_queue *queue = &store.sql.capture.queue;
    unsigned first = model.skip < model.count ? (unsigned)model.skip : model.count;
    while (sql_capture_queue_hidden(queue))
        sql_capture_queue_make_visible(queue);
    if (!model.knows) {
        touch_events();
        return;
    }
    FUZZ_CHECK(queue->ready == model.count - first);
    for (unsigned i = first; i < model.count; i++)
        compare_event(&model.events[i]);
    model.skip = model.count ? 0 : model.skip;
    forget_events();
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static struct {
    unsigned char bytes[MESSAGE];
    size_t size;
} message;

static void put(const void *bytes, size_t size)
{
    FUZZ_CHECK(message.size + size <= sizeof message.bytes);
    if (size)
        memcpy(message.bytes + message.size, bytes, size);
    message.size += size;
}

static void put_int(uint64_t value, unsigned size)
{
    while (size) {
        unsigned char byte = (unsigned char)(value >> 8 * --size);
        put(&byte, 1);
    }
}

/* Sends it in memory of its own size. must_end: the reading must be refused; else it must not be, if that is known. */
static void send(bool must_end)
{
    unsigned char *copy = malloc(message.size + 1);
    memcpy(copy, message.bytes, message.size);
    unsigned char *exact = realloc(copy, message.size ? message.size : 1);
    stream->data(&store, exact, message.size);
    free(exact);
    message.size = 0;
    FUZZ_CHECK(!model.knows || store.sql.capture.reading == !must_end);
    if (!store.sql.capture.reading)
        begin_reading();
}

static void send_begin(struct fuzz_input *input)
{
    uint64_t commit = fuzz_int(input, 2);
    model.passed = commit < 1000;
    model.committed_us = (int64_t)fuzz_int(input, 4);
    put("B", 1);
    put_int(commit, 8);
    put_int((uint64_t)model.committed_us, 8);
    put_int(7, 4);
    send(false);
}

static void send_commit(struct fuzz_input *input)
{
    put("C", 1);
    put_int(0, 1);
    put_int(0, 8);
    put_int(fuzz_int(input, 3), 8);
    put_int(0, 8);
    send(false);
    take_events();
}

static void note_event(const struct expected *event)
{
    model.events[model.count++] = *event;
}

static void put_sized(struct outbox_bytes part)
{
    put_int(part.size, 4);
    put(part.data, part.size);
}

static struct outbox_bytes copy_of(const void *bytes, size_t size)
{
    unsigned char *copy = malloc(size + 1);
    memcpy(copy, bytes, size);
    return (struct outbox_bytes){copy, size};
}

/* The flags say whether it is of a transaction. */
static void send_emitted(struct fuzz_input *input)
{
    struct expected event = {.created_us = PG_ENVELOPE_EPOCH_US + 5};
    bool ours = fuzz_int(input, 1) % 4 != 0, transactional = fuzz_int(input, 1) % 4 != 0;
    event.parts[PG_PART_EVENT_ID] = copy_of("0123456789abcdef", 16);
    for (int i = PG_PART_AGGREGATE_TYPE; i < PG_PART_CREATED_AT; i++)
        event.parts[i] = fuzz_bytes(input);
    size_t size = PG_ENVELOPE_HEAD + 4 * 4;
    for (int i = PG_PART_AGGREGATE_TYPE; i < PG_PART_CREATED_AT; i++)
        size += event.parts[i].size;
    put("M", 1);
    put_int(transactional, 1);
    put_int(0, 8);
    put(ours ? prefix : "other", (ours ? sizeof prefix : sizeof "other"));
    put_int(size, 4);
    put_int(PG_ENVELOPE_VERSION, 1);
    put_int(0, 1);
    put(event.parts[PG_PART_EVENT_ID].data, 16);
    put_int(5, 8);
    put_sized(event.parts[PG_PART_AGGREGATE_TYPE]);
    put_sized(event.parts[PG_PART_AGGREGATE_ID]);
    put_sized(event.parts[PG_PART_TYPE]);
    put_sized(event.parts[PG_PART_HEADERS]);
    put(event.parts[PG_PART_PAYLOAD].data, event.parts[PG_PART_PAYLOAD].size);
    send(false);
    if (ours && transactional && !model.passed && model.knows)
        note_event(&event);
    else
        for (int i = 0; i < PG_PARTS; i++)
            fuzz_free(event.parts[i].data);
}

static void put_column(int value, const char *name)
{
    model.value_of[model.count_of_columns++] = value;
    put_int(0, 1);
    put(name, strlen(name) + 1);
    put_int(value == PG_PART_PAYLOAD ? BYTEA : TEXT, 4);
    put_int(UINT32_MAX, 4);
}

/* The table's columns, each as it is, dropped or renamed; then new ones. */
static void send_relation(struct fuzz_input *input)
{
    unsigned extra = fuzz_int(input, 1) % (EXTRA + 1);
    uint64_t changes = fuzz_int(input, 1) % 2 ? fuzz_int(input, 2) : 0;
    bool had[COLUMNS], dropped = false; /* the last ones */
    size_t count_at;
    memcpy(had, model.has, sizeof had);
    model.refused = false;
    model.count_of_columns = 0;
    put("R", 1);
    put_int(OID, 4);
    put("public\0outbox\0d", 15);
    count_at = message.size;
    put_int(0, 2);
    for (int i = 0; i < COLUMNS; i++, changes >>= 2) {
        int value = value_at(i);
        model.has[value] = changes % 4 < 2;
        if (model.has[value])
            put_column(value, column_name(value));
        else if (changes % 4 == 3)
            put_column(PG_ROW_VALUES, "renamed");
        model.refused |= changes % 4 == 3;
        dropped = !model.has[value] && (dropped || changes % 4 == 2);
    }
    model.refused |= dropped && extra;
    for (int i = 0; i < PG_PARTS; i++)
        model.refused |= model.named && had[i] && !model.has[i];
    while (extra--)
        put_column(PG_ROW_VALUES, extra ? "new" : "newer");
    message.bytes[count_at + 1] = (unsigned char)model.count_of_columns;
    model.named = true;
    send(false);
}

static void put_text(const char *text, size_t size)
{
    put("t", 1);
    put_int(size, 4);
    put(text, size);
}

static void put_hex(struct outbox_bytes bytes, const char *before)
{
    char digits[3];
    put("t", 1);
    put_int(strlen(before) + 2 * bytes.size, 4);
    put(before, strlen(before));
    for (size_t i = 0; i < bytes.size; i++) {
        snprintf(digits, sizeof digits, "%02x", ((const unsigned char *)bytes.data)[i]);
        put(digits, 2);
    }
}

static void put_time(int64_t us)
{
    char text[64];
    time_t seconds = (time_t)(us / 1000000);
    struct tm t;
    gmtime_r(&seconds, &t);
    put_text(text, (size_t)snprintf(text, sizeof text, "%04d-%02d-%02d %02d:%02d:%02d.%06d+00", t.tm_year + 1900,
                                    t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, (int)(us % 1000000)));
}

/* Column by column; nulls but for the two ids. */
static void put_value(struct fuzz_input *input, int value, struct expected *event, bool copy)
{
    static const char own_id[] = "\x00\x7f\xff\x10zyxwvutsrqpo";
    bool null = value >= PG_ROW_VALUES || (value < PG_PARTS && value != PG_PART_EVENT_ID && !(fuzz_int(input, 1) % 4));
    struct outbox_bytes bytes = {NULL, 0};
    if (!null && value == PG_PART_EVENT_ID)
        bytes = copy_of(own_id, 16);
    else if (!null && value < PG_PART_CREATED_AT)
        bytes = fuzz_bytes(input);
    if (null)
        put("n", 1);
    else if (value == PG_ROW_ID)
        put_text(copy ? "4611686018427387905" : "17", copy ? 19 : 2);
    else if (value == PG_PART_EVENT_ID)
        put_hex(bytes, "");
    else if (value == PG_PART_CREATED_AT)
        put_time(event->created_us = (int64_t)fuzz_int(input, 7));
    else if (value == PG_PART_PAYLOAD)
        put_hex(bytes, "\\x");
    else
        put_text(bytes.data, bytes.size);
    if (value < PG_PART_CREATED_AT)
        event->parts[value] = bytes;
}

static void send_row(struct fuzz_input *input)
{
    struct expected event = {.created_us = PG_ENVELOPE_EPOCH_US + model.committed_us};
    bool copy = fuzz_int(input, 1) % 4 == 0, reads = store.capture_rows && model.named && !model.passed;
    copy = copy && model.has[PG_ROW_ID];
    put("I", 1);
    put_int(OID, 4);
    put("N", 1);
    put_int((uint64_t)model.count_of_columns, 2);
    for (int i = 0; i < model.count_of_columns; i++)
        put_value(input, model.value_of[i], &event, copy);
    bool refused = reads && !copy && (model.refused || !model.has[PG_ROW_ID] || !model.has[PG_PART_EVENT_ID]);
    bool noted = reads && !copy && !refused && model.knows;
    send(refused);
    if (noted)
        note_event(&event);
    for (int i = 0; !noted && i < PG_PARTS; i++)
        fuzz_free(event.parts[i].data);
}

static void send_bytes(struct fuzz_input *input)
{
    static const char kinds[] = "BCMRIOY";
    struct outbox_bytes bytes = fuzz_bytes(input);
    size_t size = bytes.size < MESSAGE / 2 ? bytes.size : MESSAGE / 2;
    model.knows = false;
    put(&kinds[fuzz_int(input, 1) % (sizeof kinds - 1)], 1);
    put(bytes.data, size);
    fuzz_free(bytes.data);
    send(false);
}

static void send_keepalive(struct fuzz_input *input)
{
    stream->reached(&store, fuzz_int(input, 3));
    stream->drained(&store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const steps[])(struct fuzz_input * input) = {send_begin, send_commit, send_emitted, send_relation,
                                                               send_row,   send_row,    send_bytes,   send_keepalive};
    struct fuzz_input input = {data, data + size};
    open_store((uint8_t)fuzz_int(&input, 1));
    begin_reading();
    while (input.at < input.end && model.count < EVENTS)
        steps[fuzz_int(&input, 1) % (sizeof steps / sizeof *steps)](&input);
    pg_capture_end(&store.sql);
    forget_events();
    sql_capture_queue_free(&store.sql.capture.queue);
    host.release(&host, store.capture.parts);
    return 0;
}

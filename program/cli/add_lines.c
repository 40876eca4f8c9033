/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/cli/add_lines.c - NDJSON from a descriptor into a store
 *
 * Lines are read in blocks and parsed in place. Parsed events collect in a batch, and each batch is one transaction. A
 * bad line ends the work after the lines before it are committed, so that the caller can continue with the line that
 * the error names.
 */
#include "cli/add_lines.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "cli/ndjson.h"

#define BLOCK ((size_t)256 << 10)
#define MAX_LINE ((size_t)32 << 20) /* memory for it is needed several times */

struct reader {
    struct obx_oneshot *oneshot;
    int fd;
    bool uuids;
    struct obx_buf text; /* read and not yet added; parsed events point into it */
    size_t consumed;     /* bytes of text that belong to the batch */
    size_t searched;     /* bytes after them that contain no line end */
    bool ended;          /* read() has returned end of file */
    uint64_t line;       /* number of the last parsed line */
    uint64_t first_line; /* of the batch */
    uint64_t added;
    uint32_t count;
    struct obx_parsed_event parsed[OBX_ADD_BATCH];
};

int obx_add_events(struct obx_oneshot *oneshot, const struct outbox_event *const *events, uint32_t count,
                   struct outbox_error *error)
{
    const struct outbox_add add = {.struct_size = sizeof add, .count = count, .events = events};
    obx_store_add(oneshot->instance, obx_oneshot_call(oneshot), OBX_ONESHOT_TIMEOUT_MS, &add);
    int status = obx_oneshot_wait(oneshot, error);
    /* here INVALID is about the event, not about the configuration */
    return status == OUTBOX_E_INVALID ? (error->code = OUTBOX_E_REJECTED) : status;
}

int obx_add_check_id(const struct outbox_event *event, struct outbox_error *error)
{
    static const char sample[] = "0b9c1b5e-7d2f-4a55-9d0b-3a1f6e7c8d90";
    const char *id = event->event_id.data;
    size_t size = event->event_id.size, matching = 0;
    if (!id)
        return OUTBOX_OK;
    while (matching < size && matching < sizeof sample - 1 &&
           (sample[matching] == '-' ? id[matching] == '-' : isxdigit((unsigned char)id[matching])))
        matching++;
    if (matching == size && size == sizeof sample - 1)
        return OUTBOX_OK;
    return obx_error_set(error, OUTBOX_E_REJECTED,
                         "event id '%.*s' is not a UUID, like %s; if the table has other ids, name its column, "
                         "columns: {event_id: NAME}",
                         outbox_cut_bytes((struct outbox_bytes){id, size}, 60), id, sample);
}

/* Add the batch. Afterwards no event points into the text. */
static int flush(struct reader *reader, struct outbox_error *error)
{
    const struct outbox_event *events[OBX_ADD_BATCH];
    int status = OUTBOX_OK;
    for (uint32_t i = 0; i < reader->count; i++)
        events[i] = &reader->parsed[i].event;
    if (reader->count)
        status = obx_add_events(reader->oneshot, events, reader->count, error);
    if (status)
        obx_error_wrap(error, "add lines %" PRIu64 " to %" PRIu64, reader->first_line, reader->line);
    else
        reader->added += reader->count;
    for (uint32_t i = 0; i < reader->count; i++)
        obx_ndjson_free(&reader->parsed[i]);
    reader->count = 0;
    if (reader->consumed)
        memmove(reader->text.data, reader->text.data + reader->consumed, reader->text.size - reader->consumed);
    reader->text.size -= reader->consumed;
    reader->consumed = 0;
    return status;
}

/* Append more input. The text may move, so no parsed event may point into it. */
static int fill(struct reader *reader, struct outbox_error *error)
{
    if (reader->text.size > MAX_LINE)
        return obx_error_set(error, OUTBOX_E_REJECTED, "line %" PRIu64 ": the line is longer than %zu MiB",
                             reader->line + 1, MAX_LINE >> 20);
    char *to = obx_buf_reserve(&reader->text, BLOCK);
    if (!to)
        return obx_error_no_memory(error);
    ssize_t got;
    do
        got = read(reader->fd, to, BLOCK);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return obx_error_set(error, OUTBOX_E_IO, "read events from stdin: %s", strerror(errno));
    reader->text.size += (size_t)got;
    reader->ended = got == 0;
    return OUTBOX_OK;
}

static bool is_blank(const char *line, size_t size)
{
    while (size && strchr(" \t\r", line[size - 1]))
        size--;
    return size == 0;
}

static int parse_line(struct reader *reader, const char *line, size_t size, struct outbox_error *error)
{
    reader->line++;
    if (is_blank(line, size))
        return OUTBOX_OK;
    struct outbox_error why;
    struct obx_parsed_event *parsed = &reader->parsed[reader->count];
    int refused = obx_ndjson_parse(line, size, parsed, &why);
    if (!refused && reader->uuids && (refused = obx_add_check_id(&parsed->event, &why)))
        obx_ndjson_free(parsed);
    if (refused) {
        uint64_t bad = reader->line--;
        int status = flush(reader, error);
        return status ? status : obx_error_set(error, why.code, "line %" PRIu64 ": %s", bad, why.text);
    }
    if (!reader->count++)
        reader->first_line = reader->line;
    return OUTBOX_OK;
}

/* Consume the next complete line of the text; false when there is none. */
static bool next_line(struct reader *reader, const char **line, size_t *size)
{
    *line = reader->text.data + reader->consumed;
    size_t left = reader->text.size - reader->consumed;
    size_t unsearched = left - reader->searched;
    const char *end = unsearched ? memchr(*line + reader->searched, '\n', unsearched) : NULL;
    if (!end && !(reader->ended && left)) {
        reader->searched = left;
        return false;
    }
    reader->searched = 0;
    *size = end ? (size_t)(end - *line) : left;
    reader->consumed += *size + (end != NULL);
    return true;
}

static int add_all(struct reader *reader, struct outbox_error *error)
{
    const char *line;
    size_t size;
    int status = OUTBOX_OK;
    while (!status) {
        if (reader->count == OBX_ADD_BATCH || reader->consumed > OBX_ADD_BATCH_BYTES)
            status = flush(reader, error);
        else if (next_line(reader, &line, &size))
            status = parse_line(reader, line, size, error);
        else if (reader->ended)
            return flush(reader, error);
        else if (!(status = flush(reader, error)))
            status = fill(reader, error);
    }
    return status;
}

int obx_add_lines(struct obx_oneshot *oneshot, int fd, bool uuids, uint64_t *added, struct outbox_error *error)
{
    struct reader *reader = obx_alloc(sizeof *reader);
    *added = 0;
    if (!reader)
        return obx_error_no_memory(error);
    reader->oneshot = oneshot;
    reader->fd = fd;
    reader->uuids = uuids;
    int status = fill(reader, error);
    if (!status)
        status = add_all(reader, error);
    *added = reader->added;
    for (uint32_t i = 0; i < reader->count; i++)
        obx_ndjson_free(&reader->parsed[i]);
    obx_buf_free(&reader->text);
    obx_free(reader);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/cli/add_lines.c - NDJSON from a descriptor into a store
 *
 * Lines are read in blocks and parsed in place; what was parsed waits in a batch that is one transaction. A bad line
 * ends the work, but what came before it goes in first, so that the caller can go on from the line that is named.
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
#define LONGEST_LINE ((size_t)256 << 20)

struct reader {
    struct obx_session *session;
    int fd;
    bool uuids;
    struct obx_buf text; /* read and not yet added; parsed events point into it */
    size_t taken;        /* bytes of text that belong to the batch */
    size_t searched;     /* bytes behind them that are known to hold no end of a line */
    bool ended;
    uint64_t line;       /* of the last parsed one */
    uint64_t first_line; /* of the batch */
    uint64_t added;
    uint32_t count;
    struct obx_parsed_event parsed[OBX_ADD_BATCH];
};

int obx_add_events(struct obx_session *session, const struct outbox_event *const *events, uint32_t count,
                   struct outbox_error *error)
{
    const struct outbox_add add = {.struct_size = sizeof add, .count = count, .events = events};
    obx_store_add(session->instance, obx_session_call(session), OBX_SESSION_TIMEOUT_MS, &add);
    int status = obx_session_wait(session, error);
    /* what the database finds invalid is the event, not the configuration */
    return status == OUTBOX_E_INVALID ? (error->code = OUTBOX_E_REJECTED) : status;
}

int obx_add_check_id(const struct outbox_event *event, struct outbox_error *error)
{
    static const char like[] = "0b9c1b5e-7d2f-4a55-9d0b-3a1f6e7c8d90";
    const char *id = event->event_id.data;
    size_t size = event->event_id.size, good = 0;
    if (!id)
        return OUTBOX_OK;
    while (good < size && good < sizeof like - 1 &&
           (like[good] == '-' ? id[good] == '-' : isxdigit((unsigned char)id[good])))
        good++;
    if (good == size && size == sizeof like - 1)
        return OUTBOX_OK;
    return obx_error_set(error, OUTBOX_E_REJECTED,
                         "event id '%.*s' is not a UUID, like %s; where the table has others, name its column, "
                         "columns: {event_id: NAME}",
                         (int)OBX_MIN(size, (size_t)60), id, like);
}

/* Add the batch; then nothing points into the text any more. */
static int flush(struct reader *reader, struct outbox_error *error)
{
    const struct outbox_event *events[OBX_ADD_BATCH];
    int status = OUTBOX_OK;
    for (uint32_t i = 0; i < reader->count; i++)
        events[i] = &reader->parsed[i].event;
    if (reader->count)
        status = obx_add_events(reader->session, events, reader->count, error);
    if (status)
        obx_error_wrap(error, "add lines %" PRIu64 " to %" PRIu64, reader->first_line, reader->line);
    else
        reader->added += reader->count;
    for (uint32_t i = 0; i < reader->count; i++)
        obx_ndjson_free(&reader->parsed[i]);
    reader->count = 0;
    if (reader->taken)
        memmove(reader->text.data, reader->text.data + reader->taken, reader->text.size - reader->taken);
    reader->text.size -= reader->taken;
    reader->taken = 0;
    return status;
}

/* More input behind what is there. Only while no parsed event points into the text: it may move. */
static int fill(struct reader *reader, struct outbox_error *error)
{
    if (reader->text.size > LONGEST_LINE)
        return obx_error_set(error, OUTBOX_E_REJECTED, "line %" PRIu64 ": longer than %zu MiB", reader->line + 1,
                             LONGEST_LINE >> 20);
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

static int take_line(struct reader *reader, const char *line, size_t size, struct outbox_error *error)
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

/* Take the next whole line of the text; false when there is none. */
static bool next_line(struct reader *reader, const char **line, size_t *size)
{
    *line = reader->text.data + reader->taken;
    size_t left = reader->text.size - reader->taken;
    size_t unseen = left - reader->searched;
    const char *end = unseen ? memchr(*line + reader->searched, '\n', unseen) : NULL;
    if (!end && !(reader->ended && left)) {
        reader->searched = left;
        return false;
    }
    reader->searched = 0;
    *size = end ? (size_t)(end - *line) : left;
    reader->taken += *size + (end != NULL);
    return true;
}

static int add_all(struct reader *reader, struct outbox_error *error)
{
    const char *line;
    size_t size;
    int status = OUTBOX_OK;
    while (!status) {
        if (reader->count == OBX_ADD_BATCH || reader->taken > OBX_ADD_BATCH_BYTES)
            status = flush(reader, error);
        else if (next_line(reader, &line, &size))
            status = take_line(reader, line, size, error);
        else if (reader->ended)
            return flush(reader, error);
        else if (!(status = flush(reader, error)))
            status = fill(reader, error);
    }
    return status;
}

int obx_add_lines(struct obx_session *session, int fd, bool uuids, uint64_t *added, struct outbox_error *error)
{
    struct reader *reader = obx_alloc(sizeof *reader);
    *added = 0;
    if (!reader)
        return obx_error_no_memory(error);
    reader->session = session;
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

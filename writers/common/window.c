/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/common/window.c - is this message a duplicate? And from where must the partition be read after a crash?
 *
 * A relay sends an event again only while its row is unsettled. Each message carries a low mark: no row below it will
 * be sent by this ownership, neither for the first time nor again. So the window is the events from the mark on. Happy
 * path, for each message:
 *
 *     a new ownership            its mark begins at zero; the highest of the marks before it is kept
 *     its id is in the window    duplicate
 *     below its own mark         an id chosen by hand: the inbox of level 1 decides
 *     below the mark of its ownership, or of a later one: duplicate
 *     below an older mark        such an id again, or one that is used again: level 1 decides
 *     else                       new: it enters the window
 *
 * The row needs no marks: the window is read again from the message that carried the highest mark, or from before it.
 *
 * Failure modes: see window.h. What a failed judge has changed is what the same message changes when it is read again.
 */
#include "window.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <outbox/plugin_util.h>

#include "window_position.h"
#include "window_set.h"

enum { SPAN_DEFAULT = 1000000 };

struct outbox_window {
    struct outbox_window_place place;
    char consumer[INBOX_CONSUMER_MAX + 1], topic[WINDOW_TOPIC_MAX + 1];
    int64_t saved;   /* next_offset of the row; -1: there is none. Earlier messages only fill the window */
    int64_t seek;    /* where reading begins */
    int64_t last;    /* the offset that was judged last */
    bool incomplete; /* nothing was judged yet, and the message at `seek` is in the window */
    struct window_set set;
};

struct window_attempt window_attempt(const char *what, const struct outbox_window_place *place)
{
    struct window_attempt attempt;
    snprintf(attempt.text, sizeof attempt.text, "%s of consumer %.*s for topic %.*s, partition %" PRId32, what,
             OUTBOX_CUT(place->consumer, 64), OUTBOX_CUT(place->topic, 80), place->partition);
    return attempt;
}

/* ---- open and close ---------------------------------------------------------------------------------------------- */

int window_check_place(const void *connection, const struct outbox_window_place *place, const void *window,
                       struct outbox_error *error)
{
    const char *fault = NULL;
    if (!connection || !place || !window || !place->consumer || !place->topic)
        fault = "the connection, place, consumer, topic or window is NULL";
    else if (place->struct_size < sizeof *place)
        fault = "struct_size is not that of struct outbox_window_place";
    else if (!inbox_name_is_valid(place->consumer, INBOX_CONSUMER_MAX) ||
             !inbox_name_is_valid(place->topic, WINDOW_TOPIC_MAX))
        fault = "a consumer has 1 to 64 printable ASCII characters without spaces, a topic 1 to 249";
    else if (place->partition < 0 || place->partition >= place->partitions || place->log_start < 0 ||
             place->log_end < place->log_start)
        fault = "partition is not below partitions, log_start is negative, or log_end is below log_start";
    return fault ? outbox_error_set(error, OUTBOX_E_INVALID, "open a window: %s", fault) : OUTBOX_OK;
}

/* False: it is no number from 0 to `most`. */
static bool read_cell(const char *text, int64_t null, int64_t most, int64_t *number)
{
    char *end = NULL;
    *number = text ? strtoll(text, &end, 10) : null;
    return !text || (end != text && !*end && *number >= 0 && *number <= most);
}

int window_read_row(const struct outbox_window_place *place, const char *const *cells, struct window_row *row,
                    struct outbox_error *error)
{
    int64_t fewest, most;
    if (!cells || !read_cell(cells[0], 0, INT32_MAX, &fewest) || !read_cell(cells[1], 0, INT32_MAX, &most) ||
        !read_cell(cells[2], -1, INT64_MAX, &row->next_offset) ||
        !read_cell(cells[3], -1, INT64_MAX, &row->window_offset) || row->window_offset > row->next_offset)
        return outbox_error_set(error, OUTBOX_E_SCHEMA,
                                "%s: the answer of the database is no row of an inbox; create the inbox with 'outbox "
                                "init --inbox'",
                                window_attempt("open the window", place).text);
    row->fewest = (int32_t)fewest;
    row->most = (int32_t)most;
    return OUTBOX_OK;
}

static int check_row(const struct outbox_window_place *place, const struct window_row *row, struct outbox_error *error)
{
    const struct window_attempt what = window_attempt("open the window", place);
    if (row->most && (row->fewest != place->partitions || row->most != place->partitions))
        return outbox_error_set(error, OUTBOX_E_UNSUPPORTED,
                                "%s: the topic has %" PRId32 " partitions, and had %" PRId32
                                "; an event that is sent again may be in another one now; if the outbox was drained "
                                "before, set partitions in outbox_inbox_position",
                                what.text, place->partitions,
                                row->fewest != place->partitions ? row->fewest : row->most);
    if (row->next_offset >= 0 && place->log_start > row->next_offset)
        return outbox_error_set(error, OUTBOX_E_NOT_FOUND,
                                "%s: the broker has removed offsets %" PRId64 " to %" PRId64
                                ", which were not applied; to skip them, delete the row of outbox_inbox_position",
                                what.text, row->next_offset, place->log_start - 1);
    if (place->log_end < row->next_offset)
        return outbox_error_set(error, OUTBOX_E_NOT_FOUND,
                                "%s: the partition ends at offset %" PRId64 ", and offsets up to %" PRId64
                                " were applied; the topic was made again, or it is of another cluster; stop the "
                                "consumers and delete the rows of the topic in outbox_inbox_position",
                                what.text, place->log_end, row->next_offset - 1);
    return OUTBOX_OK;
}

int window_new(const struct outbox_window_place *place, const struct window_row *row, struct outbox_window **window,
               struct outbox_error *error)
{
    int code = check_row(place, row, error);
    struct outbox_window *made = code ? NULL : calloc(1, sizeof *made);
    if (!made)
        return code ? code : outbox_error_set(error, OUTBOX_E_NO_MEMORY, "open a window: out of memory");
    made->place = *place;
    made->place.span = place->span ? place->span : SPAN_DEFAULT;
    made->place.consumer =
        memcpy(made->consumer, place->consumer, strlen(place->consumer)); /* their sizes are checked */
    made->place.topic = memcpy(made->topic, place->topic, strlen(place->topic));
    made->saved = row->next_offset;
    made->incomplete = row->window_offset >= place->log_start && row->window_offset < row->next_offset;
    made->seek = row->window_offset > place->log_start ? row->window_offset : place->log_start;
    made->last = made->seek - 1;
    *window = made;
    return OUTBOX_OK;
}

void outbox_window_close(struct outbox_window *window)
{
    if (window)
        window_set_free(&window->set);
    free(window);
}

int64_t outbox_window_seek(const struct outbox_window *window)
{
    return window->seek;
}

/* ---- a message --------------------------------------------------------------------------------------------------- */

struct message {
    int64_t offset;
    struct window_header header;
    uint8_t id[INBOX_ID_SIZE];
};

#define FAIL(window, code, offset, format, ...)                      \
    outbox_error_set(error, code, "%s, offset %" PRId64 ": " format, \
                     window_attempt("judge a message", &(window)->place).text, offset, __VA_ARGS__)

static int check_offset(const struct outbox_window *window, int64_t offset, struct outbox_error *error)
{
    if (offset <= window->last)
        return FAIL(window, OUTBOX_E_INVALID, offset, "it is not after offset %" PRId64 "; open the window again",
                    window->last);
    if (window->incomplete && offset != window->seek)
        return FAIL(window, OUTBOX_E_UNSUPPORTED, offset,
                    "the window begins with offset %" PRId64
                    ", which was not read; read from outbox_window_seek() on; a compacted topic needs level 1",
                    window->seek);
    return OUTBOX_OK;
}

static int parse(const struct outbox_window *window, struct message *message, struct outbox_bytes position,
                 struct outbox_bytes id, struct outbox_error *error)
{
    if (!position.data)
        return FAIL(window, OUTBOX_E_UNSUPPORTED, message->offset,
                    "it has no header %s; set route: { position: true } at its relay, or use level 1",
                    OUTBOX_WINDOW_HEADER);
    if (!window_header_parse(position, &message->header))
        return FAIL(window, OUTBOX_E_CORRUPT, message->offset, "its header %s is '%.*s', and not what a relay sends",
                    OUTBOX_WINDOW_HEADER, position.size < 80 ? (int)position.size : 80, (const char *)position.data);
    return inbox_parse_id(window->consumer, &id, 0, message->id, error);
}

/* A source that was silent for a whole span is forgotten; one that still sends holds an event back. */
static int check_span(struct outbox_window *window, int64_t offset, struct outbox_error *error)
{
    const struct window_event *first;
    while ((first = window_set_first(&window->set)) && offset - first->offset > window->place.span) {
        if (offset - first->source->last <= window->place.span)
            return FAIL(window, OUTBOX_E_FULL, offset,
                        "its relay has held back an event at or after position %" PRIx64 " for %" PRIu32
                        " messages; raise span, or use level 1",
                        first->source->low.major, window->place.span);
        window_set_forget(&window->set, first->source);
    }
    return OUTBOX_OK;
}

/* ---- judge ------------------------------------------------------------------------------------------------------- */

static struct outbox_position highest_mark(const struct window_source *source)
{
    return window_before(source->low, source->older) ? source->older : source->low;
}

static void note_marks(struct window_source *source, const struct message *message)
{
    const struct window_header *header = &message->header;
    source->last = message->offset;
    if (header->epoch < source->epoch)
        return; /* a relay that was suspended: the present owner has the higher mark */
    if (header->epoch > source->epoch || header->nonce != source->nonce) {
        source->older = highest_mark(source);
        source->low = (struct outbox_position){0, 0};
        source->epoch = header->epoch;
        source->nonce = header->nonce;
    }
    window_raise(&source->low, header->low);
    if (!window_before(header->low, highest_mark(source)))
        source->marked = message->offset;
}

static enum outbox_window_verdict verdict_by_marks(const struct window_source *source,
                                                   const struct window_header *header)
{
    bool late = header->epoch < source->epoch;
    if (window_before(header->position, header->low))
        return OUTBOX_WINDOW_BY_ID;
    if (window_before(header->position, late ? highest_mark(source) : source->low))
        return OUTBOX_WINDOW_DUPLICATE;
    return window_before(header->position, source->older) ? OUTBOX_WINDOW_BY_ID : OUTBOX_WINDOW_NEW;
}

/* An event that another source sends again, as after a failover, is settled by that one. */
static void note_repeat(struct window_event *event, struct window_source *source, struct outbox_position position)
{
    if (event->source != source)
        event->position = position;
    event->source = source;
    window_raise(&event->position, position);
}

static int judge(struct outbox_window *window, const struct message *message, enum outbox_window_verdict *verdict,
                 struct outbox_error *error)
{
    struct window_source *source =
        window_set_source(&window->set, message->header.source, message->offset - window->place.span);
    if (!source)
        return FAIL(window, OUTBOX_E_UNSUPPORTED, message->offset,
                    "over %d outboxes have sent to this partition within %" PRIu32 " messages; use level 1",
                    WINDOW_SOURCES, window->place.span);
    if (!window_set_reserve(&window->set))
        return FAIL(window, OUTBOX_E_NO_MEMORY, message->offset, "out of memory for %" PRIu32 " events",
                    window->set.count);
    note_marks(source, message);
    struct window_event *event = window_set_find(&window->set, message->id);
    struct window_event added = {.position = message->header.position, .offset = message->offset, .source = source};
    memcpy(added.id, message->id, sizeof added.id);
    *verdict = event ? OUTBOX_WINDOW_DUPLICATE : verdict_by_marks(source, &message->header);
    if (event)
        note_repeat(event, source, message->header.position);
    else if (*verdict == OUTBOX_WINDOW_NEW)
        window_set_add(&window->set, &added);
    return OUTBOX_OK;
}

int outbox_window_judge(struct outbox_window *window, int64_t offset, struct outbox_bytes position,
                        struct outbox_bytes event_id, enum outbox_window_verdict *verdict, struct outbox_error *error)
{
    struct message message = {.offset = offset};
    enum outbox_window_verdict judged = OUTBOX_WINDOW_DUPLICATE;
    *verdict = OUTBOX_WINDOW_DUPLICATE;
    int code = check_offset(window, offset, error);
    if (!code)
        code = parse(window, &message, position, event_id, error);
    if (!code)
        code = check_span(window, offset, error);
    if (!code)
        code = judge(window, &message, &judged, error);
    if (code)
        return code;
    window->incomplete = false;
    window->last = offset;
    if (offset >= window->saved)
        *verdict = judged;
    return OUTBOX_OK;
}

/* ---- save -------------------------------------------------------------------------------------------------------- */

const struct outbox_window_place *window_place(const struct outbox_window *window)
{
    return &window->place;
}

int64_t window_saved(const struct outbox_window *window)
{
    return window->saved;
}

/* The first event that may come again, or the highest mark of a source that is not forgotten. */
static int64_t begin_of_window(struct outbox_window *window, int64_t end)
{
    const struct window_event *first = window_set_first(&window->set);
    int64_t begin = first ? first->offset : end;
    for (int i = 0; i < WINDOW_SOURCES; i++) {
        const struct window_source *source = &window->set.sources[i];
        if (source->used && source->marked < begin && end - source->marked <= window->place.span)
            begin = source->marked;
    }
    return begin;
}

bool window_to_save(struct outbox_window *window, struct window_row *row)
{
    row->next_offset = window->last + 1;
    row->window_offset = begin_of_window(window, row->next_offset);
    return row->next_offset > window->saved && window->last >= window->seek;
}

void window_set_saved(struct outbox_window *window, const struct window_row *row)
{
    window->saved = row->next_offset;
}

int window_fenced(const struct outbox_window *window, struct outbox_error *error)
{
    return outbox_error_set(error, OUTBOX_E_FENCED,
                            "%s: its row is not at offset %" PRId64 ": another consumer reads this partition, or the "
                            "last transaction was not committed; roll back and open the window again",
                            window_attempt("save the window", &window->place).text, window->saved);
}

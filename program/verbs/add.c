/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/add.c - outbox add: put events into the outbox, for trying things out and for shell scripts
 *
 * The exit code tells what became of the events, and of nothing else: whoever sees a failure adds them again, and if
 * they were in, they would be there twice. So an output that cannot be written is told on stderr and changes no code.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "cli/add_lines.h"
#include "cli/exit_code.h"
#include "cli/ndjson.h"

enum { TYPE = 1, AGGREGATE_TYPE, AGGREGATE_ID, PAYLOAD, EVENT_ID, HEADERS, NULL_PAYLOAD, NDJSON };

struct request {
    const char *type, *aggregate_type, *aggregate_id, *payload, *event_id, *headers;
    bool null_payload, ndjson;
};

static struct outbox_bytes bytes_of(const char *text)
{
    return text ? (struct outbox_bytes){text, strlen(text)} : (struct outbox_bytes){0};
}

static void take(struct request *request, int option)
{
    switch (option) {
    case TYPE:
        request->type = optarg;
        break;
    case AGGREGATE_TYPE:
        request->aggregate_type = optarg;
        break;
    case AGGREGATE_ID:
        request->aggregate_id = optarg;
        break;
    case PAYLOAD:
        request->payload = optarg;
        break;
    case EVENT_ID:
        request->event_id = optarg;
        break;
    case HEADERS:
        request->headers = optarg;
        break;
    case NULL_PAYLOAD:
        request->null_payload = true;
        break;
    case NDJSON:
        request->ndjson = true;
        break;
    }
}

/* 0, or the exit code after saying what is wrong with the command line. */
static int check_request(const struct obx_verb *verb, const struct request *request)
{
    if (request->ndjson) {
        if (request->type || request->aggregate_type || request->aggregate_id || request->payload ||
            request->event_id || request->headers || request->null_payload)
            return obx_args_refuse(verb, "--ndjson takes all that describes an event from stdin");
        return 0;
    }
    const char *missing = !request->aggregate_type ? "--aggregate-type"
                          : !request->aggregate_id ? "--aggregate-id"
                          : !request->type         ? "--type"
                                                   : NULL;
    if (missing)
        return obx_args_refuse(verb, "%s is missing", missing);
    if (request->payload && request->null_payload)
        return obx_args_refuse(verb, "--null and a payload exclude each other");
    return 0;
}

static int read_stdin(struct obx_buf *text, struct outbox_error *error)
{
    for (;;) {
        char *to = obx_buf_reserve(text, 65536);
        if (!to)
            return obx_error_no_memory(error);
        ssize_t got = read(STDIN_FILENO, to, 65536);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return obx_error_set(error, OUTBOX_E_IO, "read the payload from stdin: %s", strerror(errno));
        if (got == 0)
            return OUTBOX_OK;
        text->size += (size_t)got;
    }
}

/* Not every database looks at it, and an event with bad headers could never be published. */
static int check_headers(const char *text, struct outbox_error *error)
{
    json_error_t why = {0};
    json_t *headers = text ? json_loads(text, JSON_REJECT_DUPLICATES, &why) : NULL;
    bool fine = !text || json_is_object(headers);
    json_decref(headers);
    return fine ? OUTBOX_OK
                : obx_error_set(error, OUTBOX_E_REJECTED,
                                "--headers must be a JSON object, like '{\"tenant\": \"a\"}': %s",
                                why.text[0] ? obx_ndjson_fault(&why) : "it is another kind of value");
}

/* In the tables of `outbox init` an event id is a UUID, which not every database sees to; where the section names the
 * column it is the table's own, and the database decides. */
static bool wants_uuids(struct obx_app *app, const char *relay)
{
    const struct obx_section *section, *columns;
    struct outbox_error ignored;
    if (obx_app_relay_section(app->config, relay, &section, &ignored) ||
        obx_section_child(section, "store", &section, &ignored))
        return true;
    while (obx_section_has(section, "wraps")) /* under decorators */
        if (obx_section_child(section, "wraps", &section, &ignored))
            return true;
    return obx_section_child(section, "columns", &columns, &ignored) || !obx_section_has(columns, "event_id");
}

static int add_one(struct obx_session *session, const struct request *request, bool uuids, struct outbox_error *error)
{
    struct obx_buf text = {0};
    struct outbox_event event = {.struct_size = sizeof event,
                                 .event_id = bytes_of(request->event_id),
                                 .aggregate_type = bytes_of(request->aggregate_type),
                                 .aggregate_id = bytes_of(request->aggregate_id),
                                 .type = bytes_of(request->type),
                                 .payload = bytes_of(request->payload),
                                 .headers = bytes_of(request->headers)};
    const struct outbox_event *const events[] = {&event};
    int status = check_headers(request->headers, error);
    if (!status && uuids)
        status = obx_add_check_id(&event, error);
    if (!status && request->payload && !strcmp(request->payload, "-")) {
        status = read_stdin(&text, error);
        event.payload = (struct outbox_bytes){obx_buf_text(&text), text.size};
    }
    if (!status)
        status = obx_add_events(session, events, 1, error);
    obx_buf_free(&text);
    return status;
}

static void say_unheard(const struct request *request, uint64_t added, int why)
{
    fprintf(stderr, "outbox add: write to stdout: %s; ", strerror(why));
    if (request->event_id)
        fprintf(stderr, "event %s is in the outbox all the same: do not add it again\n", request->event_id);
    else if (added == 1)
        fputs("the event is in the outbox all the same: do not add it again\n", stderr);
    else
        fprintf(stderr, "%" PRIu64 " events are in the outbox%s\n", added,
                added ? " all the same: do not add them again" : "");
}

/* Not by stdio, whose buffer would be tried once more at the end. */
static void say_added(const char *relay, const struct request *request, uint64_t added)
{
    if (dprintf(STDOUT_FILENO, "%s: added %" PRIu64 " event%s\n", relay, added, added == 1 ? "" : "s") < 0)
        say_unheard(request, added, errno);
}

static int add(struct obx_app *app, void *arg, struct outbox_error *error)
{
    const struct request *request = arg;
    const char *relay;
    struct obx_session session;
    uint64_t added = 0;
    int status = obx_app_one_relay(app, &relay, error);
    if (!status)
        status = obx_session_open(&session, app, relay, OUTBOX_STORE, error);
    if (status)
        return status;
    status = obx_session_needs(&session, OUTBOX_CAP_ADMIN, "add events", error);
    if (!status)
        status = obx_session_start(&session, OUTBOX_STORE, error);
    if (!status && request->ndjson)
        status = obx_add_lines(&session, STDIN_FILENO, wants_uuids(app, relay), &added, error);
    else if (!status && !(status = add_one(&session, request, wants_uuids(app, relay), error)))
        added = 1;
    obx_session_close(&session);
    if (!status || request->ndjson)
        say_added(relay, request, added);
    return status;
}

static int run(const struct obx_verb *verb, int argc, char **argv)
{
    static const struct option options[] = {OBX_ARGS_COMMON,
                                            {"type", required_argument, NULL, TYPE},
                                            {"aggregate-type", required_argument, NULL, AGGREGATE_TYPE},
                                            {"aggregate-id", required_argument, NULL, AGGREGATE_ID},
                                            {"payload", required_argument, NULL, PAYLOAD},
                                            {"event-id", required_argument, NULL, EVENT_ID},
                                            {"headers", required_argument, NULL, HEADERS},
                                            {"null", no_argument, NULL, NULL_PAYLOAD},
                                            {"ndjson", no_argument, NULL, NDJSON},
                                            {0}};
    struct obx_args args = {.verb = verb, .options = options, .argc = argc, .argv = argv};
    struct request request = {0};
    int found, count;
    while ((found = obx_args_next(&args)) != -1)
        take(&request, found);
    char **rest = obx_args_rest(&args, 0, 1, &count);
    if (args.finished)
        return args.exit;
    if (count && strcmp(rest[0], "-"))
        return obx_args_refuse(verb, "unexpected argument '%s'", rest[0]);
    if (count && !request.ndjson)
        request.payload = "-";
    int refused = check_request(verb, &request);
    if (refused)
        return refused;
    return obx_app_do(&args, add, &request);
}

const struct obx_verb obx_verb_add = {
    "add",
    "put events into the outbox",
    "[-c FILE] [--relay NAME] --aggregate-type A --aggregate-id K --type T [--payload P | - | --null]\n"
    "       outbox add [-c FILE] [--relay NAME] --ndjson < FILE",
    "  --aggregate-type A  what the event is about, e.g. order; routes it\n"
    "  --aggregate-id K    which one; the key, within which order is kept\n"
    "  --type T            what happened, e.g. placed\n"
    "  --payload P         what is published; - reads it from stdin; without it there is none: a tombstone\n"
    "  --null              the same, said aloud\n"
    "  --headers JSON      an object of further headers\n"
    "  --event-id UUID     default: a new one. Where `columns` names the column for it: what that takes\n"
    "  --ndjson            events from stdin, one JSON object a line with aggregatetype, aggregateid, type,\n"
    "                      payload, headers and event_id; a payload that is not a string is its JSON text.\n"
    "                      A bad line ends it; the events of the lines before stay, so go on with that line\n",
    run,
    false};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/add.c - outbox add: put events into the outbox, for experiments and shell scripts
 *
 * The exit code reports whether the events were committed, and nothing else: after a failure callers add them again,
 * and committed events would then be there twice. So a failed write to stdout goes to stderr and does not change the
 * code.
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
#include "plugin/section.h"
#include "verbs/verbs.h"

enum { TYPE = 1, AGGREGATE_TYPE, AGGREGATE_ID, PAYLOAD, EVENT_ID, HEADERS, NULL_PAYLOAD, NDJSON };

struct request {
    const char *type, *aggregate_type, *aggregate_id, *payload, *event_id, *headers;
    bool null_payload, ndjson;
};

static struct outbox_bytes bytes_of(const char *text)
{
    return text ? (struct outbox_bytes){text, strlen(text)} : (struct outbox_bytes){0};
}

static void set_option(struct request *request, int option)
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

/* 0, or the exit code after printing what is wrong with the command line. */
static int check_request(const struct obx_verb *verb, const struct request *request)
{
    if (request->ndjson) {
        if (request->type || request->aggregate_type || request->aggregate_id || request->payload ||
            request->event_id || request->headers || request->null_payload)
            return obx_args_refuse(
                verb, "--ndjson reads whole events from stdin; it excludes options that describe one event");
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

/* Not every database validates JSON, and an event with invalid headers could never be published. */
static int check_headers(const char *text, struct outbox_error *error)
{
    json_error_t why = {0};
    json_t *headers = text ? json_loads(text, JSON_REJECT_DUPLICATES, &why) : NULL;
    bool valid = !text || json_is_object(headers);
    json_decref(headers);
    return valid ? OUTBOX_OK
                 : obx_error_set(error, OUTBOX_E_REJECTED,
                                 "--headers must be a JSON object, like '{\"tenant\": \"a\"}': %s",
                                 why.text[0] ? obx_ndjson_explain(&why) : "it is another type of value");
}

/* In the tables of `outbox init` event ids are UUIDs, and not every database enforces it. If `columns` names the column
 * of the event id, the table is the user's, and the database decides. */
static bool requires_uuids(struct obx_context *context, const char *relay)
{
    const struct obx_section *section, *columns;
    if (obx_relay_section(context->config, relay, &section, NULL) ||
        obx_section_child(section, "store", &section, NULL))
        return true;
    section = obx_plugin_section_innermost(section);
    return !section || obx_section_child(section, "columns", &columns, NULL) || !obx_section_has(columns, "event_id");
}

static int read_payload(const struct request *request, struct obx_buf *text, struct outbox_bytes *payload,
                        struct outbox_error *error)
{
    *payload = bytes_of(request->payload);
    if (!request->payload || strcmp(request->payload, "-"))
        return OUTBOX_OK;
    int status = read_stdin(text, error);
    *payload = (struct outbox_bytes){obx_buf_text(text), text->size};
    return status;
}

static int add_one(struct obx_oneshot *oneshot, const struct request *request, bool uuids, struct outbox_error *error)
{
    struct obx_buf text = {0};
    struct outbox_event event = {.struct_size = sizeof event,
                                 .event_id = bytes_of(request->event_id),
                                 .aggregate_type = bytes_of(request->aggregate_type),
                                 .aggregate_id = bytes_of(request->aggregate_id),
                                 .type = bytes_of(request->type),
                                 .headers = bytes_of(request->headers)};
    const struct outbox_event *const events[] = {&event};
    int status = check_headers(request->headers, error);
    if (!status && uuids)
        status = obx_add_check_id(&event, error);
    if (!status)
        status = read_payload(request, &text, &event.payload, error);
    if (!status)
        status = obx_add_events(oneshot, events, 1, error);
    obx_buf_free(&text);
    return status;
}

static void report_failed_output(const struct request *request, uint64_t added, int why)
{
    fprintf(stderr, "outbox add: write to stdout: %s; ", strerror(why));
    if (request->event_id)
        fprintf(stderr, "event %s is in the outbox: do not add it again\n", request->event_id);
    else if (added == 1)
        fputs("the event is in the outbox: do not add it again\n", stderr);
    else
        fprintf(stderr, "%" PRIu64 " events are in the outbox%s\n", added, added ? ": do not add them again" : "");
}

/* Without stdio, which would try its buffer again at exit. */
static void report_added(const char *relay, const struct request *request, uint64_t added)
{
    if (dprintf(STDOUT_FILENO, "%s: added %" PRIu64 " event%s\n", relay, added, added == 1 ? "" : "s") < 0)
        report_failed_output(request, added, errno);
}

static int add(struct obx_context *context, void *arg, struct outbox_error *error)
{
    const struct request *request = arg;
    const char *relay;
    struct obx_oneshot oneshot;
    uint64_t added = 0;
    int status = obx_context_single_relay(context, &relay, error);
    if (!status)
        status = obx_oneshot_open(&oneshot, context, relay, OUTBOX_STORE, error);
    if (status)
        return status;
    status = obx_oneshot_require(&oneshot, OUTBOX_CAP_ADMIN, "add events", error);
    if (!status)
        status = obx_oneshot_start(&oneshot, OUTBOX_STORE, error);
    if (!status && request->ndjson)
        status = obx_add_lines(&oneshot, STDIN_FILENO, requires_uuids(context, relay), &added, error);
    else if (!status && !(status = add_one(&oneshot, request, requires_uuids(context, relay), error)))
        added = 1;
    obx_oneshot_close(&oneshot);
    if (!status || request->ndjson)
        report_added(relay, request, added);
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
        set_option(&request, found);
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
    return obx_context_run(&args, add, &request);
}

const struct obx_verb obx_verb_add = {
    "add",
    "put events into the outbox",
    "[-c FILE] [--relay NAME] --aggregate-type A --aggregate-id K --type T [--payload P | - | --null]\n"
    "       outbox add [-c FILE] [--relay NAME] --ndjson < FILE",
    "  --aggregate-type A  type of the entity that changed, e.g. order; by default it names the topic\n"
    "  --aggregate-id K    which entity; the key: events of one key keep their order\n"
    "  --type T            what happened, e.g. placed\n"
    "  --payload P         the message value; - reads it from stdin; without a payload: a tombstone\n"
    "  --null              explicitly no payload: a tombstone\n"
    "  --headers JSON      additional headers, a JSON object\n"
    "  --event-id UUID     default: a new UUID. If `columns` names its column: any value of the column's type\n"
    "  --ndjson            read events from stdin, one JSON object per line with aggregatetype, aggregateid,\n"
    "                      type, payload, headers and event_id; a payload that is not a string is sent as\n"
    "                      its JSON text. An invalid line ends the verb; events of the lines before it are\n"
    "                      committed, so continue with that line\n",
    run,
    false};

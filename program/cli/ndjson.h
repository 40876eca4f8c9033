/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/cli/ndjson.h - one line of JSON to one event
 *
 *     {"aggregatetype":"order","aggregateid":"7","type":"placed","payload":{"total":12.50},"headers":{"by":"web"}}
 *
 * payload: a string is its text; any other value is the text of the value exactly as it stands in the line; null or
 * absent is null. headers: an object. event_id: a string, optional. Unknown names are refused.
 */
#ifndef OBX_PROGRAM_CLI_NDJSON_H
#define OBX_PROGRAM_CLI_NDJSON_H

#include <jansson.h>
#include <outbox/plugin.h>

struct obx_parsed_event {
    struct outbox_event event; /* points into what follows, and into the line for raw values */
    void *document;            /* private */
};

/* Why jansson refused a text, in words of a user. */
const char *obx_ndjson_fault(const json_error_t *why);

/* line must stay in place as long as the event. Errors: REJECTED, with a text that does not name the line. */
int obx_ndjson_parse(const char *line, size_t size, struct obx_parsed_event *parsed, struct outbox_error *error);
void obx_ndjson_free(struct obx_parsed_event *parsed);

#endif

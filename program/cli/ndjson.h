/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/cli/ndjson.h - one line of JSON to one event
 *
 *     {"aggregatetype":"order","aggregateid":"7","type":"placed","payload":{"total":12.50},"headers":{"by":"web"}}
 *
 * payload: of a string its text; of any other value its JSON text, byte for byte as in the line; null if absent or
 * null. headers: an object. event_id: a string, optional. Unknown names are errors.
 */
#ifndef OBX_PROGRAM_CLI_NDJSON_H
#define OBX_PROGRAM_CLI_NDJSON_H

#include <jansson.h>
#include <outbox/plugin.h>

struct obx_parsed_event {
    struct outbox_event event; /* points into `document`, and into the line for raw values */
    void *document;            /* private */
};

/* Why jansson refused a text, for a user. */
const char *obx_ndjson_explain(const json_error_t *why);

/* `line` must outlive the event. Errors: REJECTED; the text does not name the line number. */
int obx_ndjson_parse(const char *line, size_t size, struct obx_parsed_event *parsed, struct outbox_error *error);
void obx_ndjson_free(struct obx_parsed_event *parsed);

#endif

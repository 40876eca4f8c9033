/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/add_lines.h - NDJSON from a descriptor into a store, many events in one transaction */
#ifndef OBX_PROGRAM_CLI_ADD_LINES_H
#define OBX_PROGRAM_CLI_ADD_LINES_H

#include "cli/oneshot.h"

#define OBX_ADD_BATCH 500u
#define OBX_ADD_BATCH_BYTES (4u << 20)

/* OUTBOX_OK if the event has no id, or its id is a UUID; else REJECTED. */
int obx_add_check_id(const struct outbox_event *event, struct outbox_error *error);
/* Add the events of `fd`, one a line. uuids: event ids must be UUIDs. *added counts the committed events, also on
 * failure: all lines before the line that the error names, and none from it on. */
int obx_add_lines(struct obx_oneshot *oneshot, int fd, bool uuids, uint64_t *added, struct outbox_error *error);
/* Add events in one transaction. Errors: REJECTED for an event that the database refuses, and those of the store. */
int obx_add_events(struct obx_oneshot *oneshot, const struct outbox_event *const *events, uint32_t count,
                   struct outbox_error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/add_lines.h - NDJSON from a descriptor into a store, many events in one transaction */
#ifndef OBX_PROGRAM_CLI_ADD_LINES_H
#define OBX_PROGRAM_CLI_ADD_LINES_H

#include "cli/oneshot.h"

#define OBX_ADD_BATCH 500u
#define OBX_ADD_BATCH_BYTES (4u << 20)

/* OUTBOX_OK if the event has no id, or one that is a UUID; else REJECTED. */
int obx_add_check_id(const struct outbox_event *event, struct outbox_error *error);
/* uuids: ids must be. Every line before the one that the error names was added, none from it on; *added is how many,
 * also on failure. */
int obx_add_lines(struct obx_session *session, int fd, bool uuids, uint64_t *added, struct outbox_error *error);
int obx_add_events(struct obx_session *session, const struct outbox_event *const *events, uint32_t count,
                   struct outbox_error *error);

#endif

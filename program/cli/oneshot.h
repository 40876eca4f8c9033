/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/oneshot.h - embed/oneshot.h for a relay of the verb's configuration */
#ifndef OBX_PROGRAM_CLI_ONESHOT_H
#define OBX_PROGRAM_CLI_ONESHOT_H

#include "cli/context.h"
#include "embed/oneshot.h"

#define OBX_ONESHOT_TIMEOUT_MS 30000u

/* Make the instance; no I/O. After a failure there is nothing to close. */
int obx_oneshot_open(struct obx_oneshot *oneshot, struct obx_context *context, const char *relay, enum outbox_kind kind,
                     struct outbox_error *error);

/* Open a store, read its status, close it. Unknown numbers are -1, also after a failure. rows: a check with
 * OUTBOX_CHECK_ROWS in the same session, whose failure is ignored; NULL: none. */
int obx_oneshot_store_status(struct obx_context *context, const char *relay, struct outbox_store_status *status,
                             const struct outbox_check *rows, struct outbox_error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/cli/oneshot.h - one store or broker, for verbs that run a few operations one after another and end
 *
 * Submit an operation with obx_store_...() or obx_broker_...() and obx_oneshot_call(), then wait for it:
 *
 *     obx_store_status(oneshot.instance, obx_oneshot_call(&oneshot), OBX_ONESHOT_TIMEOUT_MS, &status);
 *     if (obx_oneshot_wait(&oneshot, error)) ...
 *
 * One operation at a time. Loop thread; waiting runs the loop.
 */
#ifndef OBX_PROGRAM_CLI_ONESHOT_H
#define OBX_PROGRAM_CLI_ONESHOT_H

#include "plugin/instance.h"
#include "cli/context.h"

#define OBX_ONESHOT_TIMEOUT_MS 30000u

struct obx_oneshot {
    struct obx_context *context;
    struct obx_instance *instance;
    struct obx_call call;
    struct outbox_error result;
    bool done;
    bool started;
};

/* Make the instance; no I/O. After a failure there is nothing to close. */
int obx_oneshot_open(struct obx_oneshot *oneshot, struct obx_context *context, const char *relay, enum outbox_kind kind,
                     struct outbox_error *error);
/* The same for the section of any plugin, such as a transform. */
int obx_oneshot_open_section(struct obx_oneshot *oneshot, struct obx_context *context, const char *relay,
                             const struct obx_section *section, enum outbox_kind kind, struct outbox_error *error);
/* Connect a broker, or a store for administration. */
int obx_oneshot_start(struct obx_oneshot *oneshot, enum outbox_kind kind, struct outbox_error *error);
/* Connect a broker for obx_broker_check() only: it changes nothing there. */
int obx_oneshot_start_probe(struct obx_oneshot *oneshot, struct outbox_error *error);
/* Connect a store as a relay does, with the columns of its route. It does not acquire the outbox. */
int obx_oneshot_start_columns(struct obx_oneshot *oneshot, const struct obx_columns *columns,
                              struct outbox_error *error);
/* Stop if started, and free. */
void obx_oneshot_close(struct obx_oneshot *oneshot);

struct obx_call *obx_oneshot_call(struct obx_oneshot *oneshot);
int obx_oneshot_wait(struct obx_oneshot *oneshot, struct outbox_error *error);

/* OUTBOX_OK, or UNSUPPORTED with a text that names the store and `what`. */
int obx_oneshot_require(const struct obx_oneshot *oneshot, uint64_t caps, const char *what, struct outbox_error *error);

/* Open a store, read its status, close it. Unknown numbers are -1, also after a failure. rows: a check with
 * OUTBOX_CHECK_ROWS in the same session, whose failure is ignored; NULL: none. */
int obx_oneshot_store_status(struct obx_context *context, const char *relay, struct outbox_store_status *status,
                             const struct outbox_check *rows, struct outbox_error *error);

#endif

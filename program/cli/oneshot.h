/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/cli/oneshot.h - one store or broker of the configuration, used step by step
 *
 * For verbs that do a few operations and end. Operations are submitted with obx_store_...() and obx_broker_...(),
 * giving session.call, and then waited for:
 *
 *     obx_store_status(session.instance, obx_session_call(&session), OBX_SESSION_TIMEOUT_MS, &status);
 *     if (obx_session_wait(&session, error)) ...
 */
#ifndef OBX_PROGRAM_CLI_ONESHOT_H
#define OBX_PROGRAM_CLI_ONESHOT_H

#include "plugin/instance.h"
#include "cli/context.h"

#define OBX_SESSION_TIMEOUT_MS 30000u

struct obx_session {
    struct obx_app *app;
    struct obx_instance *instance;
    struct obx_call call;
    struct outbox_error result;
    bool done;
    bool started;
};

/* Make the instance; no I/O. On failure nothing is to be closed. */
int obx_session_open(struct obx_session *session, struct obx_app *app, const char *relay, enum outbox_kind kind,
                     struct outbox_error *error);
/* Connect: a broker, or a store for administration only. */
int obx_session_start(struct obx_session *session, enum outbox_kind kind, struct outbox_error *error);
/* Connect a broker for obx_broker_check() alone, which changes nothing. */
int obx_session_start_to_probe(struct obx_session *session, struct outbox_error *error);
/* Connect a store as a relay does, which needs these columns; it owns nothing yet. */
int obx_session_start_columns(struct obx_session *session, const struct obx_columns *columns,
                              struct outbox_error *error);
/* Stop if started, and free. */
void obx_session_close(struct obx_session *session);

struct obx_call *obx_session_call(struct obx_session *session);
int obx_session_wait(struct obx_session *session, struct outbox_error *error);

/* OUTBOX_OK, or UNSUPPORTED with a text that names the store and what it lacks. */
int obx_session_needs(const struct obx_session *session, uint64_t caps, const char *what, struct outbox_error *error);

/* All of it: a session of its own, which asks a store what is in it. What is not known is -1, also after a failure. */
int obx_session_status(struct obx_app *app, const char *relay, struct outbox_store_status *status,
                       struct outbox_error *error);

#endif

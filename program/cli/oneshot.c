/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/oneshot.c - runs the loop until the one operation in flight is complete */
#include "cli/oneshot.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "loop/uv_loop.h"

int obx_session_open(struct obx_session *session, struct obx_app *app, const char *relay, enum outbox_kind kind,
                     struct outbox_error *error)
{
    const struct obx_section *section;
    memset(session, 0, sizeof *session);
    session->app = app;
    int status = obx_app_relay_section(app->config, relay, &section, error);
    if (!status)
        status = obx_section_child(section, kind == OUTBOX_STORE ? "store" : "broker", &section, error);
    if (status)
        return status;
    const struct obx_instance_setup setup = {
        .loop = app->loop, .registry = app->registry, .log = app->log, .relay = relay, .section = section};
    status = obx_instance_new(&setup, kind, &session->instance, error);
    if (status)
        obx_section_locate(section, error);
    return status;
}

static void note_done(struct obx_call *call, const struct outbox_error *error)
{
    struct obx_session *session = OBX_CONTAINER(call, struct obx_session, call);
    session->result = *error;
    session->done = true;
}

struct obx_call *obx_session_call(struct obx_session *session)
{
    session->done = false;
    session->call = (struct obx_call){.done = note_done};
    return &session->call;
}

int obx_session_wait(struct obx_session *session, struct outbox_error *error)
{
    while (!session->done)
        if (!obx_uv_loop_turn(session->app->loop) && !session->done)
            return obx_error_set(error, OUTBOX_E_BUG, "wait for %s: nothing is left that could complete it",
                                 obx_instance_name(session->instance));
    if (session->result.code)
        *error = session->result;
    return session->result.code;
}

static int finish_start(struct obx_session *session, struct outbox_error *error)
{
    int status = obx_session_wait(session, error);
    session->started = true; /* a start that failed is followed by stop all the same */
    return status;
}

int obx_session_start(struct obx_session *session, enum outbox_kind kind, struct outbox_error *error)
{
    /* no columns: nothing will be claimed, so the table need not be there yet */
    const struct outbox_store_start start = {.struct_size = sizeof start};
    if (kind == OUTBOX_STORE)
        obx_store_start(session->instance, obx_session_call(session), OBX_SESSION_TIMEOUT_MS, &start);
    else
        obx_broker_start(session->instance, obx_session_call(session), OBX_SESSION_TIMEOUT_MS);
    return finish_start(session, error);
}

int obx_session_start_to_probe(struct obx_session *session, struct outbox_error *error)
{
    obx_broker_start_to_probe(session->instance, obx_session_call(session), OBX_SESSION_TIMEOUT_MS);
    return finish_start(session, error);
}

int obx_session_start_columns(struct obx_session *session, const struct obx_columns *columns,
                              struct outbox_error *error)
{
    const struct outbox_store_start start = {
        .struct_size = sizeof start, .column_count = columns->count, .columns = columns->list};
    obx_store_start(session->instance, obx_session_call(session), OBX_SESSION_TIMEOUT_MS, &start);
    return finish_start(session, error);
}

void obx_session_close(struct obx_session *session)
{
    struct outbox_error ignored;
    if (session->instance && session->started) {
        obx_instance_stop(session->instance, obx_session_call(session), OBX_SESSION_TIMEOUT_MS);
        obx_session_wait(session, &ignored);
    }
    obx_instance_free(session->instance);
    memset(session, 0, sizeof *session);
}

int obx_session_needs(const struct obx_session *session, uint64_t caps, const char *what, struct outbox_error *error)
{
    if ((obx_instance_caps(session->instance) & caps) == caps)
        return OUTBOX_OK;
    return obx_error_set(error, OUTBOX_E_UNSUPPORTED, "%s: the store plugin '%s' does not offer it", what,
                         obx_instance_name(session->instance));
}

int obx_session_status(struct obx_app *app, const char *relay, struct outbox_store_status *status,
                       struct outbox_error *error)
{
    struct obx_session session;
    *status = (struct outbox_store_status){.struct_size = sizeof *status, .pending = -1, .oldest_us = -1, .dead = -1};
    int failed = obx_session_open(&session, app, relay, OUTBOX_STORE, error);
    if (failed)
        return failed;
    failed = obx_session_needs(&session, OUTBOX_CAP_ADMIN, "status", error);
    if (!failed)
        failed = obx_session_start(&session, OUTBOX_STORE, error);
    if (!failed) {
        obx_store_status(session.instance, obx_session_call(&session), OBX_SESSION_TIMEOUT_MS, status);
        failed = obx_session_wait(&session, error);
    }
    obx_session_close(&session);
    return failed;
}

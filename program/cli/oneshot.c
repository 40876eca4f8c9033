/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/oneshot.c - runs the loop until the operation in flight is complete */
#include "cli/oneshot.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "loop/uv_loop.h"
#include "plugin/registry.h"
#include "relay/settings.h"

static int open_section(struct obx_oneshot *oneshot, const struct obx_instance_setup *setup,
                        struct obx_context *context, enum outbox_kind kind, struct outbox_error *error)
{
    memset(oneshot, 0, sizeof *oneshot);
    oneshot->context = context;
    return obx_instance_new(setup, kind, &oneshot->instance, error);
}

int obx_oneshot_open_section(struct obx_oneshot *oneshot, struct obx_context *context, const char *relay,
                             const struct obx_section *section, enum outbox_kind kind, struct outbox_error *error)
{
    const struct obx_instance_setup setup = {
        .loop = context->loop, .registry = context->registry, .log = context->log, .relay = relay, .section = section};
    return open_section(oneshot, &setup, context, kind, error);
}

int obx_oneshot_open(struct obx_oneshot *oneshot, struct obx_context *context, const char *relay, enum outbox_kind kind,
                     struct outbox_error *error)
{
    struct obx_relay_settings settings = {0};
    struct obx_instance_setup setup = {
        .loop = context->loop, .registry = context->registry, .log = context->log, .relay = relay};
    int status = obx_relay_section(context->config, relay, &setup.section, error);
    if (!status)
        status = obx_relay_settings_parse(setup.section, &settings, error);
    if (!status)
        status = obx_section_child(setup.section, obx_kind_name(kind), &setup.section, error);
    setup.exactly_once = settings.delivery == OBX_EXACTLY_ONCE;
    return status ? status : open_section(oneshot, &setup, context, kind, error);
}

static void on_done(struct obx_call *call, const struct outbox_error *error)
{
    struct obx_oneshot *oneshot = OBX_CONTAINER(call, struct obx_oneshot, call);
    oneshot->result = *error;
    oneshot->done = true;
}

struct obx_call *obx_oneshot_call(struct obx_oneshot *oneshot)
{
    oneshot->done = false;
    oneshot->call = (struct obx_call){.done = on_done};
    return &oneshot->call;
}

int obx_oneshot_wait(struct obx_oneshot *oneshot, struct outbox_error *error)
{
    while (!oneshot->done)
        if (!obx_uv_loop_turn(oneshot->context->loop) && !oneshot->done)
            return obx_error_set(error, OUTBOX_E_BUG, "wait for %s: the event loop ended before the operation did",
                                 obx_instance_name(oneshot->instance));
    if (oneshot->result.code)
        *error = oneshot->result;
    return oneshot->result.code;
}

static int finish_start(struct obx_oneshot *oneshot, struct outbox_error *error)
{
    int status = obx_oneshot_wait(oneshot, error);
    oneshot->started = true; /* a failed start needs a stop, too */
    return status;
}

int obx_oneshot_start(struct obx_oneshot *oneshot, enum outbox_kind kind, struct outbox_error *error)
{
    /* without columns nothing can be claimed, so the table need not exist yet */
    const struct outbox_store_start start = {.struct_size = sizeof start};
    if (kind == OUTBOX_STORE)
        obx_store_start(oneshot->instance, obx_oneshot_call(oneshot), OBX_ONESHOT_TIMEOUT_MS, &start);
    else
        obx_broker_start(oneshot->instance, obx_oneshot_call(oneshot), OBX_ONESHOT_TIMEOUT_MS, &obx_no_outbox);
    return finish_start(oneshot, error);
}

int obx_oneshot_start_probe(struct obx_oneshot *oneshot, struct outbox_error *error)
{
    obx_broker_start_to_probe(oneshot->instance, obx_oneshot_call(oneshot), OBX_ONESHOT_TIMEOUT_MS);
    return finish_start(oneshot, error);
}

int obx_oneshot_start_columns(struct obx_oneshot *oneshot, const struct obx_columns *columns,
                              struct outbox_error *error)
{
    const struct outbox_store_start start = {
        .struct_size = sizeof start, .column_count = columns->count, .columns = columns->list};
    obx_store_start(oneshot->instance, obx_oneshot_call(oneshot), OBX_ONESHOT_TIMEOUT_MS, &start);
    return finish_start(oneshot, error);
}

void obx_oneshot_close(struct obx_oneshot *oneshot)
{
    struct outbox_error ignored;
    if (oneshot->instance && oneshot->started) {
        obx_instance_stop(oneshot->instance, obx_oneshot_call(oneshot), OBX_ONESHOT_TIMEOUT_MS);
        obx_oneshot_wait(oneshot, &ignored);
    }
    obx_instance_free(oneshot->instance);
    memset(oneshot, 0, sizeof *oneshot);
}

int obx_oneshot_require(const struct obx_oneshot *oneshot, uint64_t caps, const char *what, struct outbox_error *error)
{
    if ((obx_instance_caps(oneshot->instance) & caps) == caps)
        return OUTBOX_OK;
    return obx_error_set(error, OUTBOX_E_UNSUPPORTED, "%s: the store plugin '%s' does not support it", what,
                         obx_instance_name(oneshot->instance));
}

int obx_oneshot_store_status(struct obx_context *context, const char *relay, struct outbox_store_status *status,
                             const struct outbox_check *rows, struct outbox_error *error)
{
    struct obx_oneshot oneshot;
    struct outbox_error ignored;
    *status = (struct outbox_store_status){
        .struct_size = sizeof *status, .pending = -1, .oldest_us = -1, .dead = -1, .log_bytes = -1, .log_limit = -1};
    int failed = obx_oneshot_open(&oneshot, context, relay, OUTBOX_STORE, error);
    if (failed)
        return failed;
    failed = obx_oneshot_require(&oneshot, OUTBOX_CAP_ADMIN, "status", error);
    if (!failed)
        failed = obx_oneshot_start(&oneshot, OUTBOX_STORE, error);
    if (!failed) {
        obx_store_status(oneshot.instance, obx_oneshot_call(&oneshot), OBX_ONESHOT_TIMEOUT_MS, status);
        failed = obx_oneshot_wait(&oneshot, error);
    }
    if (!failed && rows && status->pending != 0) {
        obx_store_check(oneshot.instance, obx_oneshot_call(&oneshot), OBX_ONESHOT_TIMEOUT_MS, rows);
        obx_oneshot_wait(&oneshot, &ignored);
    }
    obx_oneshot_close(&oneshot);
    return failed;
}

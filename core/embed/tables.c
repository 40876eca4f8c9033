/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/embed/tables.c - creates the tables of an outbox, and counts its rows, without a relay
 *
 * Each call makes a store of its own on a loop of its own, and runs that loop on the caller's thread until the last
 * operation is complete. A relay of the same handle may run meanwhile: it shares only what was read in outbox_new().
 */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "embed/handle.h"
#include "loop/uv_loop.h"
#include "plugin/instance.h"

struct visit {
    struct obx_loop *loop;
    struct obx_instance *store;
    struct obx_call call;
    struct outbox_error result;
    uint32_t timeout_ms;
    bool done, started;
};

static void on_done(struct obx_call *call, const struct outbox_error *error)
{
    struct visit *visit = OBX_CONTAINER(call, struct visit, call);
    visit->result = *error;
    visit->done = true;
}

static struct obx_call *next(struct visit *visit)
{
    visit->done = false;
    visit->call = (struct obx_call){.done = on_done};
    return &visit->call;
}

static int wait_for(struct visit *visit, struct outbox_error *error)
{
    while (!visit->done)
        obx_uv_loop_turn(visit->loop);
    if (visit->result.code)
        *error = visit->result;
    return visit->result.code;
}

/* A store whose table is missing is started as far as setup needs it. */
static int begin(struct visit *visit, const struct outbox *handle, uint32_t timeout_ms, struct outbox_error *error)
{
    struct obx_instance_setup setup = {.registry = handle->registry, .log = &handle->log, .relay = handle->name};
    const struct outbox_store_start start = {.struct_size = sizeof start};
    *visit = (struct visit){.timeout_ms = timeout_ms};
    int status = obx_section_child(handle->section, "store", &setup.section, error);
    if (!status)
        status = obx_uv_loop_new(NULL, &visit->loop, error);
    setup.loop = visit->loop;
    if (!status)
        status = obx_instance_new(&setup, OUTBOX_STORE, &visit->store, error);
    if (!status && !(obx_instance_caps(visit->store) & OUTBOX_CAP_ADMIN))
        status =
            obx_error_set(error, OUTBOX_E_UNSUPPORTED, "the store %s has no tables", obx_instance_name(visit->store));
    if (status)
        return status;
    visit->started = true;
    obx_store_start(visit->store, next(visit), timeout_ms, &start);
    return wait_for(visit, error);
}

static void end(struct visit *visit)
{
    struct outbox_error ignored;
    if (visit->started) {
        obx_instance_stop(visit->store, next(visit), visit->timeout_ms);
        wait_for(visit, &ignored);
    }
    obx_instance_free(visit->store);
    if (visit->loop)
        obx_uv_loop_free(visit->loop, NULL, NULL);
}

int outbox_init(struct outbox *handle, uint32_t timeout_ms, struct outbox_error *error)
{
    struct outbox_error ignored;
    struct visit visit;
    error = error ? error : &ignored;
    int status = obx_handle_check(handle, "create the tables of relay", error);
    if (status)
        return status;
    status = begin(&visit, handle, timeout_ms, error);
    bool corrects = status == OUTBOX_E_NOT_FOUND || status == OUTBOX_E_SCHEMA; /* these are corrected by setup */
    if (!status || (visit.started && corrects)) {
        obx_store_setup(visit.store, next(&visit), 0); /* no timeout: a migration may take long */
        status = wait_for(&visit, error);
    }
    end(&visit);
    return status;
}

int outbox_backlog(struct outbox *handle, uint32_t timeout_ms, struct outbox_backlog *backlog,
                   struct outbox_error *error)
{
    struct outbox_error ignored;
    struct visit visit;
    error = error ? error : &ignored;
    int status = obx_handle_check(handle, "count the events of relay", error);
    if (status)
        return status;
    if (!backlog || backlog->struct_size < sizeof *backlog)
        return obx_error_set(error, OUTBOX_E_INVALID, "count the events of relay %s: set struct_size", handle->name);
    struct outbox_store_status found = {.struct_size = sizeof found, .pending = -1, .oldest_us = -1, .dead = -1};
    status = begin(&visit, handle, timeout_ms, error);
    if (!status) {
        obx_store_status(visit.store, next(&visit), timeout_ms, &found);
        status = wait_for(&visit, error);
    }
    end(&visit);
    backlog->pending = found.pending;
    backlog->oldest_us = found.oldest_us;
    backlog->dead = found.dead;
    return status;
}

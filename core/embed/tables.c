/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/embed/tables.c - checks an outbox, creates its tables, and counts its rows, without a relay
 *
 * Each call makes a loop and plugin instances of its own, and runs that loop on the caller's thread until the last
 * operation is complete. A relay of the same handle may run meanwhile: it shares only what was read in outbox_new().
 */
#include <outbox/plugin_util.h>

#include "base/error.h"
#include "embed/check_relay.h"
#include "embed/handle.h"
#include "embed/oneshot.h"
#include "loop/uv_loop.h"

static int open_loop(const struct outbox *handle, struct obx_relay_setup *setup, struct outbox_error *error)
{
    *setup = (struct obx_relay_setup){
        .registry = handle->registry, .log = &handle->log, .name = handle->name, .section = handle->section};
    return obx_uv_loop_new(NULL, &setup->loop, error);
}

static void close_loop(struct obx_relay_setup *setup)
{
    if (setup->loop)
        obx_uv_loop_free(setup->loop, NULL, NULL);
}

/* ---- with a store ------------------------------------------------------------------------------------------------ */

typedef int with_store(struct obx_oneshot *oneshot, void *arg, struct outbox_error *error);

static int run_with_store(const struct obx_relay_setup *setup, uint32_t timeout_ms, with_store *work, void *arg,
                          struct outbox_error *error)
{
    struct obx_oneshot oneshot;
    int status = obx_oneshot_open_part(&oneshot, setup, OUTBOX_STORE, timeout_ms, error);
    if (status)
        return status;
    status = obx_oneshot_require(&oneshot, OUTBOX_CAP_ADMIN, "tables", error);
    if (!status)
        status = work(&oneshot, arg, error);
    obx_oneshot_close(&oneshot);
    return status;
}

/* error is not NULL. */
static int visit_store(const struct outbox *handle, uint32_t timeout_ms, with_store *work, void *arg,
                       struct outbox_error *error)
{
    struct obx_relay_setup setup;
    int status = open_loop(handle, &setup, error);
    if (!status)
        status = run_with_store(&setup, timeout_ms, work, arg, error);
    close_loop(&setup);
    return status;
}

static int create_tables(struct obx_oneshot *oneshot, void *none, struct outbox_error *error)
{
    (void)none;
    return obx_oneshot_set_up(oneshot, obx_store_setup, error);
}

int outbox_init(struct outbox *handle, uint32_t timeout_ms, struct outbox_error *error)
{
    struct outbox_error ignored;
    error = error ? error : &ignored;
    int status = obx_handle_check(handle, "create the tables of relay", error);
    return status ? status : visit_store(handle, timeout_ms, create_tables, NULL, error);
}

static int read_status(struct obx_oneshot *oneshot, void *arg, struct outbox_error *error)
{
    int status = obx_oneshot_start(oneshot, OUTBOX_STORE, error);
    if (status)
        return status;
    obx_store_status(oneshot->instance, obx_oneshot_call(oneshot), oneshot->timeout_ms, arg);
    return obx_oneshot_wait(oneshot, error);
}

int outbox_backlog(struct outbox *handle, uint32_t timeout_ms, struct outbox_backlog *backlog,
                   struct outbox_error *error)
{
    struct outbox_error ignored;
    error = error ? error : &ignored;
    int status = obx_handle_check(handle, "count the events of relay", error);
    if (status)
        return status;
    if (!backlog || !OUTBOX_HAS_MEMBER(backlog, dead))
        return obx_error_set(error, OUTBOX_E_INVALID, "count the events of relay %s: set struct_size", handle->name);
    struct outbox_store_status found = {.struct_size = sizeof found, .pending = -1, .oldest_us = -1, .dead = -1};
    status = visit_store(handle, timeout_ms, read_status, &found, error);
    backlog->pending = found.pending;
    backlog->oldest_us = found.oldest_us;
    backlog->dead = found.dead;
    return status;
}

/* ---- the check --------------------------------------------------------------------------------------------------- */

struct check {
    const char *relay;
    void (*report)(void *arg, const char *part, const struct outbox_finding *finding); /* may be NULL */
    void *arg;
    struct outbox_error first; /* error among the findings; its code is that of its part */
    bool part_failed;
};

static void on_finding(void *arg, const char *part, const struct outbox_finding *finding)
{
    struct check *check = arg;
    const char *advice = finding->advice ? finding->advice : "";
    if (finding->severity >= OUTBOX_SEVERITY_ERROR && !check->first.code)
        obx_error_set(&check->first, OUTBOX_E_CONFIG, "check relay %s: %s: %s%s%s", check->relay, part, finding->reason,
                      *advice ? "; " : "", advice);
    if (check->report)
        check->report(check->arg, part, finding);
}

static void on_end(void *arg, int status)
{
    struct check *check = arg;
    if (status && !check->part_failed)
        check->first.code = status;
    check->part_failed |= status != OUTBOX_OK;
}

int outbox_check(struct outbox *handle, uint32_t timeout_ms,
                 void (*report)(void *arg, const char *part, const struct outbox_finding *finding), void *arg,
                 struct outbox_error *error)
{
    struct obx_relay_setup setup;
    char identity[160];
    int status = obx_handle_check(handle, "check relay", error);
    if (status)
        return status;
    struct check check = {.relay = handle->name, .report = report, .arg = arg};
    const struct obx_check_report to = {.finding = on_finding, .end = on_end, .arg = &check};
    const struct obx_check_relay request = {.setup = &setup, .report = &to, .timeout_ms = timeout_ms};
    status = open_loop(handle, &setup, &check.first);
    if (!status)
        obx_check_relay(&request, identity, &check.first);
    close_loop(&setup);
    if (check.first.code && error)
        *error = check.first;
    return check.first.code;
}

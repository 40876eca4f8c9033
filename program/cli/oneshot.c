/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/oneshot.c - opens a store or broker of a relay by its name */
#include "cli/oneshot.h"

int obx_oneshot_open(struct obx_oneshot *oneshot, struct obx_context *context, const char *relay, enum outbox_kind kind,
                     struct outbox_error *error)
{
    struct obx_relay_setup setup;
    int status = obx_context_setup(context, relay, &setup, error);
    return status ? status : obx_oneshot_open_part(oneshot, &setup, kind, OBX_ONESHOT_TIMEOUT_MS, error);
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

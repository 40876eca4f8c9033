/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/embed/check_transforms.c - would the transforms work?
 *
 * The sections are valid: the relay was made before. A transform without checks of its own gives no finding. One that
 * fails does not keep the next one from being checked.
 */
#include "embed/check_transforms.h"

#include <outbox/text_util.h>
#include <stdio.h>

#include "config/config.h"
#include "embed/oneshot.h"

static int run_check(struct obx_oneshot *oneshot, struct obx_check_part *part, struct outbox_error *error)
{
    const struct outbox_check check = {.struct_size = sizeof check, .report = obx_check_part_report, .arg = part};
    obx_transform_check(oneshot->instance, obx_oneshot_call(oneshot), oneshot->timeout_ms, &check);
    int status = obx_oneshot_wait(oneshot, error);
    if (status == OUTBOX_E_UNSUPPORTED)
        status = error->code = OUTBOX_OK; /* the plugin has no checks */
    return status;
}

static void check_one(const struct obx_check_relay *request, const struct obx_section *section, const char *name)
{
    char part_name[80];
    struct obx_oneshot oneshot;
    struct outbox_error error = {0};
    snprintf(part_name, sizeof part_name, "transform %.*s", OUTBOX_CUT(name, 60));
    struct obx_check_part part = {.report = request->report, .name = part_name};
    if (!obx_oneshot_open_section(&oneshot, request->setup, section, OUTBOX_TRANSFORM, request->timeout_ms, &error)) {
        run_check(&oneshot, &part, &error);
        obx_oneshot_close(&oneshot);
    }
    request->report->end(request->report->arg, obx_check_part_status(&part, &error));
}

void obx_check_transforms(const struct obx_check_relay *request)
{
    const struct obx_section *all, *one;
    const char *name;
    struct outbox_error ignored; /* the section was read before */
    if (obx_section_child(request->setup->section, "transforms", &all, &ignored))
        return;
    for (uint32_t i = 0; (name = obx_section_key(all, i)); i++)
        if (!obx_section_child(all, name, &one, &ignored))
            check_one(request, one, name);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/check_transforms.c - would the transforms work?
 *
 * The sections are valid: the relay was made before. A transform without checks of its own gives no line. One that
 * fails does not keep the next one from being checked.
 */
#include "verbs/check_transforms.h"

#include <stdio.h>

#include "cli/oneshot.h"

static int run_check(struct obx_oneshot *oneshot, struct obx_findings_part *part, struct outbox_error *error)
{
    const struct outbox_check check = {.struct_size = sizeof check, .report = obx_findings_report, .arg = part};
    obx_transform_check(oneshot->instance, obx_oneshot_call(oneshot), OBX_ONESHOT_TIMEOUT_MS, &check);
    int status = obx_oneshot_wait(oneshot, error);
    if (status == OUTBOX_E_UNSUPPORTED)
        status = error->code = OUTBOX_OK; /* the plugin has no checks */
    return status;
}

static enum obx_exit check_one(struct obx_context *context, struct obx_findings *findings, const char *relay,
                               const struct obx_section *section, const char *name)
{
    char part_name[80];
    struct obx_oneshot oneshot;
    struct outbox_error error = {0};
    snprintf(part_name, sizeof part_name, "transform %.60s", name);
    struct obx_findings_part part = {.findings = findings, .relay = relay, .part = part_name};
    if (!obx_oneshot_open_section(&oneshot, context, relay, section, OUTBOX_TRANSFORM, &error)) {
        run_check(&oneshot, &part, &error);
        obx_oneshot_close(&oneshot);
    }
    return obx_findings_end(&part, &error);
}

enum obx_exit obx_check_transforms(struct obx_context *context, struct obx_findings *findings, const char *relay)
{
    const struct obx_section *section, *all, *one;
    const char *name;
    struct outbox_error error = {0};
    enum obx_exit code = OBX_EXIT_OK;
    if (obx_relay_section(context->config, relay, &section, &error) ||
        obx_section_child(section, "transforms", &all, &error))
        return obx_findings_fail(findings, relay, &error);
    for (uint32_t i = 0; (name = obx_section_key(all, i)); i++)
        if (!obx_section_child(all, name, &one, &error))
            code = obx_exit_worse(code, check_one(context, findings, relay, one, name));
    return code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* core/embed/check_part.c - passes findings on, and keeps the most important cause of the errors among them */
#include "embed/check_part.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* As `outbox check` orders the exit codes: what people have to change comes first. */
static int more_important(int first, int second)
{
    bool replaces = second == OUTBOX_E_CONFIG || (second == OUTBOX_E_PERMISSION && first != OUTBOX_E_CONFIG);
    return !first || replaces ? second : first;
}

/* A plugin may be older: it has set fewer members. */
void obx_check_part_report(void *arg, const struct outbox_finding *given)
{
    struct obx_check_part *part = arg;
    struct outbox_finding finding = {0};
    memcpy(&finding, given, OBX_MIN(sizeof finding, (size_t)given->struct_size));
    finding.struct_size = sizeof finding;
    if (!finding.reason)
        return;
    if (finding.severity >= OUTBOX_SEVERITY_ERROR)
        part->status = more_important(part->status, finding.code ? finding.code : OUTBOX_E_CONFIG);
    part->report->finding(part->report->arg, part->name, &finding);
}

void obx_check_part_add(struct obx_check_part *part, enum outbox_severity severity, const char *subject,
                        const char *advice, const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    const struct outbox_finding finding = {
        .struct_size = sizeof finding, .severity = severity, .subject = subject, .reason = text, .advice = advice};
    obx_check_part_report(part, &finding);
}

int obx_check_part_status(struct obx_check_part *part, const struct outbox_error *error)
{
    if (!error->code)
        return part->status;
    obx_check_part_add(part, OUTBOX_SEVERITY_ERROR, NULL, NULL, "%s", error->text);
    return error->code;
}

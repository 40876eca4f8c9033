/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/findings.c - prints findings, or collects them for one JSON object */
#include "cli/findings.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/escape.h"

static const char *severity_word(uint32_t severity)
{
    static const char *const words[] = {"ok", "warning", "error"};
    return words[severity < OBX_COUNT(words) ? severity : OBX_COUNT(words) - 1];
}

void obx_findings_open(struct obx_findings *findings, const char *verb, bool json)
{
    *findings = (struct obx_findings){.verb = verb, .list = json ? json_array() : NULL};
}

enum obx_exit obx_findings_close(struct obx_findings *findings, enum obx_exit code)
{
    if (!findings->list)
        return code;
    json_t *all = json_object();
    json_object_set_new(all, "exit_code", json_integer(code));
    json_object_set_new(all, "findings", findings->list);
    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
    findings->list = NULL;
    return code;
}

static json_t *text_or_null(const char *text)
{
    return text && *text ? obx_escape_json(text) : json_null();
}

static void collect(const struct obx_findings_part *part, const struct outbox_finding *finding)
{
    json_t *object = json_object();
    json_object_set_new(object, "relay", text_or_null(part->relay));
    json_object_set_new(object, "part", text_or_null(part->part));
    json_object_set_new(object, "severity", json_string(severity_word(finding->severity)));
    json_object_set_new(object, "subject", text_or_null(finding->subject));
    json_object_set_new(object, "reason", text_or_null(finding->reason));
    json_object_set_new(object, "advice", text_or_null(finding->advice));
    json_object_set_new(object, "command", text_or_null(finding->command));
    json_array_append_new(part->findings->list, object);
}

static void print(const struct obx_findings_part *part, const struct outbox_finding *finding)
{
    printf("%s %s: %s: ", part->relay, part->part, severity_word(finding->severity));
    obx_escape_text(stdout, finding->reason);
    if (finding->advice && *finding->advice) {
        fputs("; ", stdout);
        obx_escape_text(stdout, finding->advice);
    }
    putchar('\n');
    if (!finding->command || !*finding->command)
        return;
    fputs("    ", stdout);
    obx_escape_text(stdout, finding->command);
    putchar('\n');
}

void obx_findings_report(void *arg, const struct outbox_finding *given)
{
    struct obx_findings_part *part = arg;
    struct outbox_finding finding = {0};
    memcpy(&finding, given, OBX_MIN(sizeof finding, (size_t)given->struct_size));
    bool error = finding.severity >= OUTBOX_SEVERITY_ERROR;
    if (!finding.reason || (part->errors_only && !error))
        return;
    part->errors += error;
    if (part->findings->list)
        collect(part, &finding);
    else
        print(part, &finding);
}

void obx_findings_add(struct obx_findings_part *part, enum outbox_severity severity, const char *subject,
                      const char *advice, const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    const struct outbox_finding finding = {
        .struct_size = sizeof finding, .severity = severity, .subject = subject, .reason = text, .advice = advice};
    obx_findings_report(part, &finding);
}

enum obx_exit obx_findings_end(struct obx_findings_part *part, const struct outbox_error *error)
{
    if (!error->code)
        return part->errors ? OBX_EXIT_CONFIG : OBX_EXIT_OK;
    obx_findings_add(part, OUTBOX_SEVERITY_ERROR, NULL, NULL, "%s", error->text);
    return obx_exit_code(error->code);
}

enum obx_exit obx_findings_fail(struct obx_findings *findings, const char *relay, const struct outbox_error *error)
{
    struct obx_findings_part part = {.findings = findings, .relay = relay, .part = "configuration"};
    if (!findings->list)
        return obx_exit_report(findings->verb, error);
    obx_findings_add(&part, OUTBOX_SEVERITY_ERROR, NULL, NULL, "%s", error->text);
    return obx_exit_code(error->code);
}

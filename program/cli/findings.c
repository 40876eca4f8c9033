/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/findings.c - prints findings, or collects them for one JSON object */
#include "cli/findings.h"

#include <jansson.h>
#include <stdio.h>

#include "base/mem.h"
#include "cli/escape.h"

static const char *severity_word(uint32_t severity)
{
    static const char *const words[] = {"ok", "warning", "error"};
    return words[severity < OBX_COUNT(words) ? severity : OBX_COUNT(words) - 1];
}

static json_t *text_or_null(const char *text)
{
    return text && *text ? obx_escape_json(text) : json_null();
}

static void collect(const struct obx_findings *findings, const char *part, const struct outbox_finding *finding)
{
    json_t *object = json_object();
    json_object_set_new(object, "relay", text_or_null(findings->relay));
    json_object_set_new(object, "part", text_or_null(part));
    json_object_set_new(object, "severity", json_string(severity_word(finding->severity)));
    json_object_set_new(object, "subject", text_or_null(finding->subject));
    json_object_set_new(object, "reason", text_or_null(finding->reason));
    json_object_set_new(object, "advice", text_or_null(finding->advice));
    json_object_set_new(object, "command", text_or_null(finding->command));
    json_array_append_new(findings->list, object);
}

static void print(const struct obx_findings *findings, const char *part, const struct outbox_finding *finding)
{
    printf("%s %s: %s: ", findings->relay, part, severity_word(finding->severity));
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

static void on_finding(void *arg, const char *part, const struct outbox_finding *finding)
{
    const struct obx_findings *findings = arg;
    if (findings->errors_only && finding->severity < OUTBOX_SEVERITY_ERROR)
        return;
    if (findings->list)
        collect(findings, part, finding);
    else
        print(findings, part, finding);
}

static void on_end(void *arg, int status)
{
    struct obx_findings *findings = arg;
    findings->code = obx_exit_worse(findings->code, obx_exit_code(status));
}

void obx_findings_open(struct obx_findings *findings, const char *verb, bool json)
{
    *findings = (struct obx_findings){.report = {.finding = on_finding, .end = on_end, .arg = findings},
                                      .verb = verb,
                                      .list = json ? json_array() : NULL};
}

enum obx_exit obx_findings_close(struct obx_findings *findings)
{
    if (!findings->list)
        return findings->code;
    json_t *all = json_object();
    json_object_set_new(all, "exit_code", json_integer(findings->code));
    json_object_set_new(all, "findings", findings->list);
    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
    findings->list = NULL;
    return findings->code;
}

void obx_findings_fail(struct obx_findings *findings, const struct outbox_error *error)
{
    struct obx_check_part part = {.report = &findings->report, .name = "configuration"};
    if (findings->list)
        obx_check_part_status(&part, error);
    else
        obx_exit_report(findings->verb, error);
    on_end(findings, error->code);
}

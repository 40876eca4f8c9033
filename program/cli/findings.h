/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/cli/findings.h - what a verb found to be wrong or right, as text lines or as one JSON object
 *
 * As text each finding is printed at once: "RELAY PART: SEVERITY: REASON; ADVICE", and below it, indented, the command
 * to paste. Texts of servers are escaped. As JSON all are printed at the end. Loop thread.
 */
#ifndef OBX_PROGRAM_CLI_FINDINGS_H
#define OBX_PROGRAM_CLI_FINDINGS_H

#include <outbox/plugin.h>

#include "cli/exit_code.h"

struct json_t;

struct obx_findings {
    const char *verb;
    struct json_t *list; /* owned; NULL: text */
};

/* Findings about one part of one relay. */
struct obx_findings_part {
    struct obx_findings *findings;
    const char *relay;
    const char *part; /* "configuration", "store", "transform NAME", "broker" */
    bool errors_only; /* drop all others */
    uint32_t errors;  /* so far */
};

void obx_findings_open(struct obx_findings *findings, const char *verb, bool json);
/* Prints the JSON object, if that is the format, and frees. Returns `code`. */
enum obx_exit obx_findings_close(struct obx_findings *findings, enum obx_exit code);

/* The callback of struct outbox_check; arg: struct obx_findings_part. */
void obx_findings_report(void *arg, const struct outbox_finding *finding);
/* subject and advice may be NULL. */
void obx_findings_add(struct obx_findings_part *part, enum outbox_severity severity, const char *subject,
                      const char *advice, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The checks of the part are done; error: what ended them early, code 0: nothing. Reports it. Returns the exit code. */
enum obx_exit obx_findings_end(struct obx_findings_part *part, const struct outbox_error *error);
/* An error that kept the verb from looking further: of the configuration (as text on stderr, "outbox VERB: ...").
 * Returns its exit code. relay: NULL: of the whole file. */
enum obx_exit obx_findings_fail(struct obx_findings *findings, const char *relay, const struct outbox_error *error);

#endif

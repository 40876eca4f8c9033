/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/cli/findings.h - what a verb found to be wrong or right, as text lines or as one JSON object
 *
 * As text each finding is printed at once: "RELAY PART: SEVERITY: REASON; ADVICE", and below it, indented, the command
 * to paste. Texts of servers are escaped. As JSON all are printed at the end. Loop thread.
 */
#ifndef OBX_PROGRAM_CLI_FINDINGS_H
#define OBX_PROGRAM_CLI_FINDINGS_H

#include "cli/exit_code.h"
#include "embed/check_part.h"

struct json_t;

struct obx_findings {
    struct obx_check_report report; /* for the checks of a relay: findings come here, and set `code` */
    const char *verb;
    const char *relay;   /* that is checked now */
    bool errors_only;    /* drop all others */
    enum obx_exit code;  /* the most important one so far */
    struct json_t *list; /* owned; NULL: text */
};

/* The structure stays where it is until it is closed. */
void obx_findings_open(struct obx_findings *findings, const char *verb, bool json);
/* Prints the JSON object, if that is the format, and frees. Returns the exit code. */
enum obx_exit obx_findings_close(struct obx_findings *findings);

/* An error that kept the verb from looking further: of the configuration (as text on stderr, "outbox VERB: ...").
 * findings->relay: NULL: of the whole file. */
void obx_findings_fail(struct obx_findings *findings, const struct outbox_error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* core/embed/check_part.h - findings about one part of a relay: "store", "transform NAME" or "broker" */
#ifndef OBX_EMBED_CHECK_PART_H
#define OBX_EMBED_CHECK_PART_H

#include <outbox/plugin.h>

/* Where findings go. Loop thread. */
struct obx_check_report {
    void (*finding)(void *arg, const char *part, const struct outbox_finding *finding);
    /* The checks of a part are done. status: OUTBOX_OK; the cause of the findings that are errors; or what ended them
     * early. */
    void (*end)(void *arg, int status);
    void *arg;
};

struct obx_check_part {
    const struct obx_check_report *report;
    const char *name;
    int status; /* the most important cause of the errors so far: CONFIG, PERMISSION, others; OUTBOX_OK: none */
};

/* The callback of struct outbox_check; arg: struct obx_check_part. */
void obx_check_part_report(void *arg, const struct outbox_finding *finding);
/* subject and advice may be NULL. */
void obx_check_part_add(struct obx_check_part *part, enum outbox_severity severity, const char *subject,
                        const char *advice, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* error: what ended the checks early, which is a finding, too; code 0: nothing. Returns the status for end(), which it
 * does not call. */
int obx_check_part_status(struct obx_check_part *part, const struct outbox_error *error);

#endif

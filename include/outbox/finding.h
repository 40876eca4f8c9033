/* SPDX-License-Identifier: Apache-2.0 */
/* outbox/finding.h - what a check found: of a plugin (outbox/plugin.h), and of a relay (outbox/outbox.h) */
#ifndef OUTBOX_FINDING_H
#define OUTBOX_FINDING_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum outbox_severity {
    OUTBOX_SEVERITY_OK = 0,  /* works; or a fact that is worth knowing */
    OUTBOX_SEVERITY_WARNING, /* works, with a defect, or only for now */
    OUTBOX_SEVERITY_ERROR    /* an event is not published, not removed, or out of order: `outbox check` fails */
};

/* Texts are UTF-8 of any length on one line each, borrowed during report(). They may contain text of a server: who
 * prints them escapes them. */
struct outbox_finding {
    uint32_t struct_size;
    uint32_t severity;   /* enum outbox_severity */
    const char *subject; /* what it is about, by a name that the user knows: "table public.outbox", "topic orders" */
    const char *reason;  /* what there is, and what follows from it */
    const char *advice;  /* what to do; NULL: nothing, or `command` is enough */
    const char *command; /* one line that corrects it when it is pasted as it is, into an SQL client or a shell, names
                            quoted; NULL: there is none */
    int32_t code;        /* cause of an ERROR, which gives the result of the check: OUTBOX_E_PERMISSION,
                            OUTBOX_E_NOT_CONNECTED and others; 0: OUTBOX_E_CONFIG */
};

#ifdef __cplusplus
}
#endif
#endif

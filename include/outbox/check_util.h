/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/check_util.h - helpers for the check() of a plugin: its findings, and the topics that it looks at
 *
 *   outbox_report_finding   what was found
 *   outbox_report_failure   what failed, with its cause
 *   outbox_check_topic      the topics of the configuration and of pending events
 *   struct outbox_findings  findings of a worker
 *
 * Not part of the ABI: compiled into the plugin. Include outbox/plugin_util.h.
 */
#ifndef OUTBOX_CHECK_UTIL_H
#define OUTBOX_CHECK_UTIL_H

#include <outbox/plugin_util.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Report what check() found, without a command. advice may be NULL. Loop thread. */
static inline void outbox_report_finding(const struct outbox_check *check, enum outbox_severity severity,
                                         const char *subject, const char *reason, const char *advice)
{
    struct outbox_finding finding;
    memset(&finding, 0, sizeof finding);
    finding.struct_size = sizeof finding;
    finding.severity = severity;
    finding.subject = subject;
    finding.reason = reason;
    finding.advice = advice;
    check->report(check->arg, &finding);
}

/* Report what failed during check(), with its cause, as an ERROR. advice may be NULL. Loop thread. */
static inline void outbox_report_failure(const struct outbox_check *check, const char *subject,
                                         const struct outbox_error *error, const char *advice)
{
    struct outbox_finding finding;
    memset(&finding, 0, sizeof finding);
    finding.struct_size = sizeof finding;
    finding.severity = OUTBOX_SEVERITY_ERROR;
    finding.subject = subject;
    finding.reason = error->text;
    finding.advice = advice;
    finding.code = error->code;
    check->report(check->arg, &finding);
}

/* The index-th topic that check() is to look at; NULL past the last. pending: events for it wait in the outbox. */
static inline const char *outbox_check_topic(const struct outbox_check *check, uint32_t index, bool *pending)
{
    const char *const *list = check->topics;
    *pending = false;
    for (; list && *list; list++)
        if (!index--)
            return *list;
    *pending = true;
    for (list = check->pending_topics; list && *list; list++)
        if (!index--)
            return *list;
    return NULL;
}

/* ---- findings of check() from a worker --------------------------------------------------------------------------- */

struct outbox_found {
    struct outbox_found *next;
    enum outbox_severity severity;
    const char *advice; /* a literal, or NULL */
    char subject[288], text[480], command[480];
    int32_t code;
};

/* Collected on one thread, then reported on the loop thread. Zeroed, then host is set. */
struct outbox_findings {
    const struct outbox_host *host;
    struct outbox_found *first, *last; /* private */
    char subject[288];                 /* private, too */
};

/* What the findings to come are about. */
static inline void outbox_findings_about(struct outbox_findings *findings, const char *format, ...) OUTBOX_PRINTF(2, 3);
static inline void outbox_findings_about(struct outbox_findings *findings, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(findings->subject, sizeof findings->subject, format, list);
    va_end(list);
}

/* advice: a literal, or NULL. Without memory the finding is dropped, and the result is NULL. */
static inline struct outbox_found *outbox_find(struct outbox_findings *findings, enum outbox_severity severity,
                                               const char *advice, const char *format, ...) OUTBOX_PRINTF(4, 5);
static inline struct outbox_found *outbox_find(struct outbox_findings *findings, enum outbox_severity severity,
                                               const char *advice, const char *format, ...)
{
    struct outbox_found *found = (struct outbox_found *)findings->host->alloc(findings->host, sizeof *found);
    va_list list;
    if (!found)
        return NULL;
    memset(found, 0, sizeof *found);
    found->severity = severity;
    found->advice = advice;
    memcpy(found->subject, findings->subject, sizeof found->subject);
    va_start(list, format);
    vsnprintf(found->text, sizeof found->text, format, list);
    va_end(list);
    *(findings->last ? &findings->last->next : &findings->first) = found;
    findings->last = found;
    return found;
}

/* The cause of an error: OUTBOX_E_PERMISSION and others; found may be NULL. */
static inline void outbox_find_code(struct outbox_found *found, int32_t code)
{
    if (found)
        found->code = code;
}

/* A command that corrects it; found may be NULL. Half a command is worse than none. */
static inline void outbox_find_command(struct outbox_found *found, const char *format, ...) OUTBOX_PRINTF(2, 3);
static inline void outbox_find_command(struct outbox_found *found, const char *format, ...)
{
    va_list list;
    if (!found)
        return;
    va_start(list, format);
    if (vsnprintf(found->command, sizeof found->command, format, list) >= (int)sizeof found->command)
        found->command[0] = '\0';
    va_end(list);
}

/* Loop thread: reports and frees them. check NULL: only frees them. */
static inline void outbox_findings_report(struct outbox_findings *findings, const struct outbox_check *check)
{
    for (struct outbox_found *found; (found = findings->first);) {
        struct outbox_finding finding;
        memset(&finding, 0, sizeof finding);
        finding.struct_size = sizeof finding;
        finding.severity = found->severity;
        finding.subject = found->subject;
        finding.reason = found->text;
        finding.advice = found->advice;
        finding.command = found->command[0] ? found->command : NULL;
        finding.code = found->code;
        if (check)
            check->report(check->arg, &finding);
        findings->first = found->next;
        findings->host->release(findings->host, found);
    }
    findings->last = NULL;
}

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/plugin_util.h - helpers for plugins: error texts by printf, outcomes of a range of messages
 *
 * Not part of the ABI: the helpers are compiled into the plugin, which still links nothing of outbox. Any thread may
 * set an error; outcomes are reported on the loop thread.
 */
#ifndef OUTBOX_PLUGIN_UTIL_H
#define OUTBOX_PLUGIN_UTIL_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <outbox/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define OUTBOX_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define OUTBOX_PRINTF(text, first)
#endif

static inline int outbox_error_set(struct outbox_error *error, int code, const char *format, ...) OUTBOX_PRINTF(3, 4);
static inline int outbox_error_setv(struct outbox_error *error, int code, const char *format, va_list list)
    OUTBOX_PRINTF(3, 0);

/* Overwrite *error, which may be NULL. Returns the code, for `return outbox_error_set(...)`. A text that is too long is
 * cut between two characters of UTF-8. Set `native` and `state` after this call, which clears them. */
static inline int outbox_error_set(struct outbox_error *error, int code, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    outbox_error_setv(error, code, format, list);
    va_end(list);
    return code;
}

static inline int outbox_error_setv(struct outbox_error *error, int code, const char *format, va_list list)
{
    if (!error)
        return code;
    memset(error, 0, sizeof *error);
    error->code = code;
    if (vsnprintf(error->text, sizeof error->text, format, list) >= (int)sizeof error->text) {
        size_t end = sizeof error->text - 1;
        while (end && ((unsigned char)error->text[end - 1] & 0xc0) == 0x80)
            end--;
        if (end && (unsigned char)error->text[end - 1] >= 0xc0)
            end--;
        error->text[end] = '\0';
    }
    return code;
}

/* The error of a success, for callbacks whose error is never NULL. */
static inline const struct outbox_error *outbox_error_none(void)
{
    static const struct outbox_error none = {0, 0, "", ""};
    return &none;
}

/* Report one outcome (enum outbox_outcome) of the messages first .. first + count - 1 of a publish; count 0: no call.
 * error: why; NULL for OUTBOX_DELIVERED. Loop thread. */
static inline void outbox_report_outcomes(const struct outbox_host *host, outbox_op_t op, uint32_t first,
                                          uint32_t count, uint32_t outcome, const struct outbox_error *error)
{
    struct outbox_outcomes outcomes;
    if (!count)
        return;
    memset(&outcomes, 0, sizeof outcomes);
    outcomes.struct_size = sizeof outcomes;
    outcomes.outcome = outcome;
    outcomes.first = first;
    outcomes.count = count;
    outcomes.error = error;
    host->outcomes(host, op, &outcomes);
}

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/error.c - error values: one fixed block of text, set without allocating, so that reporting cannot fail */
#include "base/error.h"

#include <outbox/plugin_util.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *obx_error_text(int code)
{
    switch (code) {
#define TEXT(name, value, text) \
    case value:                 \
        return text;
        OUTBOX_ERRORS(TEXT)
#undef TEXT
    }
    return code ? "unknown error" : "success";
}

int obx_error_set(struct outbox_error *error, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    outbox_error_setv(error, code, format, args);
    va_end(args);
    return code;
}

int obx_error_no_memory(struct outbox_error *error)
{
    return obx_error_set(error, OUTBOX_E_NO_MEMORY, "out of memory");
}

void obx_error_wrap(struct outbox_error *error, const char *format, ...)
{
    if (!error || !error->code)
        return;
    char inner[sizeof error->text];
    memcpy(inner, error->text, sizeof inner);
    va_list args;
    va_start(args, format);
    int used = vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof error->text - 2)
        snprintf(error->text + used, sizeof error->text - (size_t)used, ": %.*s",
                 OUTBOX_CUT(inner, sizeof error->text - (size_t)used - 3));
}

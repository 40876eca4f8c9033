/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/log.c - formats messages for the embedder's log function */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void obx_log_write(const struct obx_log *log, enum outbox_log_level level, const char *subject, const char *format, ...)
{
    if (!obx_log_on(log, level))
        return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log->write(log->arg, level, subject, text);
}

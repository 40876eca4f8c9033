/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/log.h - log messages go to a function of the embedder; the library never writes to stderr */
#ifndef OBX_BASE_LOG_H
#define OBX_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>

#include <outbox/plugin.h>

struct obx_log {
    /* subject: the source, e.g. "orders store sqlite". Called on any thread. */
    void (*write)(void *arg, enum outbox_log_level level, const char *subject, const char *text);
    void *arg;
    _Atomic enum outbox_log_level level; /* less important messages are not formatted; may change at any time */
};

static inline bool obx_log_on(const struct obx_log *log, enum outbox_log_level level)
{
    return log && log->write && level <= atomic_load_explicit(&log->level, memory_order_relaxed);
}

void obx_log_write(const struct obx_log *log, enum outbox_log_level level, const char *subject, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif

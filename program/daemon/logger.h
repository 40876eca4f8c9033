/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/logger.h - the program's log, on a descriptor that may be slow or stuck
 *
 * A message that cannot be written at once is dropped and counted, so that nobody who reads our stderr badly can stop
 * the relay; the next message that gets through is preceded by the number of those that did not. Any thread.
 */
#ifndef OBX_PROGRAM_DAEMON_LOGGER_H
#define OBX_PROGRAM_DAEMON_LOGGER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/log.h"
#include "daemon/settings.h"

struct obx_logger;

int obx_logger_new(int fd, enum outbox_log_level level, enum obx_log_format format, struct obx_logger **logger,
                   struct outbox_error *error);
void obx_logger_free(struct obx_logger *logger);
void obx_logger_set(struct obx_logger *logger, enum outbox_log_level level, enum obx_log_format format);
const struct obx_log *obx_logger_log(struct obx_logger *logger); /* lives as long as the logger */
uint64_t obx_logger_dropped(struct obx_logger *logger);

/* One line, with its newline. Pure. wall_us: microseconds since 1970 UTC. */
void obx_logger_line(struct obx_buf *line, enum obx_log_format format, int64_t wall_us, enum outbox_log_level level,
                     const char *subject, const char *text);

#endif

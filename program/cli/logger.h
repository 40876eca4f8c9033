/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/cli/logger.h - the program's log, on a descriptor that may be slow or blocked
 *
 * Logging never blocks: a message that cannot be written at once is dropped and counted. The next message that can be
 * written is preceded by the number of dropped ones. Any thread.
 */
#ifndef OBX_PROGRAM_CLI_LOGGER_H
#define OBX_PROGRAM_CLI_LOGGER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/log.h"
#include "cli/settings.h"

struct obx_logger;

int obx_logger_new(int fd, enum outbox_log_level level, enum obx_log_format format, struct obx_logger **logger,
                   struct outbox_error *error);
void obx_logger_free(struct obx_logger *logger);
void obx_logger_set(struct obx_logger *logger, enum outbox_log_level level, enum obx_log_format format);
const struct obx_log *obx_logger_log(struct obx_logger *logger); /* lives as long as the logger */
uint64_t obx_logger_dropped(struct obx_logger *logger);

/* Append one line with its newline. Pure. wall_us: microseconds since 1970 UTC. */
void obx_logger_line(struct obx_buf *line, enum obx_log_format format, int64_t wall_us, enum outbox_log_level level,
                     const char *subject, const char *text);

#endif

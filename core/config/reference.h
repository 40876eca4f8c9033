/* SPDX-License-Identifier: Apache-2.0 */
/* core/config/reference.h - option tables for readers of docs/CONFIGURATION.md */
#ifndef OBX_CONFIG_REFERENCE_H
#define OBX_CONFIG_REFERENCE_H

#include <outbox/plugin.h>

#include "base/buf.h"

/* | Key | Type | Default | Meaning |, one row for each option. Failure is the buffer's. */
void obx_reference_markdown(struct obx_buf *buf, const struct outbox_option *options, uint32_t count, uint32_t stride);

#endif

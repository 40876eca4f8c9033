/* SPDX-License-Identifier: Apache-2.0 */
/* core/config/reference.h - option tables as Markdown, for docs/CONFIGURATION.md */
#ifndef OBX_CONFIG_REFERENCE_H
#define OBX_CONFIG_REFERENCE_H

#include <outbox/plugin.h>

#include "base/buf.h"

/* | Key | Type | Default | Meaning |, one row per option. Failure: see obx_buf_failed(). */
void obx_reference_markdown(struct obx_buf *buf, const struct outbox_option *options, uint32_t count, uint32_t stride);

#endif

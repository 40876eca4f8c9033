/*
 * core/config/reference.h - option tables for readers: Markdown for docs/CONFIGURATION.md, text and JSON for
 * `outbox plugins NAME`
 *
 * All append to a buffer, whose failure is theirs.
 */
#ifndef OBX_CONFIG_REFERENCE_H
#define OBX_CONFIG_REFERENCE_H

#include <outbox/plugin.h>

#include "base/json.h"

/* | Key | Type | Default | Meaning |, one row for each option */
void obx_reference_markdown(struct obx_buf *buf, const struct outbox_option *options, uint32_t count, uint32_t stride);
/* Two lines for each option: "  batch (number from 1 to 1000, default 500)" and its meaning */
void obx_reference_text(struct obx_buf *buf, const struct outbox_option *options, uint32_t count, uint32_t stride);
/* An array of objects: name, type, help, default, min, max, choices, required, secret, reloadable */
void obx_reference_json(struct obx_json *json, const struct outbox_option *options, uint32_t count, uint32_t stride);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/json.h - writes JSON strings, and checks texts; jansson writes whole documents */
#ifndef OBX_BASE_JSON_H
#define OBX_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Append a quoted string. Each invalid byte becomes U+FFFD; use obx_utf8_valid() first if that matters. */
void obx_json_quote(struct obx_buf *buf, const void *bytes, size_t size);

/* True for one value of any kind, in UTF-8, nested at most 512 deep. */
bool obx_json_valid(const void *bytes, size_t size);

#endif

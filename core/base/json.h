/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/json.h - text as a JSON string; whole documents are jansson's */
#ifndef OBX_BASE_JSON_H
#define OBX_BASE_JSON_H

#include <stddef.h>

#include "base/buf.h"

/* In quotes. Bytes that are no UTF-8 become U+FFFD each; check obx_utf8_valid() where that matters. */
void obx_json_quote(struct obx_buf *buf, const void *bytes, size_t size);

#endif

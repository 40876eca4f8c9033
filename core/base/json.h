/*
 * core/base/json.h - writing JSON onto a buffer; commas come by themselves
 *
 *     struct obx_json json = {.buf = &buf};
 *     obx_json_open(&json, '{');
 *     obx_json_key(&json, "pending");
 *     obx_json_int(&json, 7);
 *     obx_json_close(&json, '}');
 *
 * The writer does not check that the pieces make a whole: that is the caller's. Failure is the buffer's.
 */
#ifndef OBX_BASE_JSON_H
#define OBX_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct obx_json {
    struct obx_buf *buf;
    bool comma; /* what comes next stands behind something */
};

void obx_json_open(struct obx_json *json, char bracket);  /* '{' or '[' */
void obx_json_close(struct obx_json *json, char bracket); /* '}' or ']' */
void obx_json_key(struct obx_json *json, const char *name);
void obx_json_string(struct obx_json *json, const char *text); /* NULL: null */
/* Any bytes; each one that is not part of UTF-8 becomes U+FFFD. Check obx_utf8_valid() where that matters. */
void obx_json_bytes(struct obx_json *json, const void *bytes, size_t size);
void obx_json_int(struct obx_json *json, int64_t value);
void obx_json_uint(struct obx_json *json, uint64_t value);
void obx_json_bool(struct obx_json *json, bool value);
void obx_json_null(struct obx_json *json);
void obx_json_raw(struct obx_json *json, const char *text, size_t size); /* JSON already */

/* A string in quotes, alone, without the comma. */
void obx_json_quote(struct obx_buf *buf, const void *bytes, size_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/utf8.h - validates UTF-8; overlong forms, surrogates and values above U+10FFFF are invalid */
#ifndef OBX_BASE_UTF8_H
#define OBX_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

bool obx_utf8_valid(const void *bytes, size_t size);
size_t obx_utf8_prefix(const void *bytes, size_t size); /* number of valid bytes from the start */
size_t obx_utf8_length(const void *bytes, size_t size); /* of the valid character at the start; 0: invalid */
size_t obx_utf8_count(const void *bytes, size_t size);  /* characters; meaningless for invalid text */
/* True if the valid character at the start is U+0000 to U+001F or U+007F to U+009F; or changes the direction of what
 * follows (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069), or ends a line (U+2028, U+2029). */
bool obx_utf8_is_control(const void *character);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/utf8.h - is it UTF-8? Overlong forms, surrogates and values above U+10FFFF are not. */
#ifndef OBX_BASE_UTF8_H
#define OBX_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

bool obx_utf8_valid(const void *bytes, size_t size);
size_t obx_utf8_prefix(const void *bytes, size_t size); /* how many bytes are valid, counted from the first */
size_t obx_utf8_length(const void *bytes, size_t size); /* of the one valid character at the start; 0: there is none */
size_t obx_utf8_count(const void *bytes, size_t size);  /* characters; of what is not valid, anything */
/* Of the valid character at the start: U+0000 to U+001F, which are ASCII's, or U+007F to U+009F. */
bool obx_utf8_is_control(const void *character);

#endif

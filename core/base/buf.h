/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/base/buf.h - a growing byte buffer
 *
 * The first failed append is remembered: check obx_buf_failed() once at the end. The bytes are always followed by a NUL
 * that is not counted, so text can be used as a C string.
 */
#ifndef OBX_BASE_BUF_H
#define OBX_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct obx_buf {
    char *data; /* owned; NULL while empty */
    size_t size;
    size_t room;
    bool failed;
};

void obx_buf_free(struct obx_buf *buf);                  /* it is empty and usable again */
void obx_buf_clear(struct obx_buf *buf);                 /* keeps the memory */
char *obx_buf_reserve(struct obx_buf *buf, size_t more); /* room for `more` bytes at the end; NULL on failure */
void obx_buf_add(struct obx_buf *buf, const void *bytes, size_t size);
void obx_buf_puts(struct obx_buf *buf, const char *text);
void obx_buf_putc(struct obx_buf *buf, char c);
void obx_buf_printf(struct obx_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool obx_buf_failed(const struct obx_buf *buf);
const char *obx_buf_text(const struct obx_buf *buf); /* never NULL */

#endif

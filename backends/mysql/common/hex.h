/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/common/hex.h - values as hexadecimal digits
 *
 * Values of events are sent in this form, so no character set, SQL mode or quote can change them.
 */
#ifndef OBX_BACKENDS_MYSQL_COMMON_HEX_H
#define OBX_BACKENDS_MYSQL_COMMON_HEX_H

#include <outbox/plugin.h>

/* Two digits for each byte; no NUL after them. Returns the end. */
char *mys_hex(char *to, const void *from, size_t size);
/* Is it valid UTF-8, without overlong forms and surrogates? A null value is. */
bool mys_is_utf8(struct outbox_bytes value);

#endif

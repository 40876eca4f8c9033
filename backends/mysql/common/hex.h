/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/common/hex.h - values as hexadecimal digits
 *
 * What comes from an event goes into a statement like this: no character set, mode of the server or quote in it can
 * make anything else of it.
 */
#ifndef OBX_BACKENDS_MYSQL_COMMON_HEX_H
#define OBX_BACKENDS_MYSQL_COMMON_HEX_H

#include <outbox/plugin.h>

/* Two digits for each byte; no NUL after them. Returns the end. */
char *mys_hex(char *to, const void *from, size_t size);
/* Neither overlong forms nor surrogates. Null is. */
bool mys_is_utf8(struct outbox_bytes value);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/escape.h - prints text from outside so that a terminal does not act on control characters in it */
#ifndef OBX_PROGRAM_CLI_ESCAPE_H
#define OBX_PROGRAM_CLI_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Control characters (base/utf8.h) and invalid UTF-8 become \n, \t or \xNN. keep_lines: line ends and tabs stay as they
 * are. bytes may be NULL: prints nothing. */
void obx_escape(FILE *to, const void *bytes, size_t size, bool keep_lines);
void obx_escape_text(FILE *to, const char *text); /* on one line */
/* One line, for whatever has text of a server, a plugin or an event in it; the line end is added. A text of
 * 4096 bytes and more is cut. */
void obx_escape_line(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A JSON string of a text from outside: as it is, or escaped if it is not UTF-8; null without memory. Owned by the
 * caller. */
struct json_t *obx_escape_json(const char *text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/escape.h - prints text of events so that a terminal does not act on control characters in it */
#ifndef OBX_PROGRAM_CLI_ESCAPE_H
#define OBX_PROGRAM_CLI_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Control characters and invalid UTF-8 become \n, \t or \xNN. keep_lines: line ends and tabs stay as they are.
 * bytes may be NULL: prints nothing. */
void obx_escape(FILE *to, const void *bytes, size_t size, bool keep_lines);
void obx_escape_text(FILE *to, const char *text); /* on one line */

#endif

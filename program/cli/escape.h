/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/escape.h - text of events on a terminal, which must not obey it */
#ifndef OBX_PROGRAM_CLI_ESCAPE_H
#define OBX_PROGRAM_CLI_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Control characters, and bytes that are no UTF-8, become \n, \t or \xNN; with `lines` line ends
 * and tabs stay as they are. bytes may be NULL: nothing. */
void obx_show(FILE *to, const void *bytes, size_t size, bool lines);
void obx_show_text(FILE *to, const char *text); /* in one line */

#endif

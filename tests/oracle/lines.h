/* SPDX-License-Identifier: Apache-2.0 */
/* tests/oracle/lines.h - a text file, line by line */
#ifndef OBX_TESTS_ORACLE_LINES_H
#define OBX_TESTS_ORACLE_LINES_H

#include "events.h"

/* each: a line without its newline, and its number from 1; OUTBOX_OK continues. The bytes after the last newline are
 * not a line: their count is added to *unfinished, which may be NULL. */
int oracle_each_line(struct oracle *oracle, const char *path,
                     int (*each)(struct oracle *oracle, char *line, size_t size, uint64_t number,
                                 struct outbox_error *error),
                     uint64_t *unfinished, struct outbox_error *error);

#endif

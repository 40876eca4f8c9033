/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/mysql/statement.h - the INSERT as text
 *
 * Values go as hexadecimal digits, so neither a character set nor a mode of the server can change them. Text is marked
 * as utf8mb4, so the character set of the caller's connection does not matter; bytes that are not UTF-8 go unmarked,
 * which only a BLOB column accepts.
 */
#ifndef OBX_WRITERS_MYSQL_STATEMENT_H
#define OBX_WRITERS_MYSQL_STATEMENT_H

#include <outbox/event.h>

/* table: TABLE or DATABASE.TABLE. The caller frees the text. NULL: no memory. */
char *mys_insert_statement(const char *table, const struct outbox_event *const *events, uint32_t count, size_t *size);

#endif

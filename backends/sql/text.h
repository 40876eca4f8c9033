/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/text.h - statements as text, with names quoted the way of the dialect
 *
 * The first failure is remembered: check `failed` once at the end. The text always ends with a NUL.
 */
#ifndef OBX_BACKENDS_SQL_TEXT_H
#define OBX_BACKENDS_SQL_TEXT_H

#include "sql/memory.h"

enum obx_sql_dialect { OBX_SQL_POSTGRES = 0, OBX_SQL_MYSQL, OBX_SQL_SQLITE };

struct obx_sql_text {
    const struct outbox_host *host;
    enum obx_sql_dialect dialect;
    char *data; /* owned; NULL while nothing was appended */
    uint32_t size;
    uint32_t room;
    bool failed;
};

void obx_sql_text_free(struct obx_sql_text *text);
void obx_sql_text_clear(struct obx_sql_text *text);
void obx_sql_text_add(struct obx_sql_text *text, const char *bytes, size_t size);
void obx_sql_text_puts(struct obx_sql_text *text, const char *piece);
/* A name, quoted: "it""s" or `it``s`. */
void obx_sql_text_name(struct obx_sql_text *text, const char *name);
/* schema.table, each part quoted; schema may be NULL. */
void obx_sql_text_table(struct obx_sql_text *text, const char *schema, const char *table);
/* A string literal. Not for values of events, which are parameters. */
void obx_sql_text_literal(struct obx_sql_text *text, const char *value);
/* Digits. */
void obx_sql_text_int(struct obx_sql_text *text, int64_t value);
/* A template: %n a name, %l a literal, %s a piece of SQL as it is, %d an int, %% a percent sign. */
void obx_sql_text_format(struct obx_sql_text *text, const char *format, ...);

const char *obx_sql_text_get(const struct obx_sql_text *text); /* never NULL */
/* Line by line; the text is used up. */
void obx_sql_text_lines(struct obx_sql_text *text, void (*line)(void *arg, const char *text), void *arg);

#endif

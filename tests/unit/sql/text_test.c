/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/sql/text_test.c - statements, names, columns and errors */
#include <criterion/criterion.h>
#include <string.h>

#include "sql/columns.h"
#include <outbox/plugin_util.h>
#include "sql/text.h"
#include "sql_host.h"

Test(text, names_are_quoted_for_the_dialect)
{
    struct obx_sql_text text = {.host = &sql_host};
    obx_sql_text_table(&text, "my schema", "it\"s");
    cr_assert_str_eq(obx_sql_text_get(&text), "\"my schema\".\"it\"\"s\"");
    obx_sql_text_clear(&text);
    text.dialect = OBX_SQL_MYSQL;
    obx_sql_text_table(&text, NULL, "it`s");
    cr_assert_str_eq(obx_sql_text_get(&text), "`it``s`");
    obx_sql_text_free(&text);
    cr_assert_eq(sql_memory.live, 0);
}

Test(text, literals_escape_quotes)
{
    struct obx_sql_text text = {.host = &sql_host};
    obx_sql_text_literal(&text, "it's \\");
    cr_assert_str_eq(obx_sql_text_get(&text), "'it''s \\'");
    obx_sql_text_clear(&text);
    text.dialect = OBX_SQL_MYSQL;
    obx_sql_text_literal(&text, "it's \\");
    cr_assert_str_eq(obx_sql_text_get(&text), "'it''s \\\\'");
    obx_sql_text_free(&text);
}

Test(text, templates_hold_names_literals_pieces_and_numbers)
{
    struct obx_sql_text text = {.host = &sql_host};
    obx_sql_text_format(&text, "SELECT %n, %l FROM %s LIMIT %d -- 100%%", "a b", "x'y", "t", 7);
    cr_assert_str_eq(obx_sql_text_get(&text), "SELECT \"a b\", 'x''y' FROM t LIMIT 7 -- 100%");
    obx_sql_text_free(&text);
}

Test(text, failed_allocation_is_remembered_until_clear)
{
    struct obx_sql_text text = {.host = &sql_host};
    cr_assert_str_eq(obx_sql_text_get(&text), "");
    sql_memory.fail_at = 1;
    obx_sql_text_puts(&text, "SELECT ");
    obx_sql_text_puts(&text, "1");
    cr_assert(text.failed);
    cr_assert_str_eq(obx_sql_text_get(&text), "");
    obx_sql_text_clear(&text);
    obx_sql_text_puts(&text, "SELECT 1");
    cr_assert(!text.failed);
    cr_assert_str_eq(obx_sql_text_get(&text), "SELECT 1");
    obx_sql_text_free(&text);
    cr_assert_eq(sql_memory.live, 0);
}

Test(columns, logical_column_maps_to_its_configured_name)
{
    const struct outbox_pair pairs[] = {{"payload", "body"}, {"id", "seq"}};
    const struct outbox_map map = {pairs, 2};
    cr_assert_str_eq(obx_sql_column(&map, "payload"), "body");
    cr_assert_str_eq(obx_sql_column(&map, "type"), "type");
    cr_assert_null(obx_sql_columns_unknown(&map));
    const struct outbox_pair wrong[] = {{"payload", "body"}, {"pay", "x"}};
    cr_assert_str_eq(obx_sql_columns_unknown(&(struct outbox_map){wrong, 2}), "pay");
}

static void count_line(void *arg, const char *text)
{
    int *lines = arg;
    cr_assert_str_eq(text, ++*lines == 1 ? "CREATE" : *lines == 2 ? "" : "TABLE");
}

Test(text, text_is_reported_line_by_line)
{
    struct obx_sql_text sql = {.host = &sql_host};
    int lines = 0;
    obx_sql_text_lines(&sql, count_line, &lines);
    cr_assert_eq(lines, 0, "nothing has no lines");
    obx_sql_text_puts(&sql, "CREATE\n\nTABLE");
    obx_sql_text_lines(&sql, count_line, &lines);
    cr_assert_eq(lines, 3);
    cr_assert_str_eq(obx_sql_text_get(&sql), "");
    obx_sql_text_free(&sql);
}

Test(columns, table_name_may_have_a_schema)
{
    char schema[8], name[8];
    cr_assert(obx_sql_split_table("outbox", schema, name, 8));
    cr_assert(!strcmp(schema, "") && !strcmp(name, "outbox"));
    cr_assert(obx_sql_split_table("app.out", schema, name, 8));
    cr_assert(!strcmp(schema, "app") && !strcmp(name, "out"));
    cr_assert(!obx_sql_split_table("", schema, name, 8));
    cr_assert(!obx_sql_split_table(".outbox", schema, name, 8));
    cr_assert(!obx_sql_split_table("app.", schema, name, 8));
    cr_assert(!obx_sql_split_table("far_too_long", schema, name, 8));
}

Test(failure, long_text_is_cut_at_a_whole_character)
{
    struct outbox_error error;
    char text[OUTBOX_ERROR_TEXT_SIZE + 10];
    memset(text, 'x', sizeof text);
    memcpy(text + OUTBOX_ERROR_TEXT_SIZE - 2, "\xc3\xa9", 2); /* its second byte has no room */
    text[sizeof text - 1] = '\0';
    cr_assert_eq(outbox_error_set(&error, OUTBOX_E_IO, "%s", text), OUTBOX_E_IO);
    cr_assert_eq(strlen(error.text), OUTBOX_ERROR_TEXT_SIZE - 2);
    cr_assert_eq(outbox_error_set(NULL, OUTBOX_E_IO, "x"), OUTBOX_E_IO);
}

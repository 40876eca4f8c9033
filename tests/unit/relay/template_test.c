/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/template_test.c - templates: compiling, rendering, every value type */
#include <criterion/criterion.h>
#include <string.h>

#include "mem_fault.h"
#include "relay/template.h"

static struct outbox_value text(const char *value)
{
    return (struct outbox_value){.as.data = value, .size = (uint32_t)strlen(value), .type = OUTBOX_TEXT};
}

static void expect(const char *source, const struct outbox_value *row, const char *expected)
{
    struct obx_columns columns = {0};
    struct obx_template template_;
    struct obx_arena arena = {0};
    struct outbox_bytes out;
    struct outbox_error error = {0};
    cr_assert_eq(obx_columns_add(&columns, "a", 1, false, &error), 0);
    cr_assert_eq(obx_columns_add(&columns, "b", 1, false, &error), 1);
    cr_assert_eq(obx_template_compile(source, &columns, false, &template_, &error), 0, "%s", error.text);
    for (int again = 0; again < 2; again++) {
        cr_assert_eq(obx_template_render(&template_, row, &arena, &out), 0);
        if (!expected) {
            cr_assert_null(out.data);
        } else {
            cr_assert_eq(out.size, strlen(expected), "%.*s", (int)out.size, (const char *)out.data);
            cr_assert_arr_eq(out.data, expected, out.size);
        }
    }
    obx_arena_free(&arena);
    obx_arena_free(&columns.names);
    cr_assert_eq(mem_live(), 0);
}

Test(template, literals_and_columns_are_joined)
{
    struct outbox_value row[] = {text("Order"), text("7")};
    expect("outbox.event.${a}", row, "outbox.event.Order");
    expect("${a}", row, "Order");
    expect("${a}-${b}-x", row, "Order-7-x");
    expect("plain", row, "plain");
    expect("", row, "");
    expect("$${a}", row, "${a}");
    expect("cost $$${b}", row, "cost $7");
}

Test(template, null_alone_is_null_and_in_between_is_empty)
{
    struct outbox_value row[] = {{.type = OUTBOX_NULL}, text("7")};
    expect("${a}", row, NULL);
    expect("<${a}>", row, "<>");
}

Test(template, values_of_all_types_become_text)
{
    static const unsigned char uuid[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                           0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10};
    struct outbox_value row[] = {{.as.data = uuid, .size = 16, .type = OUTBOX_UUID},
                                 {.as.integer = -42, .type = OUTBOX_INT}};
    expect("${a}", row, "01234567-89ab-cdef-fedc-ba9876543210");
    expect("${b}", row, "-42");
    row[0] = (struct outbox_value){.as.integer = 1, .type = OUTBOX_BOOL};
    row[1] = (struct outbox_value){.as.real = 0.5, .type = OUTBOX_FLOAT};
    expect("${a}/${b}", row, "true/0.5");
    row[1].as.real = 19.99;
    expect("${b}", row, "19.99");
    row[1] = (struct outbox_value){.as.real = (double)0.1f, .size = OUTBOX_FLOAT_SINGLE, .type = OUTBOX_FLOAT};
    expect("${b}", row, "0.1");
    row[0] = (struct outbox_value){.as.integer = 1700000000123456, .type = OUTBOX_TIME};
    row[1] = (struct outbox_value){.as.integer = -1, .type = OUTBOX_TIME};
    expect("${a}", row, "2023-11-14T22:13:20.123456Z");
    expect("${b}", row, "1969-12-31T23:59:59.999999Z");
}

Test(template, repeated_column_is_rendered_once)
{
    struct obx_columns columns = {0};
    struct obx_template template_;
    struct obx_arena arena = {0};
    struct outbox_bytes first, second, third;
    char order[] = "Order", same[] = "Order";
    struct outbox_value row = text(order), next = text(same), other = text("Invoice");
    cr_assert_eq(obx_template_compile("t.${a}", &columns, false, &template_, NULL), 0);
    cr_assert_eq(obx_template_render(&template_, &row, &arena, &first), 0);
    cr_assert_eq(obx_template_render(&template_, &next, &arena, &second), 0);
    cr_assert_eq(obx_template_render(&template_, &other, &arena, &third), 0);
    cr_assert_eq(first.data, second.data);
    cr_assert_arr_eq(third.data, "t.Invoice", 9);
    obx_arena_free(&arena);
    obx_arena_free(&columns.names);
}

static void refuse(const char *source, const char *text)
{
    struct obx_columns columns = {0};
    struct obx_template template_;
    struct outbox_error error = {0};
    cr_assert_eq(obx_template_compile(source, &columns, false, &template_, &error), OUTBOX_E_INVALID);
    cr_assert_str_eq(error.text, text);
    obx_arena_free(&columns.names);
}

Test(template, bad_templates_are_refused)
{
    const char *braces = "'${' needs a column name and '}'; write '$$' for a dollar sign";
    refuse("${}", braces);
    refuse("${a", braces);
    refuse("a$b", "'$' must be followed by '{column}' or '$'");
    refuse("$", "'$' must be followed by '{column}' or '$'");
    refuse("${a}.${b}.${c}.${d}.${e}.${f}.${g}.${h}.${i}", "template has more than 16 pieces");
}

Test(template, column_used_twice_is_selected_once_and_required_wins)
{
    struct obx_columns columns = {0};
    cr_assert_eq(obx_columns_add(&columns, "event_id", 8, true, NULL), 0);
    cr_assert_eq(columns.list[0].flags, OUTBOX_COLUMN_OPTIONAL);
    cr_assert_eq(obx_columns_add(&columns, "event_id", 8, false, NULL), 0);
    cr_assert_eq(columns.list[0].flags, 0);
    cr_assert_eq(columns.count, 1);
    obx_arena_free(&columns.names);
}

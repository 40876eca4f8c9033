/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/template_test.c - templates: compiling, rendering, every value type */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem_fault.h"
#include "relay/template.h"
#include "relay/template_function.h"

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
    obx_template_free(&template_);
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

Test(template, json_gives_valid_json)
{
    struct outbox_value row[] = {text("a\"b\\c\b\f\n\r\t\x01/é"), {.type = OUTBOX_NULL}};
    expect("${json(a)}", row, "\"a\\\"b\\\\c\\b\\f\\n\\r\\t\\u0001/é\"");
    expect("{\"a\":${json(a)},\"b\":${json(b)}}", row, "{\"a\":\"a\\\"b\\\\c\\b\\f\\n\\r\\t\\u0001/é\",\"b\":null}");
    row[0] = text("\x1f\x7f日😀\U0010ffff");
    expect("${json(a)}", row, "\"\\u001F\x7f日\\uD83D\\uDE00\\uDBFF\\uDFFF\"");
    row[0] = (struct outbox_value){.as.integer = -42, .type = OUTBOX_INT};
    row[1] = (struct outbox_value){.as.integer = 1, .type = OUTBOX_BOOL};
    expect("[${json(a)},${json(b)}]", row, "[-42,true]");
    row[0] = (struct outbox_value){.as.real = 19.99, .type = OUTBOX_FLOAT};
    row[1] = (struct outbox_value){.as.real = 1.0 / 0.0, .type = OUTBOX_FLOAT};
    expect("[${json(a)},${json(b)}]", row, "[19.99,\"Infinity\"]");
    row[0] = (struct outbox_value){.as.data = "\xff", .size = 1, .type = OUTBOX_BYTES};
    row[1] = (struct outbox_value){.as.data = "\xff\x00\x01\x02\x03", .size = 5, .type = OUTBOX_BYTES};
    expect("${json(a)}${json(b)}", row, "\"/w==\"\"/wABAgM=\"");
    row[0] = (struct outbox_value){.as.data = "\xff\xfe\xfd", .size = 3, .type = OUTBOX_BYTES};
    row[1] = text("");
    expect("${json(a)}${json(b)}", row, "\"//79\"\"\"");
}

/* The process may not read the page behind the text. */
Test(template, json_of_a_number_reads_nothing_behind_its_text)
{
    const struct obx_function_call call = {.function = OBX_JSON};
    const struct outbox_value value = {.as.real = 19.99, .type = OUTBOX_FLOAT};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(pages, MAP_FAILED);
    cr_assert_eq(mprotect(pages + page, page, PROT_NONE), 0);
    struct outbox_bytes number = {memcpy(pages + page - 5, "19.99", 5), 5};
    cr_assert_eq(obx_function_apply(&call, &value, NULL, &number), OUTBOX_OK);
    cr_assert_eq(number.data, pages + page - 5, "it is not quoted");
    cr_assert_eq(number.size, 5);
    munmap(pages, 2 * page);
}

Test(template, lower_default_and_match_change_a_text)
{
    struct outbox_value row[] = {text("Order.V2"), {.type = OUTBOX_NULL}};
    expect("${lower(a)}${lower(b)}", row, "order.v2");
    expect("${lower(b)}", row, NULL);
    expect("${default(a, 'none')} ${default( b , 'it''s' )}", row, "Order.V2 it's");
    expect("${match(a, '^([A-Z][a-z]+)')}", row, "Order");
    expect("${match(a, 'V[0-9]{1}')}", row, "V2");
    expect("${match(a, '(x)|V')}", row, NULL); /* the group takes no part */
    expect("${match(a, 'z')}", row, NULL);
    expect("${match(b, '.*')}", row, NULL);
    char long_text[1100];
    memset(long_text, 'x', sizeof long_text);
    row[0] = (struct outbox_value){.as.data = long_text, .size = 1024, .type = OUTBOX_TEXT};
    expect("<${match(a, '^x')}>", row, "<x>");
    row[0].size = 1025;
    expect("<${match(a, '^x')}>", row, "<>");
}

Test(template, null_in_the_last_rendering_is_known)
{
    struct obx_columns columns = {0};
    struct obx_template template_;
    struct obx_arena arena = {0};
    struct outbox_bytes out;
    struct outbox_value good = text("ab"), bad = text("zz");
    cr_assert_eq(obx_template_compile("t.${match(a, '^a(.)')}", &columns, false, &template_, NULL), 0);
    const struct outbox_value *rows[] = {&good, &bad, &good, &bad};
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(obx_template_render(&template_, rows[i], &arena, &out), 0);
        cr_assert_eq(template_.has_null, i % 2 == 1);
    }
    obx_template_free(&template_);
    obx_arena_free(&arena);
    obx_arena_free(&columns.names);
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
    refuse("${upper(a)}", "no function 'upper'; there are json, lower, default and match");
    refuse("${json(a", "write ${json(column)}");
    refuse("${json()}", "write ${json(column)}");
    refuse("${json(a, 'b')}", "write ${json(column)}");
    refuse("${default(a)}", "write ${default(column, 'text')}");
    refuse("${default(a, b)}", "write ${default(column, 'text')}");
    refuse("${default(a, 'b'}", "write ${default(column, 'text')}");
    refuse("${default(a, 'b)}", "the text after 'b)} does not end; write '' for a quote");
    refuse("${default(a, '123456789012345678\xc3\xa9", /* cut between two characters */
           "the text after '123456789012345678 does not end; write '' for a quote");
    refuse("${match(a, '(')}", "match: '(' is no regular expression: Unmatched ( or \\(");
    refuse("${match(a, 'x')}$", "'$' must be followed by '{column}' or '$'");
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

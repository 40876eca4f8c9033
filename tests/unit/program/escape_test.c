/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/program/escape_test.c - text of events cannot control a terminal */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/escape.h"

static void expect_escaped(const char *bytes, size_t size, bool keep_lines, const char *expected)
{
    char *text;
    size_t written;
    FILE *to = open_memstream(&text, &written);
    cr_assert_not_null(to);
    obx_escape(to, bytes, size, keep_lines);
    cr_assert_eq(fclose(to), 0);
    cr_expect_str_eq(text, expected);
    cr_expect_eq(written, strlen(expected));
    free(text);
}

Test(escape, printable_text_is_unchanged)
{
    expect_escaped("42", 2, false, "42");
    expect_escaped("k\xc3\xa4se \\ \"\xe6\x97\xa5\xe6\x9c\xac\" \xc2\xa0", 19, false,
                   "k\xc3\xa4se \\ \"\xe6\x97\xa5\xe6\x9c\xac\" \xc2\xa0");
    expect_escaped("", 0, false, "");
    expect_escaped(NULL, 0, false, "");
}

Test(escape, control_characters_and_invalid_utf8_are_made_visible)
{
    expect_escaped("a\x1b[31m\r\x7f", 8, false, "a\\x1b[31m\\x0d\\x7f");
    expect_escaped("\xc2\x9b"
                   "2J",
                   4, false, "\\xc2\\x9b2J");
    expect_escaped("a\0b", 3, false, "a\\x00b");
    expect_escaped("\xff\x9b\xe6\x97", 4, false, "\\xff\\x9b\\xe6\\x97");
}

Test(escape, characters_that_change_the_direction_or_end_a_line_are_made_visible)
{
    expect_escaped("a\xe2\x80\xae"
                   "b",
                   5, false, "a\\xe2\\x80\\xaeb");
    expect_escaped("\xe2\x81\xa6\xd8\x9c\xe2\x80\xa8", 8, true, "\\xe2\\x81\\xa6\\xd8\\x9c\\xe2\\x80\\xa8");
    expect_escaped("\xe2\x80\x94\xe2\x81\xbf", 6, false, "\xe2\x80\x94\xe2\x81\xbf");
}

Test(escape, line_is_one_line_whatever_is_in_it)
{
    char *text;
    size_t written;
    FILE *to = open_memstream(&text, &written);
    cr_assert_not_null(to);
    obx_escape_line(to, "outbox %s: %s", "check", "no table \"a\nb\x1b]0;x\"");
    cr_assert_eq(fclose(to), 0);
    cr_expect_str_eq(text, "outbox check: no table \"a\\nb\\x1b]0;x\"\n");
    free(text);
}

Test(escape, line_ends_stay_on_request)
{
    expect_escaped("a\n\tb\x1b", 5, false, "a\\n\\tb\\x1b");
    expect_escaped("a\n\tb\x1b", 5, true, "a\n\tb\\x1b");
}

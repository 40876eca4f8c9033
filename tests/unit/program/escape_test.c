/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/program/show_test.c - what applications wrote, on a terminal that does not obey it */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/escape.h"

static void shows(const char *bytes, size_t size, bool lines, const char *wanted)
{
    char *text;
    size_t written;
    FILE *to = open_memstream(&text, &written);
    cr_assert_not_null(to);
    obx_show(to, bytes, size, lines);
    cr_assert_eq(fclose(to), 0);
    cr_expect_str_eq(text, wanted);
    cr_expect_eq(written, strlen(wanted));
    free(text);
}

Test(show, text_is_as_it_is)
{
    shows("42", 2, false, "42");
    shows("k\xc3\xa4se \\ \"\xe6\x97\xa5\xe6\x9c\xac\" \xc2\xa0", 19, false,
          "k\xc3\xa4se \\ \"\xe6\x97\xa5\xe6\x9c\xac\" \xc2\xa0");
    shows("", 0, false, "");
    shows(NULL, 0, false, "");
}

Test(show, a_terminal_is_told_nothing)
{
    shows("a\x1b[31m\r\x7f", 8, false, "a\\x1b[31m\\x0d\\x7f");
    shows("\xc2\x9b"
          "2J",
          4, false, "\\xc2\\x9b2J");
    shows("a\0b", 3, false, "a\\x00b");
    shows("\xff\x9b\xe6\x97", 4, false, "\\xff\\x9b\\xe6\\x97");
}

Test(show, line_ends_are_lines_where_that_is_wanted)
{
    shows("a\n\tb\x1b", 5, false, "a\\n\\tb\\x1b");
    shows("a\n\tb\x1b", 5, true, "a\n\tb\\x1b");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/file/text_test.c - what is UTF-8, and times from year 0 to 9999 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../../brokers/file/encode.h"

static const struct {
    const char *bytes;
    bool good;
} sequences[] = {
    {"", true},
    {"plain ascii, longer than one word", true},
    {"\x7f", true},
    {"\xc2\x80", true},
    {"\xdf\xbf", true},
    {"\xe0\xa0\x80", true},
    {"\xed\x9f\xbf", true},
    {"\xee\x80\x80", true},
    {"\xef\xbf\xbf", true},
    {"\xf0\x90\x80\x80", true},
    {"\xf4\x8f\xbf\xbf", true},
    {"seven by\xc3\xa9", true},
    {"\x80", false},     /* a continuation alone */
    {"\xc0\xaf", false}, /* overlong */
    {"\xc1\xbf", false},
    {"\xc2", false}, /* cut */
    {"\xc2 ", false},
    {"\xe0\x9f\xbf", false}, /* overlong */
    {"\xe1\x80", false},
    {"\xe1\x80 ", false},
    {"\xed\xa0\x80", false},     /* surrogate */
    {"\xf0\x8f\xbf\xbf", false}, /* overlong */
    {"\xf1\x80\x80", false},
    {"\xf1\x80\x80 ", false},
    {"\xf4\x90\x80\x80", false}, /* above U+10FFFF */
    {"\xf5\x80\x80\x80", false},
    {"\xff", false},
    {"good until here\xc3", false},
};

Test(utf8, accepts_only_well_formed_text)
{
    for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++) {
        /* an exact block, so that a sanitizer sees a byte too many */
        size_t size = strlen(sequences[i].bytes);
        char *copy = malloc(size + 1);
        memcpy(copy, sequences[i].bytes, size);
        char *exact = realloc(copy, size ? size : 1);
        cr_assert_eq(file_is_utf8(exact, size), sequences[i].good, "sequence %zu", i);
        free(exact);
    }
}

Test(utf8, finds_a_bad_byte_at_every_place)
{
    unsigned char bytes[200];
    for (size_t at = 0; at < sizeof bytes; at++) {
        memset(bytes, 'x', sizeof bytes);
        cr_assert(file_is_utf8(bytes, sizeof bytes));
        bytes[at] = 0xff;
        cr_assert_not(file_is_utf8(bytes, sizeof bytes), "%zu", at);
        cr_assert(file_is_utf8(bytes, at), "%zu", at);
    }
}

Test(utf8, agrees_with_the_definition_on_every_two_bytes)
{
    for (unsigned i = 0; i < 0x10000; i++) {
        unsigned char pair[2] = {(unsigned char)(i >> 8), (unsigned char)i};
        bool two = pair[0] >= 0xc2 && pair[0] <= 0xdf && pair[1] >= 0x80 && pair[1] <= 0xbf;
        cr_assert_eq(file_is_utf8(pair, 2), two || (pair[0] < 0x80 && pair[1] < 0x80), "%04x", i);
    }
}

static void expect_time(int64_t us, const char *expected)
{
    char text[FILE_TIME_SIZE + 1] = {0};
    cr_assert_eq(file_time(text, us), FILE_TIME_SIZE, "%s", expected);
    cr_assert_str_eq(text, expected);
}

Test(time, writes_the_first_and_last_days)
{
    expect_time(0, "1970-01-01T00:00:00.000000Z");
    expect_time(-1, "1969-12-31T23:59:59.999999Z");
    expect_time(951782400000000, "2000-02-29T00:00:00.000000Z");
    expect_time(4107542400000000, "2100-03-01T00:00:00.000000Z");
    expect_time(-62167219200000000, "0000-01-01T00:00:00.000000Z");
    expect_time(253402300799999999, "9999-12-31T23:59:59.999999Z");
}

Test(time, writes_nothing_for_impossible_years)
{
    char text[FILE_TIME_SIZE];
    cr_assert_eq(file_time(text, -62167219200000001), 0);
    cr_assert_eq(file_time(text, 253402300800000000), 0);
    cr_assert_eq(file_time(text, INT64_MAX), 0);
    cr_assert_eq(file_time(text, INT64_MIN + 1), 0);
}

Test(time, agrees_with_the_c_library_on_every_day)
{
    for (int64_t day = -719528; day <= 2932896; day += 13) {
        time_t seconds = (time_t)(day * 86400 + 45296);
        struct tm tm;
        char expected[64], text[FILE_TIME_SIZE + 1] = {0};
        gmtime_r(&seconds, &tm);
        snprintf(expected, sizeof expected, "%04d-%02d-%02dT12:34:56.000007Z", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday);
        file_time(text, (int64_t)seconds * 1000000 + 7);
        cr_assert_str_eq(text, expected);
    }
}

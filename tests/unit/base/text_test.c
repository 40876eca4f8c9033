/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/base/text_test.c - UTF-8, suggestions, copies of strings, wiping */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "base/suggest.h"
#include "base/utf8.h"
#include "mem_fault.h"

struct sample {
    const char *bytes;
    size_t valid; /* bytes of the longest valid prefix */
};

static const struct sample samples[] = {
    {"", 0},
    {"plain", 5},
    {"\xc3\xa9", 2},
    {"\xe2\x82\xac", 3},
    {"\xf0\x9f\x98\x80", 4},
    {"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 25},
    {"a\x80", 1},             /* a tail alone */
    {"a\xc3", 1},             /* cut off */
    {"a\xe2\x82", 1},         /* cut off */
    {"a\xf0\x9f\x98", 1},     /* cut off */
    {"a\xc3(", 1},            /* no tail */
    {"a\xe2\x82(", 1},        /* no tail */
    {"a\xc0\xaf", 1},         /* overlong */
    {"a\xc1\xbf", 1},         /* overlong */
    {"a\xe0\x9f\xbf", 1},     /* overlong */
    {"a\xf0\x8f\xbf\xbf", 1}, /* overlong */
    {"a\xed\xa0\x80", 1},     /* surrogate */
    {"a\xf4\x90\x80\x80", 1}, /* above U+10FFFF */
    {"a\xf5\x80\x80\x80", 1},
    {"a\xff", 1},
};

Test(utf8, prefix_ends_at_the_first_invalid_byte)
{
    for (size_t i = 0; i < OBX_COUNT(samples); i++) {
        size_t size = strlen(samples[i].bytes);
        cr_expect_eq(obx_utf8_prefix(samples[i].bytes, size), samples[i].valid, "sample %zu", i);
        cr_expect_eq(obx_utf8_valid(samples[i].bytes, size), samples[i].valid == size, "sample %zu", i);
    }
    cr_expect(obx_utf8_valid(NULL, 0));
    cr_expect(obx_utf8_valid("\0", 1));
    cr_expect_eq(obx_utf8_count("a\xc3\xa9\xe2\x82\xac", 6), 3);
}

static const char *suggest(const char *word)
{
    static const char *const names[] = {"table", "dsn", "stop", "store", "lease", "max_attempts", "compression.codec"};
    struct obx_suggest suggestion = {.word = word};
    for (size_t i = 0; i < OBX_COUNT(names); i++)
        obx_suggest_offer(&suggestion, names[i]);
    return suggestion.best ? suggestion.best : "-";
}

Test(suggest, most_similar_name_is_found)
{
    cr_expect_str_eq(suggest("table"), "table");
    cr_expect_str_eq(suggest("tabel"), "table");  /* swapped */
    cr_expect_str_eq(suggest("tabl"), "table");   /* dropped */
    cr_expect_str_eq(suggest("tables"), "table"); /* added */
    cr_expect_str_eq(suggest("dns"), "dsn");
    cr_expect_str_eq(suggest("stor"), "store"); /* as similar as "stop", but with a longer common prefix */
    cr_expect_str_eq(suggest("stopp"), "stop");
    cr_expect_str_eq(suggest("leash"), "lease");
    cr_expect_str_eq(suggest("leese"), "lease");
    cr_expect_str_eq(suggest("max-attempt"), "max_attempts");
    cr_expect_str_eq(suggest("compresion.codek"), "compression.codec");
    cr_expect_str_eq(suggest("zebra"), "-");
    cr_expect_str_eq(suggest(""), "-");
    cr_expect_str_eq(suggest("dd"), "-");
}

Test(suggest, long_word_gets_no_suggestion)
{
    char word[200];
    memset(word, 'a', sizeof word);
    word[sizeof word - 1] = '\0';
    cr_expect_str_eq(suggest(word), "-");
    struct obx_suggest suggestion = {.word = "a"};
    obx_suggest_offer(&suggestion, word);
    cr_expect_null(suggestion.best);
}

Test(text, copies_end_with_nul_and_fail_with_memory)
{
    char *copy = obx_strndup("abcdef", 3);
    cr_expect_str_eq(copy, "abc");
    obx_free(copy);
    copy = obx_strdup("");
    cr_expect_str_eq(copy, "");
    obx_wipe(copy, 1);
    obx_free(copy);
    mem_fail_at(1, false);
    cr_expect_null(obx_strdup("x"));
    cr_assert_eq(mem_live(), 0);
}

Test(text, wiped_memory_is_zero)
{
    char secret[] = "secret";
    obx_wipe(secret, sizeof secret);
    for (size_t i = 0; i < sizeof secret; i++)
        cr_expect_eq(secret[i], 0);
}

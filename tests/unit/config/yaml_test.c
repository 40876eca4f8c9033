/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/config/yaml_test.c - supported YAML, and the exact text of each refusal */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/config.h"
#include "mem_fault.h"

struct broken {
    const char *text;
    const char *error;
};

static const struct broken texts[] = {
    {"a: [", "f.yaml:1:4: lists are not supported; write the items in one value, separated by commas"},
    {"a:\n  - b\n", "f.yaml:2:3: lists are not supported; write the items in one value, separated by commas"},
    {"- a\n", "f.yaml:1:1: lists are not supported; write the items in one value, separated by commas"},
    {"word\n", "f.yaml:1:1: expected keys with values, like 'relays:'"},
    {"a: 1\nb: 2\na: 3\n", "f.yaml:3:1: key 'a' is given twice, first on line 1; remove one"},
    {"a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document begins; one file holds one configuration"},
    {"a: &x 1\n", "f.yaml:1:4: anchors are not supported; remove '&x'"},
    {"a: &x {b: 1}\n", "f.yaml:1:4: anchors are not supported; remove '&x'"},
    {"a: *x\n", "f.yaml:1:4: aliases are not supported; write the value of '*x' here, or quote it"},
    {"a: !!int 1\n", "f.yaml:1:4: tags are not supported; remove 'tag:yaml.org,2002:int'"},
    {"a: !mine {b: 1}\n", "f.yaml:1:4: tags are not supported; remove '!mine'"},
    {"{a: 1}: 2\n", "f.yaml:1:1: a key must be one word, not a mapping"},
    {": 2\n",
     "f.yaml:1:1: not valid YAML: did not find expected key, while parsing a block mapping that begins on line 1"},
    {"\"\": 2\n", "f.yaml:1:1: a key is missing before ':'"},
    {"a: \"x\\0y\"\n", "f.yaml:1:4: a value must not contain a NUL character"},
    {"a: {b: {c: {d: {e: {f: {g: {h: {i: {j: {k: {l: {m: {n: {o: {p: {}}}}}}}}}}}}}}}}\n",
     "f.yaml:1:64: more than 16 sections in one another"},
    {"a: b: c\n",
     "f.yaml:1:5: not valid YAML: mapping values are not allowed in this context; put a value that has ': ' "
     "in it in quotes"},
    {"a: @b\n", "f.yaml:1:4: not valid YAML: found character that cannot start any token; put the value in quotes"},
    {"a:\n\tb: c\n", "f.yaml:2:1: not valid YAML: found character that cannot start any token; indent "
                     "with spaces, not with tabs"},
    {"a: \"b\n",
     "f.yaml:2:1: not valid YAML: found unexpected end of stream, while scanning a quoted scalar that begins "
     "on line 1"},
    {"a: 1\n b: 2\n",
     "f.yaml:2:3: not valid YAML: mapping values are not allowed in this context; put a value that has "
     "': ' in it in quotes"},
    {"a: {b: 1\n", "f.yaml:2:1: not valid YAML: did not find expected ',' or '}', while parsing a flow mapping that "
                   "begins on line 1"},
    {"a: 1\nb\n", "f.yaml:3:1: not valid YAML: could not find expected ':', while scanning a simple key that begins on "
                  "line 2"},
    {"a: 1\n\x01: 2\n", "f.yaml:2:1: not valid YAML: control characters are not allowed (0x01)"},
    {"a: 1\nb\xc3\xa9: \xff\n", "f.yaml:2:5: byte 0xff is not UTF-8; save the file as UTF-8"},
    {"\xff\xfe"
     "a",
     "f.yaml:1:1: byte 0xff is not UTF-8; save the file as UTF-8"},
};

Test(yaml, unsupported_yaml_is_refused)
{
    for (size_t i = 0; i < OBX_COUNT(texts); i++) {
        struct obx_config *config;
        struct outbox_error error = {0};
        int code = obx_config_parse("f.yaml", texts[i].text, strlen(texts[i].text), &config, &error);
        cr_expect_eq(code, OUTBOX_E_CONFIG, "text %zu: %d", i, code);
        cr_expect_eq(error.code, OUTBOX_E_CONFIG);
        cr_expect_null(config);
        cr_expect_str_eq(error.text, texts[i].error, "text %zu: %s", i, error.text);
    }
    cr_assert_eq(mem_live(), 0);
}

Test(yaml, block_flow_quoted_and_plain_styles_are_read)
{
    static const char text[] = "%YAML 1.1\n--- # comment\n"
                               "a: {b: \"x\\ty\", 'c d': e # f\n }\n"
                               "g:\n  h: |\n    two\n    lines\n  i: >-\n    one\n    line\n"
                               "no: on\n...\n";
    struct obx_config *config;
    const struct obx_section *child;
    cr_assert_eq(obx_config_parse("f.yaml", text, strlen(text), &config, NULL), 0);
    const struct obx_section *root = obx_config_root(config);
    cr_assert_eq(obx_section_child(root, "a", &child, NULL), 0);
    cr_expect_str_eq(obx_section_scalar(child, "b", NULL), "x\ty");
    cr_expect_str_eq(obx_section_scalar(child, "c d", NULL), "e");
    cr_assert_eq(obx_section_child(root, "g", &child, NULL), 0);
    cr_expect_str_eq(obx_section_scalar(child, "h", NULL), "two\nlines\n");
    cr_expect_str_eq(obx_section_scalar(child, "i", NULL), "one line");
    cr_expect_str_eq(obx_section_scalar(root, "no", NULL), "on");
    cr_expect_str_eq(obx_section_key(root, 2), "no");
    obx_config_free(config);
    cr_assert_eq(mem_live(), 0);
}

Test(yaml, empty_text_is_an_empty_section)
{
    static const char *const nothing[] = {"", "\n\n", "# comment\n", "---\n", "{}", "\xef\xbb\xbf"};
    for (size_t i = 0; i < OBX_COUNT(nothing); i++) {
        struct obx_config *config;
        const struct obx_section *child;
        cr_assert_eq(obx_config_parse("f.yaml", nothing[i], strlen(nothing[i]), &config, NULL), 0, "text %zu", i);
        cr_expect_null(obx_section_key(obx_config_root(config), 0));
        cr_expect_eq(obx_section_child(obx_config_root(config), "a", &child, NULL), 0);
        cr_expect_null(obx_section_key(child, 0));
        obx_config_free(config);
    }
    cr_assert_eq(mem_live(), 0);
}

Test(yaml, errors_of_plugins_get_a_location)
{
    static const char text[] = "a:\n  b: c\n  d:\n    e: f\n";
    struct obx_config *config;
    const struct obx_section *a, *none;
    struct outbox_error error;
    cr_assert_eq(obx_config_parse("f.yaml", text, strlen(text), &config, NULL), 0);
    cr_assert_eq(obx_section_child(obx_config_root(config), "a", &a, NULL), 0);
    cr_assert_eq(obx_section_child(a, "none", &none, NULL), 0);
    cr_expect_eq(obx_section_error(a, "b", &error, "no %s", "good"), OUTBOX_E_CONFIG);
    cr_expect_str_eq(error.text, "f.yaml:2:3: no good");
    obx_section_error(a, "d", &error, "x");
    cr_expect_str_eq(error.text, "f.yaml:3:3: x");
    obx_section_error(a, NULL, &error, "x");
    cr_expect_str_eq(error.text, "f.yaml:1:1: x");
    obx_section_error(none, "b", &error, "x");
    cr_expect_str_eq(error.text, "f.yaml:1:1: x");
    cr_expect_null(obx_section_scalar(a, "d", &error));
    cr_expect_str_eq(error.text, "f.yaml:3:3: 'd' must be one value, not a section");
    cr_expect_eq(obx_section_error(a, "b", NULL, "x"), OUTBOX_E_CONFIG);
    obx_config_free(config);
    cr_assert_eq(mem_live(), 0);
}

Test(yaml, number_of_keys_is_limited)
{
    char text[16384] = "", *at = text;
    for (int i = 0; i < 1025; i++)
        at += snprintf(at, (size_t)(text + sizeof text - at), "k%d: 1\n", i);
    struct obx_config *config;
    struct outbox_error error;
    cr_expect_eq(obx_config_parse("f.yaml", text, strlen(text), &config, &error), OUTBOX_E_CONFIG);
    cr_expect_str_eq(error.text, "f.yaml:1025:1: more than 1024 keys in one section");
    cr_assert_eq(mem_live(), 0);
}

static void expect_an_answer(const char *text, size_t size)
{
    struct obx_config *config;
    struct outbox_error error = {0};
    int code = obx_config_parse("f.yaml", text, size, &config, &error);
    cr_expect(code == OUTBOX_OK || code == OUTBOX_E_CONFIG, "%d", code);
    cr_expect_eq(error.code, code);
    cr_expect(!code || !strncmp(error.text, "f.yaml:", 7), "%s", error.text);
    obx_config_free(config);
    cr_assert_eq(mem_live(), 0);
}

Test(yaml, damaged_text_is_parsed_or_refused)
{
    static const char text[] = "a: {b: \"x\\ty\", 'c d': ${e} } # f\n"
                               "g:\n  h: |\n    two\n    lines\n  i: >-\n    one\n\n"
                               "? k\n: v\nfile: file:/x\n";
    static const char bytes[] = "\0\t\n\r #%&'*,-.:<>?@[]{}|!\"\\~a\x80\xc2\xe2\xff";
    for (size_t size = 0; size < sizeof text; size++) {
        char *copy = malloc(size + 1); /* of exactly this size, for the sanitizer */
        memcpy(copy, text, size);
        expect_an_answer(copy, size);
        free(copy);
    }
    for (size_t i = 0; i < sizeof text - 1; i++)
        for (size_t b = 0; b < sizeof bytes - 1; b++) {
            char copy[sizeof text];
            memcpy(copy, text, sizeof text);
            copy[i] = bytes[b];
            expect_an_answer(copy, sizeof text - 1);
        }
}

Test(yaml, nesting_depth_is_limited)
{
    static const char *const openers[] = {"{", "[", "- ", "? ", "{a: ", "a:\n", "'", "\"", "&a ", "*a ", "|"};
    for (size_t i = 0; i < OBX_COUNT(openers); i++) {
        size_t size = 100000, length = strlen(openers[i]);
        char *text = malloc(size);
        for (size_t at = 0; at < size; at++)
            text[at] = openers[i][at % length];
        expect_an_answer(text, size);
        free(text);
    }
}

/* tests/unit/config/yaml_test.c - what is taken as YAML, and the exact words for everything that is not */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "config/config.h"
#include "mem_fault.h"

struct broken {
    const char *text;
    const char *error;
};

static const struct broken texts[] = {
    {"a: [", "f.yaml:1:4: a list is not possible here; write the items in one value, separated by commas"},
    {"a:\n  - b\n", "f.yaml:2:3: a list is not possible here; write the items in one value, separated by commas"},
    {"- a\n", "f.yaml:1:1: a list is not possible here; write the items in one value, separated by commas"},
    {"word\n", "f.yaml:1:1: expected keys with values, like 'relays:'"},
    {"a: 1\nb: 2\na: 3\n", "f.yaml:3:1: key 'a' is given twice, first on line 1; remove one"},
    {"a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document begins; one file holds one configuration"},
    {"a: &x 1\n", "f.yaml:1:4: anchors are not supported; remove '&x'"},
    {"a: &x {b: 1}\n", "f.yaml:1:4: anchors are not supported; remove '&x'"},
    {"a: *x\n", "f.yaml:1:4: aliases are not supported; write the value of '*x' here, or quote it"},
    {"a: !!int 1\n", "f.yaml:1:4: tags are not supported; remove 'tag:yaml.org,2002:int'"},
    {"a: !mine {b: 1}\n", "f.yaml:1:4: tags are not supported; remove '!mine'"},
    {"{a: 1}: 2\n", "f.yaml:1:1: a key must be one word, not a mapping"},
    {": 2\n", "f.yaml:1:1: not valid YAML: did not find expected key, while parsing a block mapping that begins on line 1"},
    {"\"\": 2\n", "f.yaml:1:1: a key is missing before ':'"},
    {"a: \"x\\0y\"\n", "f.yaml:1:4: a value must not contain a NUL character"},
    {"a: {b: {c: {d: {e: {f: {g: {h: {i: {j: {k: {l: {m: {n: {o: {p: {}}}}}}}}}}}}}}}}\n",
     "f.yaml:1:64: more than 16 sections in one another"},
    {"a: b: c\n", "f.yaml:1:5: not valid YAML: mapping values are not allowed in this context; put a value that has ': ' "
                  "in it in quotes"},
    {"a: @b\n", "f.yaml:1:4: not valid YAML: found character that cannot start any token; "
                "put the value in quotes"},
    {"a:\n\tb: c\n", "f.yaml:2:1: not valid YAML: found character that cannot start any token; indent "
                     "with spaces, not with tabs"},
    {"a: \"b\n", "f.yaml:2:1: not valid YAML: found unexpected end of stream, while scanning a quoted scalar that begins "
                 "on line 1"},
    {"a: 1\n b: 2\n", "f.yaml:2:3: not valid YAML: mapping values are not allowed in this context; put a value that has "
                      "': ' in it in quotes"},
    {"a: {b: 1\n", "f.yaml:2:1: not valid YAML: did not find expected ',' or '}', while parsing a flow mapping that "
                   "begins on line 1"},
    {"a: 1\nb\n", "f.yaml:3:1: not valid YAML: could not find expected ':', while scanning a simple key that begins on "
                  "line 2"},
    {"a: 1\n\x01: 2\n", "f.yaml:2:1: not valid YAML: control characters are not allowed (0x01)"},
    {"a: 1\nb\xc3\xa9: \xff\n", "f.yaml:2:5: byte 0xff is not UTF-8; save the file as UTF-8"},
    {"\xff\xfe" "a", "f.yaml:1:1: byte 0xff is not UTF-8; save the file as UTF-8"},
};

Test(yaml, refuses_what_a_configuration_does_not_need)
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

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/config/resolve_test.c - ${NAME} is replaced or refused */
#include <criterion/criterion.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config.h"
#include "mem_fault.h"

static void set_environment(void)
{
    setenv("OBX_USER", "ada", 1);
    setenv("OBX_EMPTY", "", 1);
    setenv("OBX_TRICKY", "${OBX_USER} $${ file:/x \"", 1);
    unsetenv("OBX_NONE");
}

/* The value of key k, or the error's text. */
static void expect(const char *line, const char *expected)
{
    struct obx_config *config;
    struct outbox_error error = {0};
    cr_assert_eq(obx_config_parse("f.yaml", line, strlen(line), &config, &error), 0, "%s", error.text);
    const char *value = obx_section_scalar(obx_config_root(config), "k", &error);
    cr_expect_eq(error.code, value ? 0 : OUTBOX_E_CONFIG);
    cr_expect_str_eq(value ? value : error.text, expected, "%s: %s", line, value ? value : error.text);
    obx_config_free(config);
}

Test(resolve, references_are_replaced_from_the_environment, .init = set_environment)
{
    expect("k: no reference", "no reference");
    expect("k: ${OBX_USER}", "ada");
    expect("k: \"${OBX_USER}\"", "ada");
    expect("k: user=${OBX_USER} db=${OBX_NONE:-shop}!", "user=ada db=shop!");
    expect("k: ${OBX_EMPTY}", "");
    expect("k: ${OBX_EMPTY:-none}", "none");
    expect("k: '${OBX_NONE:-}'", "");
    expect("k: ${OBX_USER:-none}", "ada");
    expect("k: a$b $5 $", "a$b $5 $");
    expect("k: $${OBX_USER}", "${OBX_USER}");
    expect("k: ${OBX_TRICKY}", "${OBX_USER} $${ file:/x \"");
    cr_assert_eq(mem_live(), 0);
}

Test(resolve, refusal_has_the_location_of_the_reference, .init = set_environment)
{
    expect("k: ${OBX_NONE}",
           "f.yaml:1:4: environment variable 'OBX_NONE' is not set; set it, or write ${OBX_NONE:-default}");
    expect("k: user=${OBX_USER} pw=${OBX_NONE}",
           "f.yaml:1:24: environment variable 'OBX_NONE' is not set; set it, or write ${OBX_NONE:-default}");
    expect("k: '\xc3\xa9 ${OBX_NONE}'",
           "f.yaml:1:7: environment variable 'OBX_NONE' is not set; set it, or write ${OBX_NONE:-default}");
    expect("k: \"\\t\\t${OBX_NONE}\"",
           "f.yaml:1:4: environment variable 'OBX_NONE' is not set; set it, or write ${OBX_NONE:-default}");
    expect("j: 1\nk: >\n  a\n  ${OBX_NONE}\n",
           "f.yaml:2:4: environment variable 'OBX_NONE' is not set; set it, or write ${OBX_NONE:-default}");
    expect("k: a ${OBX_USER", "f.yaml:1:6: '${' without '}'; for a literal ${ write $${");
    expect("k: ${}",
           "f.yaml:1:4: this is not a reference; write ${NAME} or ${NAME:-default}, and $${ for a literal ${");
    expect("k: ${a.b}",
           "f.yaml:1:4: this is not a reference; write ${NAME} or ${NAME:-default}, and $${ for a literal ${");
    expect("k: ${1A}",
           "f.yaml:1:4: this is not a reference; write ${NAME} or ${NAME:-default}, and $${ for a literal ${");
    expect("k: ${A:+b}",
           "f.yaml:1:4: this is not a reference; write ${NAME} or ${NAME:-default}, and $${ for a literal ${");
    cr_assert_eq(mem_live(), 0);
}

Test(resolve, value_that_grows_beyond_the_limit_is_refused)
{
    static char large[100001], line[30 * 12 + 8] = "k: ";
    memset(large, 'x', sizeof large - 1);
    cr_assert_eq(setenv("OBX_LARGE", large, 1), 0);
    for (int i = 0; i < 20; i++)
        strcat(line, "${OBX_LARGE}");
    expect(line, "f.yaml:1:4: with what its references stand for, the value is larger than 1 MiB, or all values "
                 "together are larger than 64 MiB");
    cr_assert_eq(mem_live(), 0);
}

Test(resolve, very_long_name_counts_as_unset)
{
    char line[400] = "k: ${";
    memset(line + 5, 'A', 300);
    strcpy(line + 305, "}");
    struct obx_config *config;
    struct outbox_error error = {0};
    cr_assert_eq(obx_config_parse("f.yaml", line, strlen(line), &config, &error), 0);
    cr_expect_null(obx_section_scalar(obx_config_root(config), "k", &error));
    cr_expect_eq(error.code, OUTBOX_E_CONFIG);
    cr_expect_eq(strncmp(error.text, "f.yaml:1:4: environment variable 'AAA", 36), 0);
    obx_config_free(config);
    cr_assert_eq(mem_live(), 0);
}

Test(resolve, absent_key_is_not_an_error)
{
    struct obx_config *config;
    struct outbox_error error = {.code = OUTBOX_E_BUG};
    cr_assert_eq(obx_config_parse("f.yaml", "", 0, &config, NULL), 0);
    cr_expect_null(obx_section_scalar(obx_config_root(config), "k", &error));
    cr_expect_eq(error.code, 0);
    cr_expect_null(obx_section_scalar(obx_config_root(config), "k", NULL));
    obx_config_free(config);
    cr_assert_eq(mem_live(), 0);
}

Test(resolve, verbatim_options_are_not_expanded, .init = set_environment)
{
    static const struct outbox_option options[] = {
        {"topic", OUTBOX_OPT_STRING, OUTBOX_OPT_VERBATIM, 0, NULL, 0, 0, NULL, ""},
        {"name", OUTBOX_OPT_STRING, 0, sizeof(char *), "${OBX_USER}", 0, 0, NULL, ""},
    };
    static const char text[] = "topic: a.${type}.$${b}\n";
    const char *values[2] = {NULL, NULL};
    struct obx_config *config;
    cr_assert_eq(obx_config_parse("f.yaml", text, strlen(text), &config, NULL), 0);
    cr_assert_eq(obx_options_apply(options, 2, sizeof *options, NULL, obx_config_root(config), values, NULL), 0);
    cr_expect_str_eq(values[0], "a.${type}.$${b}");
    cr_expect_str_eq(values[1], "${OBX_USER}", "a default is not expanded");
    obx_config_free(config);
    cr_assert_eq(mem_live(), 0);
}

/* ---- comparing for a reload ---- */

static struct obx_config *read_config(const char *text)
{
    static const struct outbox_option options[] = {
        {"dsn", OUTBOX_OPT_STRING, OUTBOX_OPT_SECRET, 0, NULL, 0, 0, NULL, ""},
        {"table", OUTBOX_OPT_STRING, 0, sizeof(char *), NULL, 0, 0, NULL, ""}};
    const char *values[2] = {NULL, NULL};
    struct obx_config *config;
    struct outbox_error error = {0};
    cr_assert_eq(obx_config_parse("f.yaml", text, strlen(text), &config, &error), 0, "%s", error.text);
    cr_assert_eq(obx_options_apply(options, 2, sizeof *options, NULL, obx_config_root(config), values, &error), 0, "%s",
                 error.text);
    return config;
}

static void write_secret(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    chmod(path, 0600);
}

static bool same(struct obx_config *config, const char *text)
{
    struct obx_config *again;
    cr_assert_eq(obx_config_parse("f.yaml", text, strlen(text), &again, NULL), 0);
    bool is = obx_section_same(obx_config_root(config), obx_config_root(again));
    obx_config_free(again);
    return is;
}

Test(resolve, changed_secret_file_changes_the_section)
{
    char path[] = "/tmp/outbox-secret-XXXXXX", text[100];
    close(mkstemp(path));
    snprintf(text, sizeof text, "dsn: file:%s\ntable: outbox\n", path);
    write_secret(path, "one\n");
    struct obx_config *config = read_config(text);
    cr_expect(same(config, text));
    cr_expect_not(same(config, "dsn: one\ntable: outbox\n"));
    write_secret(path, "two\n");
    cr_expect_not(same(config, text), "rotated");
    write_secret(path, "one\n");
    cr_expect(same(config, text), "and back");
    unlink(path);
    cr_expect_not(same(config, text), "gone");
    obx_config_free(config);
    cr_assert_eq(mem_live(), 0);
}

static void expect_difference(const char *before, const char *after, const char *wanted)
{
    char text[64];
    struct obx_config *a, *b;
    cr_assert_eq(obx_config_parse("f.yaml", before, strlen(before), &a, NULL), 0);
    cr_assert_eq(obx_config_parse("f.yaml", after, strlen(after), &b, NULL), 0);
    obx_section_difference(obx_config_root(a), obx_config_root(b), text, sizeof text);
    cr_expect_str_eq(text, wanted);
    obx_config_free(a);
    obx_config_free(b);
}

Test(resolve, difference_names_the_keys_and_no_values)
{
    expect_difference("a: 1\n", "a: 1\n", "");
    expect_difference("a: 1\nb: 2\n", "a: 1\nb: 3\n", "b");
    expect_difference("s: {dsn: x, table: t}\nold: 1\n", "s: {dsn: y, table: t}\nnew: 1\n",
                      "s.dsn, old is gone, new is new");
    expect_difference("s: {dsn: x}\n", "s: x\n", "s");
    expect_difference("a: 1\nb: 2\n", "b: 2\na: 1\n", "the order of keys");
    expect_difference("a: {b: {c: 1}}\n", "a: {b: {c: 2, d: 1}}\n", "a.b.c, a.b.d is new");
    cr_assert_eq(mem_live(), 0);
}

/* ---- connection strings ------------------------------------------------------------------------------------------ */

static void set_passwords(void)
{
    setenv("OBX_PW", "a b\\c'd", 1);
    setenv("OBX_URI_PW", "p@ss:w/o?r%d é", 1);
    setenv("OBX_BOTH", "ada:se cret", 1);
    setenv("OBX_MORE", "port=5433 user='x y'", 1);
    setenv("OBX_HOSTS", "a:1,b:2", 1);
    setenv("OBX_URI", "postgresql://ada:p%40ss@db/shop", 1);
    setenv("OBX_EMPTY", "", 1);
    setenv("OBX_CRLF", "x\r\n", 1);
}

struct target {
    const char *dsn;
};

static void expect_dsn(const char *text, const char *expected)
{
    static const struct outbox_option option = {
        .name = "dsn", .type = OUTBOX_OPT_STRING, .flags = OUTBOX_OPT_CONNINFO, .offset = offsetof(struct target, dsn)};
    struct obx_config *config;
    struct outbox_error error = {0};
    struct target target;
    char yaml[400];
    snprintf(yaml, sizeof yaml, "dsn: \"%s\"", text);
    cr_assert_eq(obx_config_parse("f.yaml", yaml, strlen(yaml), &config, &error), 0, "%s", error.text);
    cr_assert_eq(obx_options_apply(&option, 1, sizeof option, NULL, obx_config_root(config), &target, &error), 0, "%s",
                 error.text);
    cr_expect_str_eq(target.dsn, expected, "%s: %s", text, target.dsn);
    obx_config_free(config);
}

Test(resolve, values_are_quoted_in_connection_strings, .init = set_passwords)
{
    expect_dsn("host=db password=${OBX_PW} user=u", "host=db password=a\\ b\\\\c\\'d user=u");
    expect_dsn("password='${OBX_PW}' user=u", "password='a\\ b\\\\c\\'d' user=u");
    expect_dsn("password = x${OBX_PW}y user=u", "password = xa\\ b\\\\c\\'dy user=u");
    expect_dsn("password=${OBX_EMPTY} user=u", "password='' user=u");
    expect_dsn("password=${OBX_EMPTY}", "password=''");
    expect_dsn("password='${OBX_EMPTY}' user=u", "password='' user=u");
    expect_dsn("password=${OBX_NOT_SET:-a b} user=u", "password=a\\ b user=u");
    expect_dsn("host=db ${OBX_MORE} password=${OBX_PW}", "host=db port=5433 user='x y' password=a\\ b\\\\c\\'d");
    expect_dsn("password=${OBX_CRLF} user=u", "password=x\\\r\\\n user=u");
}

Test(resolve, values_are_encoded_in_uris, .init = set_passwords)
{
    expect_dsn("postgresql://u:${OBX_URI_PW}@db/shop", "postgresql://u:p%40ss%3Aw%2Fo%3Fr%25d%20%C3%A9@db/shop");
    expect_dsn("postgresql://${OBX_BOTH}@db/shop", "postgresql://ada:se%20cret@db/shop");
    expect_dsn("postgresql://u@${OBX_HOSTS}/shop?application_name=${OBX_PW}",
               "postgresql://u@a:1,b:2/shop?application_name=a%20b%5Cc%27d");
    expect_dsn("postgresql://u:${OBX_NOT_SET:-a/b}@db/shop", "postgresql://u:a%2Fb@db/shop");
    expect_dsn("${OBX_URI}", "postgresql://ada:p%40ss@db/shop");
}

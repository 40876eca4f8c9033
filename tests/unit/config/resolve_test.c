/* tests/unit/config/resolve_test.c - ${NAME} and where it is refused */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
static void expect(const char *line, const char *wanted)
{
    struct obx_config *config;
    struct outbox_error error = {0};
    cr_assert_eq(obx_config_parse("f.yaml", line, strlen(line), &config, &error), 0, "%s", error.text);
    const char *value = obx_section_scalar(obx_config_root(config), "k", &error);
    cr_expect_eq(error.code, value ? 0 : OUTBOX_E_CONFIG);
    cr_expect_str_eq(value ? value : error.text, wanted, "%s: %s", line, value ? value : error.text);
    obx_config_free(config);
}

Test(resolve, references_are_the_environments, .init = set_environment)
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

Test(resolve, refusals_point_at_the_reference, .init = set_environment)
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
    expect("k: ${}", "f.yaml:1:4: this is no reference; write ${NAME} or ${NAME:-default}, and $${ for a literal ${");
    expect("k: ${a.b}",
           "f.yaml:1:4: this is no reference; write ${NAME} or ${NAME:-default}, and $${ for a literal ${");
    expect("k: ${1A}", "f.yaml:1:4: this is no reference; write ${NAME} or ${NAME:-default}, and $${ for a literal ${");
    expect("k: ${A:+b}",
           "f.yaml:1:4: this is no reference; write ${NAME} or ${NAME:-default}, and $${ for a literal ${");
    cr_assert_eq(mem_live(), 0);
}

Test(resolve, a_very_long_name_is_not_set)
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

Test(resolve, what_is_absent_is_no_error)
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

Test(resolve, verbatim_options_are_left_alone, .init = set_environment)
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

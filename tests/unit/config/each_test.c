/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/config/each_test.c - one section for many relays */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "mem_fault.h"

static int parse(const char *text, struct obx_config **config, struct outbox_error *error)
{
    *error = (struct outbox_error){0};
    return obx_config_parse("f.yaml", text, strlen(text), config, error);
}

static const char three[] = "relays:\n"
                            "  first: {order: none}\n"
                            "  shop-${each}:\n"
                            "    each: berlin, paris,rome\n"
                            "    store: {dsn: \"dbname=${each} user=${each}_relay pass=$${each} ${OTHER:-x}\"}\n"
                            "    order: key\n"
                            "  last: {order: none}\n";

static const struct obx_section *relays_of(const struct obx_config *config)
{
    const struct obx_section *relays;
    struct outbox_error error;
    cr_assert_eq(obx_section_child(obx_config_root(config), "relays", &relays, &error), 0);
    return relays;
}

Test(each, makes_a_relay_for_each_item)
{
    static const char *const names[] = {"first", "shop-berlin", "shop-paris", "shop-rome", "last"};
    struct obx_config *config;
    struct outbox_error error;
    const struct obx_section *relay, *store;
    cr_assert_eq(parse(three, &config, &error), 0, "%s", error.text);
    for (uint32_t i = 0; i < 5; i++)
        cr_expect_str_eq(obx_section_key(relays_of(config), i), names[i]);
    cr_expect_null(obx_section_key(relays_of(config), 5));
    cr_assert_eq(obx_section_child(relays_of(config), "shop-paris", &relay, &error), 0);
    cr_expect_not(obx_section_has(relay, "each"));
    cr_expect_str_eq(obx_section_scalar(relay, "order", &error), "key");
    cr_assert_eq(obx_section_child(relay, "store", &store, &error), 0);
    cr_expect_str_eq(obx_section_scalar(store, "dsn", &error), "dbname=paris user=paris_relay pass=${each} x");
    obx_config_free(config);
}

Test(each, refuses_what_it_cannot_make)
{
    static const struct {
        const char *text, *error;
    } broken[] = {
        {"relays:\n  shop: {each: \"a, b\"}\n",
         "f.yaml:2:16: a relay with 'each' needs ${each} in its name, like: shop-${each}"},
        {"relays:\n  \"s-${each}\": {each: {a: b}}\n",
         "f.yaml:2:23: 'each' must be items with commas between them, like: berlin, paris"},
        {"relays:\n  \"s-${each}\": {each: \"a, b c\"}\n",
         "f.yaml:2:23: an item of 'each' has letters, digits, '-', '_' and '.', with commas between the items"},
        {"relays:\n  \"s-${each}\": {each: \"a,\"}\n",
         "f.yaml:2:23: an item of 'each' has letters, digits, '-', '_' and '.', with commas between the items"},
        {"relays:\n  \"s-${each}\": {each: \"a, a\"}\n", "f.yaml:2:3: 'each' makes a second relay 's-a'; remove one"},
        {"relays:\n  s-a: {order: key}\n  \"s-${each}\": {each: \"a\"}\n",
         "f.yaml:3:3: 'each' makes a second relay 's-a'; remove one"},
        {"relays:\n  \"s-${each}\": {each: \"a\"}\n  s-a: {order: key}\n",
         "f.yaml:3:3: 'each' makes a relay 's-a', too; remove one"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct obx_config *config;
        struct outbox_error error;
        cr_expect_eq(parse(broken[i].text, &config, &error), OUTBOX_E_CONFIG, "%s", broken[i].text);
        cr_expect_str_eq(error.text, broken[i].error);
        cr_expect_null(config);
    }
}

/* 1,000 items of a section with 64 KiB are 64 MiB. */
Test(each, limits_the_text)
{
    size_t size = 80000;
    char *text = malloc(size), *at = text;
    struct obx_config *config;
    struct outbox_error error;
    at += sprintf(at, "relays:\n  \"s-${each}\":\n    each: \"0");
    for (int i = 1; i < 1000; i++)
        at += sprintf(at, ", %d", i);
    at += sprintf(at, "\"\n    order: ");
    memset(at, 'x', 65536);
    at[65536] = '\0';
    cr_expect_eq(parse(text, &config, &error), OUTBOX_E_CONFIG);
    cr_expect_str_eq(error.text, "f.yaml: the sections with 'each' make more than 16 MiB of text");
    free(text);
}

Test(each, survives_failing_allocations)
{
    struct obx_config *config;
    struct outbox_error error;
    int code = OUTBOX_E_NO_MEMORY;
    for (size_t n = 1; code == OUTBOX_E_NO_MEMORY; n++) {
        mem_fail_at(n, false);
        code = parse(three, &config, &error);
        mem_fail_at(0, false);
    }
    cr_expect_eq(code, OUTBOX_OK, "%s", error.text);
    obx_config_free(config);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/plugin/descriptor_test.c - each refusal of a descriptor, with its exact text */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "loop/random.h"
#include "plugin/registry.h"
#include "plugin_fixture.h"

struct subject {
    struct outbox_plugin descriptor;
    struct outbox_store_ops store;
    struct outbox_broker_ops broker;
    struct outbox_option options[4];
    struct obx_plugin plugin;
    struct outbox_error error;
};

static void copy(struct subject *s, const struct outbox_plugin *from)
{
    memset(s, 0, sizeof *s);
    s->descriptor = *from;
    if (from->kind == OUTBOX_STORE)
        memcpy(&s->store, from->ops, sizeof s->store);
    else
        memcpy(&s->broker, from->ops, sizeof s->broker);
    memcpy(s->options, from->options, sizeof s->options);
    s->descriptor.ops = from->kind == OUTBOX_STORE ? (const void *)&s->store : &s->broker;
    s->descriptor.options = s->options;
}

static int check(struct subject *s)
{
    return obx_plugin_check(&s->descriptor, "x.so", &s->plugin, &s->error);
}

#define REFUSED(s, expected)                         \
    do {                                             \
        cr_assert_eq(check(s), OUTBOX_E_ABI);        \
        cr_assert_str_eq((s)->error.text, expected); \
    } while (0)

Test(descriptor, valid_descriptors_are_copied)
{
    struct subject s;
    for (const struct outbox_plugin *const *plugin = plugin_fixture_plugins; *plugin; plugin++) {
        copy(&s, *plugin);
        cr_assert_eq(check(&s), OUTBOX_OK, "%s", s.error.text);
        cr_assert_str_eq(s.plugin.descriptor.name, (*plugin)->name);
        cr_assert_null(s.plugin.path);
    }
}

Test(descriptor, wrong_versions_are_refused)
{
    struct subject s;
    copy(&s, &plugin_fixture_store);
    s.descriptor.abi_major = 2;
    REFUSED(&s, "x.so: abi_major is 2, expected 1: build the plugin against this version of outbox");
    copy(&s, &plugin_fixture_store);
    s.descriptor.struct_size = 16;
    REFUSED(&s, "x.so: struct_size is 16, expected at least 88");
}

Test(descriptor, newer_descriptor_may_be_larger)
{
    struct {
        struct outbox_plugin descriptor;
        char tail[64];
    } newer = {.descriptor = plugin_fixture_store};
    struct obx_plugin plugin;
    struct outbox_error error;
    memset(newer.tail, 0xff, sizeof newer.tail);
    newer.descriptor.struct_size = sizeof newer;
    cr_assert_eq(obx_plugin_check(&newer.descriptor, "x.so", &plugin, &error), OUTBOX_OK);
    cr_assert_eq(plugin.ops.store.claim, ((const struct outbox_store_ops *)plugin_fixture_store.ops)->claim);
}

Test(descriptor, smaller_table_of_functions_lacks_the_rest)
{
    struct subject s;
    copy(&s, &plugin_fixture_store);
    s.descriptor.caps = 0;
    s.store.struct_size = offsetof(struct outbox_store_ops, dead_letter);
    cr_assert_eq(check(&s), OUTBOX_OK, "%s", s.error.text);
    cr_assert_not_null(s.plugin.ops.store.settle);
    cr_assert_null(s.plugin.ops.store.dead_letter);
    cr_assert_null(s.plugin.ops.store.dead);
    s.store.struct_size = offsetof(struct outbox_store_ops, settle);
    REFUSED(&s, "x.so: ops.settle is NULL, expected a function");
    s.store.struct_size = 3;
    REFUSED(&s, "x.so: ops.struct_size is 3, expected the size of the structure");
}

Test(descriptor, bad_kinds_and_names_are_refused)
{
    struct subject s;
    copy(&s, &plugin_fixture_store);
    s.descriptor.kind = 4;
    REFUSED(&s, "x.so: kind is 4, expected 1 (store), 2 (broker) or 3 (transform)");
    copy(&s, &plugin_fixture_store);
    s.descriptor.name = "Stub";
    REFUSED(&s, "x.so: name is 'Stub', expected [a-z][a-z0-9_-]*, at most 31 characters");
    s.descriptor.name = NULL;
    REFUSED(&s, "x.so: name is '', expected [a-z][a-z0-9_-]*, at most 31 characters");
    s.descriptor.name = "abcdefghijklmnopqrstuvwxyz012345";
    REFUSED(&s, "x.so: name is 'abcdefghijklmnopqrstuvwxyz012345', expected [a-z][a-z0-9_-]*, at most 31 characters");
    s.descriptor.name = "../x";
    REFUSED(&s, "x.so: name is '../x', expected [a-z][a-z0-9_-]*, at most 31 characters");
    copy(&s, &plugin_fixture_store);
    s.descriptor.version = NULL;
    REFUSED(&s, "x.so: version is NULL, expected a text");
    copy(&s, &plugin_fixture_store);
    s.descriptor.description = NULL;
    REFUSED(&s, "x.so: description is NULL, expected a text");
}

Test(descriptor, bad_sizes_are_refused)
{
    struct subject s;
    copy(&s, &plugin_fixture_store);
    s.descriptor.instance_size = SIZE_MAX;
    REFUSED(&s, "x.so: instance_size is 18446744073709551615, expected at most 67108864");
    copy(&s, &plugin_fixture_store);
    s.descriptor.op_size = (1 << 20) + 1;
    REFUSED(&s, "x.so: op_size is 1048577, expected at most 1048576");
}

Test(descriptor, missing_functions_are_refused)
{
    struct subject s;
    copy(&s, &plugin_fixture_bare);
    s.store.release = NULL;
    REFUSED(&s, "x.so: ops.release is NULL, expected a function");
    copy(&s, &plugin_fixture_broker);
    s.broker.publish = NULL;
    REFUSED(&s, "x.so: ops.publish is NULL, expected a function");
    copy(&s, &plugin_fixture_broker);
    s.descriptor.ops = NULL;
    REFUSED(&s, "x.so: ops is NULL, expected struct outbox_broker_ops");
    copy(&s, &plugin_fixture_pass);
    s.broker.fini = NULL;
    REFUSED(&s, "x.so: ops.fini is NULL, expected a function with capability DECORATOR");
}

Test(descriptor, bad_capabilities_are_refused)
{
    struct subject s;
    copy(&s, &plugin_fixture_store);
    s.store.dead = NULL;
    REFUSED(&s, "x.so: ops.dead is NULL, expected a function with capability DEAD_LETTERS");
    copy(&s, &plugin_fixture_store);
    s.store.add = NULL;
    REFUSED(&s, "x.so: ops.add is NULL, expected a function with capability ADMIN");
    copy(&s, &plugin_fixture_store);
    s.descriptor.caps |= OUTBOX_CAP_INBOX;
    REFUSED(&s, "x.so: ops.setup_inbox is NULL, expected a function with capability INBOX");
    copy(&s, &plugin_fixture_broker);
    s.broker.admit = NULL;
    REFUSED(&s, "x.so: ops.admit is NULL, expected a function with capability ADMIT");
    copy(&s, &plugin_fixture_store);
    s.descriptor.caps |= OUTBOX_CAP_ORDERED;
    REFUSED(&s, "x.so: caps has ORDERED, which is for a broker, but kind is store");
    copy(&s, &plugin_fixture_broker);
    s.descriptor.caps |= OUTBOX_CAP_ORDERED | OUTBOX_CAP_CONCURRENT;
    REFUSED(&s, "x.so: caps has ORDERED and CONCURRENT, expected one of them");
    copy(&s, &plugin_fixture_broker);
    s.descriptor.caps = (s.descriptor.caps & ~OUTBOX_CAP_ORDERED) | OUTBOX_CAP_GLOBAL_ORDER;
    REFUSED(&s, "x.so: caps has GLOBAL_ORDER without ORDERED, expected both");
    copy(&s, &plugin_fixture_broker);
    s.descriptor.caps |= OUTBOX_CAP_EXACTLY_ONCE;
    REFUSED(&s, "x.so: ops.record is NULL, expected a function with capability EXACTLY_ONCE");
    copy(&s, &plugin_fixture_store);
    s.descriptor.caps |= OUTBOX_CAP_LOG;
    REFUSED(&s, "x.so: ops.spool is NULL, expected a function with capability LOG");
    copy(&s, &plugin_fixture_store);
}

Test(descriptor, unknown_capabilities_are_refused)
{
    struct subject s;
    char expected[OUTBOX_ERROR_TEXT_SIZE];
    const uint64_t last = OUTBOX_CAP_AHEAD; /* in the header */
    copy(&s, &plugin_fixture_store);
    s.descriptor.caps |= 1ull << 40;
    snprintf(expected, sizeof expected,
             "x.so: caps has 0x10000000000, expected only bits of 0x%" PRIx64
             ": the plugin needs a newer version of outbox",
             2 * last - 1);
    REFUSED(&s, expected);
}

Test(descriptor, bad_option_tables_are_refused)
{
    struct subject s;
    copy(&s, &plugin_fixture_store);
    s.descriptor.options = NULL;
    REFUSED(&s, "x.so: options is NULL, expected 4 options");
    copy(&s, &plugin_fixture_store);
    s.descriptor.option_size = 12;
    REFUSED(&s, "x.so: option_size is 12, expected at least 64, a multiple of 8");
    copy(&s, &plugin_fixture_store);
    s.descriptor.option_count = 1001;
    REFUSED(&s, "x.so: option_count is 1001, expected at most 1000");
}

Test(descriptor, bad_option_names_are_refused)
{
    struct subject s;
    copy(&s, &plugin_fixture_store);
    s.options[1].name = "Bad name";
    REFUSED(&s, "x.so: options[1].name is 'Bad name', expected [a-z][a-z0-9_.-]*");
    s.options[1].name = NULL;
    REFUSED(&s, "x.so: options[1].name is '', expected [a-z][a-z0-9_.-]*");
    s.options[1].name = "plugin";
    REFUSED(&s, "x.so: options[1].name is 'plugin', expected a name that the host does not use");
    s.options[1].name = s.options[0].name;
    REFUSED(&s, "x.so: options[1].name is 'hold', which options[0] has already");
}

Test(descriptor, options_outside_the_instance_are_refused)
{
    struct subject s;
    copy(&s, &plugin_fixture_store);
    s.options[0].type = 8;
    REFUSED(&s, "x.so: option hold: type is 8, expected 1 to 7");
    copy(&s, &plugin_fixture_store);
    s.options[2].offset += 1;
    cr_assert_eq(check(&s), OUTBOX_E_ABI);
    cr_assert_not_null(strstr(s.error.text, "expected a multiple of 8"));
    s.descriptor.instance_size = 64;
    s.options[2].offset = 60;
    REFUSED(&s, "x.so: option note: offset is 60, expected 8 bytes within instance_size 64");
    s.options[2].offset = SIZE_MAX;
    REFUSED(&s, "x.so: option note: offset is 18446744073709551615, expected 8 bytes within instance_size 64");
}

Test(descriptor, bad_option_values_are_refused)
{
    struct subject s;
    copy(&s, &plugin_fixture_store);
    s.options[0].flags = 1u << 30;
    REFUSED(&s, "x.so: option hold: flags is 0x40000000, expected only bits of 0x7f");
    copy(&s, &plugin_fixture_store);
    s.options[3].min = 101;
    REFUSED(&s, "x.so: option number: min is 101, expected at most max, 100");
    copy(&s, &plugin_fixture_store);
    s.options[3].type = OUTBOX_OPT_ENUM;
    REFUSED(&s, "x.so: option number: choices is empty, expected at least one");
}

static uint64_t draw(uint64_t *state)
{
    return obx_random_stir(*state += OBX_RANDOM_STEP);
}

/* A number that is likely to hit a limit. */
static uint64_t odd_number(uint64_t *state)
{
    static const uint64_t odd[] = {0, 1, 7, 8, 31, 63, 64, 88, 4096, UINT32_MAX, INT64_MAX, UINT64_MAX};
    uint64_t number = odd[draw(state) % (sizeof odd / sizeof *odd)];
    return draw(state) % 4 ? number : draw(state);
}

static void bend(struct subject *s, uint64_t *state)
{
    struct outbox_option *option = &s->options[draw(state) % 4];
    uint64_t number = odd_number(state);
    switch (draw(state) % 12) {
    case 0:
        s->descriptor.struct_size = (uint32_t)number;
        break;
    case 1:
        s->descriptor.kind = (uint32_t)number;
        break;
    case 2:
        s->descriptor.caps = number;
        break;
    case 3:
        s->descriptor.instance_size = number;
        break;
    case 4:
        s->descriptor.op_size = number;
        break;
    case 5:
        s->descriptor.option_size = (uint32_t)(number % (sizeof *option + 1));
        break;
    case 6:
        s->descriptor.option_count = (uint32_t)(number % 5);
        break;
    case 7:
        s->store.struct_size = (uint32_t)(number % (sizeof s->store + 1));
        break;
    case 8:
        option->type = (uint32_t)number;
        break;
    case 9:
        option->flags = (uint32_t)number;
        break;
    case 10:
        option->offset = number;
        break;
    default:
        option->min = (int64_t)number;
    }
}

/* For any numbers: refused with a text, or all requirements of the host hold. */
Test(descriptor, random_numbers_never_break_the_check)
{
    struct subject s;
    uint64_t state = 1;
    for (int round = 0; round < 20000; round++) {
        copy(&s, &plugin_fixture_store);
        for (uint64_t bends = draw(&state) % 3 + 1; bends; bends--)
            bend(&s, &state);
        if (check(&s)) {
            cr_assert_eq(s.error.code, OUTBOX_E_ABI);
            cr_assert(!strncmp(s.error.text, "x.so: ", 6));
            continue;
        }
        cr_assert_not_null(s.plugin.ops.store.init);
        for (uint32_t i = 0; i < s.plugin.descriptor.option_count; i++)
            cr_assert_lt(s.options[i].offset, s.plugin.descriptor.instance_size);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/module_test.c - older, newer and invalid modules, loaded from files */
#pragma GCC diagnostic ignored "-Wformat-extra-args"
#include "abi.h"

extern const struct outbox_plugin outbox_store_twin;

Test(module, valid_module_is_loaded_once)
{
    struct abi abi;
    abi_open(&abi, NULL, NULL);
    cr_assert_eq(abi_find(&abi, OUTBOX_STORE, "good"), OUTBOX_OK, "%s", abi.error.text);
    const struct obx_plugin *first = abi.plugin;
    cr_assert_str_eq(first->descriptor.name, "good");
    cr_assert_not_null(first->path);
    cr_assert_eq(abi_find(&abi, OUTBOX_STORE, "good"), OUTBOX_OK);
    cr_assert_eq(abi.plugin, first);
    abi_close(&abi);
}

Test(module, newer_module_is_read_as_far_as_this_host_knows)
{
    struct abi abi;
    abi_open(&abi, NULL, NULL);
    cr_assert_eq(abi_find(&abi, OUTBOX_STORE, "newer"), OUTBOX_OK, "%s", abi.error.text);
    cr_assert_eq(abi.plugin->descriptor.option_size, sizeof(struct outbox_option) + 2 * sizeof(char *));
    cr_assert_not_null(abi.plugin->ops.store.settle);
    cr_assert_null(abi.plugin->ops.store.dead);
    abi_close(&abi);
}

Test(module, older_module_lacks_later_fields)
{
    struct abi abi;
    abi_open(&abi, NULL, NULL);
    cr_assert_eq(abi_find(&abi, OUTBOX_STORE, "older"), OUTBOX_OK, "%s", abi.error.text);
    cr_assert_not_null(abi.plugin->ops.store.settle);
    cr_assert_null(abi.plugin->ops.store.dead_letter);
    abi_close(&abi);
}

Test(module, wrong_modules_are_refused_with_file_field_expected_and_found)
{
    struct abi abi;
    abi_open(&abi, NULL, NULL);
    ABI_REFUSED(&abi, OUTBOX_STORE, "truncated", OUTBOX_E_ABI,
                "%s/outbox-store-truncated.so: struct_size is 64, expected at least 88");
    ABI_REFUSED(&abi, OUTBOX_STORE, "missing", OUTBOX_E_ABI,
                "%s/outbox-store-missing.so: ops.claim is NULL, expected a function");
    ABI_REFUSED(
        &abi, OUTBOX_STORE, "falsecap", OUTBOX_E_ABI,
        "%s/outbox-store-falsecap.so: ops.dead_letter is NULL, expected a function with capability DEAD_LETTERS");
    ABI_REFUSED(&abi, OUTBOX_STORE, "wrongkind", OUTBOX_E_ABI,
                "%s/outbox-store-wrongkind.so: kind is broker, expected store, as the file is called");
    ABI_REFUSED(&abi, OUTBOX_STORE, "wrongname", OUTBOX_E_ABI,
                "%s/outbox-store-wrongname.so: name is 'somebody', expected 'wrongname', as the file is called");
    ABI_REFUSED(&abi, OUTBOX_STORE, "wrongmajor", OUTBOX_E_ABI,
                "%s/outbox-store-wrongmajor.so: abi_major is 7, expected 1: build the plugin against this version of "
                "outbox");
    ABI_REFUSED(&abi, OUTBOX_STORE, "nosymbol", OUTBOX_E_ABI,
                "%s/outbox-store-nosymbol.so: symbol outbox_plugin is missing, expected one made by OUTBOX_PLUGIN() of "
                "outbox/plugin.h");
    abi_close(&abi);
}

Test(module, built_in_plugin_precedes_a_module_which_is_logged_once)
{
    const struct outbox_plugin *const builtins[] = {&outbox_store_twin, NULL};
    struct abi abi;
    abi_open(&abi, NULL, builtins);
    cr_assert_eq(abi_find(&abi, OUTBOX_STORE, "twin"), OUTBOX_OK);
    cr_assert_null(abi.plugin->path);
    cr_assert_eq(abi_find(&abi, OUTBOX_STORE, "twin"), OUTBOX_OK);
    snprintf(abi.expected, sizeof abi.expected,
             "2 plugins: the store twin is built in: %s/outbox-store-twin.so is not used\n", abi.directory);
    cr_assert_str_eq(abi.logged, abi.expected);
    abi_close(&abi);
}

Test(module, one_source_is_one_plugin_built_in_and_as_a_module)
{
    const struct outbox_plugin *const builtins[] = {&outbox_store_twin, NULL};
    struct abi in, out;
    abi_open(&in, NULL, builtins);
    abi_open(&out, NULL, NULL);
    cr_assert_eq(abi_find(&in, OUTBOX_STORE, "twin"), OUTBOX_OK);
    cr_assert_eq(abi_find(&out, OUTBOX_STORE, "twin"), OUTBOX_OK, "%s", out.error.text);
    cr_assert_neq(in.plugin->descriptor.ops, out.plugin->descriptor.ops);
    cr_assert_str_eq(in.plugin->descriptor.version, out.plugin->descriptor.version);
    cr_assert_eq(in.plugin->descriptor.option_count, out.plugin->descriptor.option_count);
    obx_registry_free(in.registry);
    abi_close(&out);
}

Test(module, two_built_in_plugins_of_one_name_are_refused)
{
    const struct outbox_plugin *const builtins[] = {&outbox_store_twin, &outbox_store_twin, NULL};
    struct obx_registry *registry;
    struct outbox_error error;
    cr_assert_eq(obx_registry_new(NULL, builtins, NULL, &registry, &error), OUTBOX_E_ABI);
    cr_assert_str_eq(error.text, "built in: two plugins are store twin");
    cr_assert_null(registry);
    cr_assert_eq(mem_live(), 0);
}

struct seen {
    char loaded[256];
    uint32_t refused;
};

static void see(void *arg, const struct obx_plugin *plugin, const char *path, const struct outbox_error *error)
{
    struct seen *seen = arg;
    if (!plugin) {
        cr_assert_not_null(path);
        cr_assert_neq(error->code, 0);
        seen->refused++;
        return;
    }
    size_t used = strlen(seen->loaded);
    snprintf(seen->loaded + used, sizeof seen->loaded - used, "%s%s%s", used ? " " : "", plugin->descriptor.name,
             plugin->path ? "" : "*");
}

Test(module, registry_lists_every_plugin)
{
    const struct outbox_plugin *const builtins[] = {&outbox_store_twin, NULL};
    struct abi abi;
    struct seen seen = {0}, again = {0};
    abi_open(&abi, NULL, builtins);
    obx_registry_each(abi.registry, see, &seen);
    cr_assert_str_eq(seen.loaded, "twin* good newer nolibrary older faulty");
    cr_assert_eq(seen.refused, 7);
    obx_registry_each(abi.registry, see, &again);
    cr_assert_str_eq(again.loaded, seen.loaded);
    abi_close(&abi);
}

/* Loading with each allocation failing in turn: NO_MEMORY or success, and no leak. */
Test(module, every_allocation_may_fail)
{
    static const char *const names[] = {"good", "goood", "sqlite"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bool failed = true;
        for (size_t n = 1; failed; n++) {
            struct abi abi = {.directory = ""};
            mem_fail_at(n, false);
            int status = obx_registry_new(getenv("OUTBOX_ABI_DIR"), NULL, NULL, &abi.registry, &abi.error);
            if (!status)
                status = abi_find(&abi, OUTBOX_STORE, names[i]);
            failed = mem_failed();
            mem_fail_at(0, false);
            if (failed)
                cr_assert(status == OUTBOX_E_NO_MEMORY || (i == 0 && status == 0), "%s: %d", names[i], status);
            else
                cr_assert_eq(status, i == 0 ? OUTBOX_OK : OUTBOX_E_NOT_FOUND);
            abi_close(&abi);
        }
    }
}

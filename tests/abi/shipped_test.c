/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/shipped_test.c - every plugin of this build, as the module that is installed, passes the check */
#include "abi.h"
#include "plugin/builtin.h"

#include <outbox/version.h>

struct count {
    uint32_t modules;
    char refused[512];
};

static void see(void *arg, const struct obx_plugin *plugin, const char *path, const struct outbox_error *error)
{
    struct count *count = arg;
    if (!plugin)
        snprintf(count->refused, sizeof count->refused, "%s", error->text);
    else if (path)
        count->modules++;
}

Test(shipped, each_shipped_module_loads_and_equals_the_built_in_plugin)
{
    struct abi abi;
    struct count count = {0};
    abi_open(&abi, getenv("OUTBOX_PLUGIN_DIR"), NULL);
    obx_registry_each(abi.registry, see, &count);
    cr_assert_str_eq(count.refused, "");
    uint32_t builtins = 0;
    for (const struct outbox_plugin *const *plugin = obx_builtins; *plugin; plugin++, builtins++) {
        cr_assert_eq(abi_find(&abi, (*plugin)->kind, (*plugin)->name), OUTBOX_OK, "%s", abi.error.text);
        cr_assert_str_eq(abi.plugin->descriptor.version, OUTBOX_VERSION_STRING);
        cr_assert_eq(abi.plugin->descriptor.caps, (*plugin)->caps);
        cr_assert_eq(abi.plugin->descriptor.option_count, (*plugin)->option_count);
    }
    cr_assert_eq(count.modules, builtins);
    abi_close(&abi);
}

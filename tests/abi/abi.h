/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/abi.h - a registry over the modules of this folder, and where they are */
#ifndef OBX_TESTS_ABI_ABI_H
#define OBX_TESTS_ABI_ABI_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "mem_fault.h"
#include "plugin/registry.h"

struct abi {
    char directory[512];
    struct obx_log log;
    char logged[1024];
    struct obx_registry *registry;
    const struct obx_plugin *plugin;
    struct outbox_error error;
    char expected[4096];
};

static inline void abi_log(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    struct abi *abi = arg;
    size_t used = strlen(abi->logged);
    snprintf(abi->logged + used, sizeof abi->logged - used, "%d %s: %s\n", (int)level, subject, text);
}

/* directory NULL: that of the modules built here. */
static inline void abi_open(struct abi *abi, const char *directory, const struct outbox_plugin *const *builtins)
{
    *abi = (struct abi){.log = {.write = abi_log, .arg = abi, .level = OUTBOX_LOG_INFO}};
    snprintf(abi->directory, sizeof abi->directory, "%s", directory ? directory : getenv("OUTBOX_ABI_DIR"));
    int status = obx_registry_new(abi->directory, builtins, &abi->log, &abi->registry, &abi->error);
    cr_assert_eq(status, OUTBOX_OK, "%s", abi->error.text);
}

static inline void abi_close(struct abi *abi)
{
    obx_registry_free(abi->registry);
    cr_assert_eq(mem_live(), 0);
}

static inline int abi_find(struct abi *abi, enum outbox_kind kind, const char *name)
{
    return obx_registry_find(abi->registry, kind, name, &abi->plugin, &abi->error);
}

/* Asserts the code and the exact text; %s of the format is the directory, as often as it is there (at most 3). */
#define ABI_REFUSED(abi, kind, name, code, format)                                                   \
    do {                                                                                             \
        cr_assert_eq(abi_find(abi, kind, name), code, "%s", (abi)->error.text);                      \
        snprintf((abi)->expected, sizeof(abi)->expected, format, (abi)->directory, (abi)->directory, \
                 (abi)->directory);                                                                  \
        cr_assert_str_eq((abi)->error.text, (abi)->expected);                                        \
        cr_assert_null((abi)->plugin);                                                               \
    } while (0)

#endif

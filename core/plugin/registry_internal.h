/* SPDX-License-Identifier: Apache-2.0 */
/* core/plugin/registry_internal.h - what registry.c and module.c share */
#ifndef OBX_PLUGIN_REGISTRY_INTERNAL_H
#define OBX_PLUGIN_REGISTRY_INTERNAL_H

#include "base/list.h"
#include "plugin/internal.h"

struct obx_entry {
    struct obx_list link;
    struct obx_plugin plugin;
    char *path;         /* owned; NULL: built in */
    bool shadow_logged; /* that a module of the same name exists */
};

struct obx_registry {
    char *directory; /* NULL: none */
    const struct obx_log *log;
    struct obx_list entries;
};

void obx_entry_free(struct obx_entry *entry); /* NULL is fine */

/* NULL: no memory. */
char *obx_module_path(const struct obx_registry *registry, enum outbox_kind kind, const char *name);
/* Load, check, add to the registry. Errors: NOT_FOUND, PERMISSION, ABI, IO, CONFIG, NO_MEMORY. */
int obx_module_load(struct obx_registry *registry, enum outbox_kind kind, const char *name, struct obx_entry **entry,
                    struct outbox_error *error);

/* The NAMEs of the modules in the directory, sorted; not checked. */
struct obx_names {
    char **items;
    size_t count;
};
int obx_module_names(const struct obx_registry *registry, enum outbox_kind kind, struct obx_names *names);
void obx_names_free(struct obx_names *names);

#endif

/* core/plugin/registry_internal.h - what registry.c and module.c share */
#ifndef OBX_PLUGIN_REGISTRY_INTERNAL_H
#define OBX_PLUGIN_REGISTRY_INTERNAL_H

#include "base/list.h"
#include "plugin/internal.h"

struct obx_entry {
    struct obx_list link;
    struct obx_plugin plugin;
    char *path;       /* owned; NULL: built in */
    bool shadow_told; /* a module of the same name is there too */
};

struct obx_registry {
    char *directory; /* NULL: none */
    const struct obx_log *log;
    struct obx_list entries;
};

struct obx_entry *obx_registry_lookup(const struct obx_registry *registry, enum outbox_kind kind, const char *name);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/plugin/registry.h - which plugins there are: built in first, then modules of the plugin directories, on demand
 *
 * A module is outbox-KIND-NAME.so, KIND one of store, broker, transform. It is opened once and never closed. A
 * descriptor is copied, smaller or larger as it may be, into one of this host's size and checked before any code of it
 * runs.
 */
#ifndef OBX_PLUGIN_REGISTRY_H
#define OBX_PLUGIN_REGISTRY_H

#include <outbox/plugin.h>

#include "base/log.h"

/* A checked plugin: descriptor and ops in this host's layout; fields that the plugin lacks are zero. */
struct obx_plugin {
    struct outbox_plugin descriptor;
    union {
        struct outbox_store_ops store;
        struct outbox_broker_ops broker;
        struct outbox_transform_ops transform;
    } ops;
    const char *path; /* of the module; NULL: built in */
};

const char *obx_kind_name(uint32_t kind); /* "store", "broker", "transform"; else "plugin" */

struct obx_registry;

/* path: directories of modules, separated by colons, searched in that order; copied; NULL: built-in plugins only.
 * builtins: ends with NULL, may be NULL; must outlive the registry. */
int obx_registry_new(const char *path, const struct outbox_plugin *const *builtins, const struct obx_log *log,
                     struct obx_registry **registry, struct outbox_error *error);
void obx_registry_free(struct obx_registry *registry);

/* Errors: NOT_FOUND (names the available plugins and suggests one), ABI, PERMISSION (others may write the module). */
int obx_registry_find(struct obx_registry *registry, enum outbox_kind kind, const char *name,
                      const struct obx_plugin **plugin, struct outbox_error *error);
/* All plugins; loads the modules. A module that is refused comes with plugin == NULL and its error. */
void obx_registry_each(struct obx_registry *registry,
                       void (*each)(void *arg, const struct obx_plugin *plugin, const char *path,
                                    const struct outbox_error *error),
                       void *arg);

/* Check a descriptor and copy it. origin: the file, or "built in", for messages. Pure; the fuzz target `descriptor`
 * calls it. */
int obx_plugin_check(const struct outbox_plugin *descriptor, const char *origin, struct obx_plugin *plugin,
                     struct outbox_error *error);

#endif

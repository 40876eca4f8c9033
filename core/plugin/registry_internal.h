/* SPDX-License-Identifier: Apache-2.0 */
/* core/plugin/registry_internal.h - what registry.c and module.c share */
#ifndef OBX_PLUGIN_REGISTRY_INTERNAL_H
#define OBX_PLUGIN_REGISTRY_INTERNAL_H

#include <limits.h>
#include <sys/stat.h>

#include "base/list.h"
#include "plugin/internal.h"

struct obx_entry {
    struct obx_list link;
    struct obx_plugin plugin;
    char *path;         /* owned; NULL: built in */
    bool shadow_logged; /* that a module of the same name exists */
};

struct obx_registry {
    char *path;         /* as it was given; NULL: none */
    char **directories; /* of the path, in the order of the search; they point into a copy */
    char *copy;
    size_t count;
    const struct obx_log *log;
    struct obx_list entries;
};

void obx_entry_free(struct obx_entry *entry); /* NULL is fine */

/* The file of a module in the first directory that has it, else in the last one; NULL: no memory. */
char *obx_module_path(const struct obx_registry *registry, enum outbox_kind kind, const char *name);
/* Load from the first directory that has the file, check, add to the registry. Errors: NOT_FOUND, PERMISSION, ABI, IO,
 * CONFIG, NO_MEMORY. */
int obx_module_load(struct obx_registry *registry, enum outbox_kind kind, const char *name, struct obx_entry **entry,
                    struct outbox_error *error);

/* The NAMEs of the modules in all directories, each once, sorted; not checked. */
struct obx_names {
    char **items;
    size_t count;
};
int obx_module_names(const struct obx_registry *registry, enum outbox_kind kind, struct obx_names *names);
void obx_names_free(struct obx_names *names);

/* Users beside root and the effective one. The group of this process may write: build trees look like that where every
 * user has a group. */
bool obx_others_may_write(const struct stat *info);
/* Whether another user can replace the directory, by one above it. canonical: its path without symbolic links. Errors:
 * PERMISSION, IO. */
int obx_check_ancestors(const char *directory, char canonical[PATH_MAX], struct outbox_error *error);

#endif

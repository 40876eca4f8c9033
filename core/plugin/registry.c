/*
 * core/plugin/registry.c - the plugins that this process knows
 *
 * What is built in is checked when the registry is made: a bad one is a mistake of the build. Modules are opened when
 * they are asked for (module.c), once; a module that was refused may be asked for again, for instance after it was
 * mended. What is built in wins over a module of the same name, which is told once.
 */
#include "plugin/registry_internal.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"

struct obx_entry *obx_registry_lookup(const struct obx_registry *registry, enum outbox_kind kind, const char *name)
{
    OBX_LIST_EACH(&registry->entries, entry, struct obx_entry, link)
        if (entry->plugin.descriptor.kind == kind && !strcmp(entry->plugin.descriptor.name, name))
            return entry;
    return NULL;
}

static int add_builtin(struct obx_registry *registry, const struct outbox_plugin *descriptor, struct outbox_error *error)
{
    struct obx_entry *entry = obx_alloc(sizeof *entry);
    if (!entry)
        return obx_error_no_memory(error);
    int status = obx_plugin_check(descriptor, "built in", &entry->plugin, error);
    const struct outbox_plugin *d = &entry->plugin.descriptor;
    if (!status && obx_registry_lookup(registry, d->kind, d->name))
        status = obx_error_set(error, OUTBOX_E_ABI, "built in: two plugins are %s %s", obx_kind_name(d->kind), d->name);
    if (status) {
        obx_free(entry);
        return status;
    }
    obx_list_append(&registry->entries, &entry->link);
    return OUTBOX_OK;
}

int obx_registry_new(const char *directory, const struct outbox_plugin *const *builtins, const struct obx_log *log,
                     struct obx_registry **result, struct outbox_error *error)
{
    *result = NULL;
    struct obx_registry *registry = obx_alloc(sizeof *registry);
    if (!registry)
        return obx_error_no_memory(error);
    obx_list_init(&registry->entries);
    registry->log = log;
    int status = OUTBOX_OK;
    if (directory && !(registry->directory = obx_strdup(directory)))
        status = obx_error_no_memory(error);
    for (; !status && builtins && *builtins; builtins++)
        status = add_builtin(registry, *builtins, error);
    if (status) {
        obx_registry_free(registry);
        return status;
    }
    *result = registry;
    return OUTBOX_OK;
}

void obx_registry_free(struct obx_registry *registry)
{
    if (!registry)
        return;
    for (struct obx_list *link; (link = obx_list_pop(&registry->entries));) {
        struct obx_entry *entry = OBX_CONTAINER(link, struct obx_entry, link);
        obx_free(entry->path);
        obx_free(entry);
    }
    obx_free(registry->directory);
    obx_free(registry);
}

static int not_found(struct obx_registry *registry, enum outbox_kind kind, const char *name, struct outbox_error *error)
{
    (void)registry;
    return obx_error_set(error, OUTBOX_E_NOT_FOUND, "no %s plugin is called '%s'", obx_kind_name(kind), name);
}

int obx_registry_find(struct obx_registry *registry, enum outbox_kind kind, const char *name,
                      const struct obx_plugin **plugin, struct outbox_error *error)
{
    *plugin = NULL;
    if (!obx_plugin_name_ok(name))
        return obx_error_set(error, OUTBOX_E_INVALID,
                             "'%.40s' cannot be the name of a %s plugin: expected [a-z][a-z0-9_-]*, at most %d characters",
                             name, obx_kind_name(kind), OBX_NAME_MAX);
    struct obx_entry *entry = obx_registry_lookup(registry, kind, name);
    if (!entry)
        return not_found(registry, kind, name, error);
    *plugin = &entry->plugin;
    return OUTBOX_OK;
}

void obx_registry_each(struct obx_registry *registry,
                       void (*each)(void *arg, const struct obx_plugin *plugin, const char *path,
                                    const struct outbox_error *error),
                       void *arg)
{
    OBX_LIST_EACH(&registry->entries, entry, struct obx_entry, link)
        each(arg, &entry->plugin, entry->plugin.path, NULL);
}

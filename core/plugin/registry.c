/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/plugin/registry.c - the plugins that this process knows
 *
 * Built-in plugins are checked when the registry is made; an error there is a mistake of the build. A module is opened
 * at its first use (module.c), once. A module that was refused is tried again at its next use. A built-in plugin takes
 * precedence over a module of the same name, which is logged once.
 */
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/suggest.h"
#include "plugin/registry_internal.h"

static struct obx_entry *lookup(const struct obx_registry *registry, enum outbox_kind kind, const char *name)
{
    OBX_LIST_EACH(&registry->entries, entry, struct obx_entry, link)
    if (entry->plugin.descriptor.kind == kind && !strcmp(entry->plugin.descriptor.name, name))
        return entry;
    return NULL;
}

void obx_entry_free(struct obx_entry *entry)
{
    if (!entry)
        return;
    obx_free(entry->path);
    obx_free(entry);
}

static int add_builtin(struct obx_registry *registry, const struct outbox_plugin *descriptor,
                       struct outbox_error *error)
{
    struct obx_entry *entry = obx_alloc(sizeof *entry);
    if (!entry)
        return obx_error_no_memory(error);
    int status = obx_plugin_check(descriptor, "built in", &entry->plugin, error);
    const struct outbox_plugin *d = &entry->plugin.descriptor;
    if (!status && lookup(registry, d->kind, d->name))
        status = obx_error_set(error, OUTBOX_E_ABI, "built in: two plugins are %s %s", obx_kind_name(d->kind), d->name);
    if (status) {
        obx_entry_free(entry);
        return status;
    }
    obx_list_append(&registry->entries, &entry->link);
    return OUTBOX_OK;
}

/* "a:b" to two directories; empty ones are left out. False: no memory. */
static bool set_path(struct obx_registry *registry, const char *path)
{
    size_t room = 1;
    for (const char *at = path; (at = strchr(at, ':')); at++)
        room++;
    registry->path = obx_strdup(path);
    registry->copy = obx_strdup(path);
    registry->directories = obx_alloc(room * sizeof *registry->directories);
    if (!registry->path || !registry->copy || !registry->directories)
        return false;
    char *rest = registry->copy;
    for (char *directory; (directory = strsep(&rest, ":"));)
        if (*directory)
            registry->directories[registry->count++] = directory;
    return true;
}

int obx_registry_new(const char *path, const struct outbox_plugin *const *builtins, const struct obx_log *log,
                     struct obx_registry **result, struct outbox_error *error)
{
    *result = NULL;
    struct obx_registry *registry = obx_alloc(sizeof *registry);
    if (!registry)
        return obx_error_no_memory(error);
    obx_list_init(&registry->entries);
    registry->log = log;
    int status = OUTBOX_OK;
    if (path && !set_path(registry, path))
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
    for (struct obx_list *link; (link = obx_list_pop(&registry->entries));)
        obx_entry_free(OBX_CONTAINER(link, struct obx_entry, link));
    obx_free(registry->directories);
    obx_free(registry->copy);
    obx_free(registry->path);
    obx_free(registry);
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

/* Plugins that belong to outbox but may not be installed, and the build option that makes them. */
static const struct {
    enum outbox_kind kind;
    const char *name;
} known[] = {
    {OUTBOX_STORE, "postgres"},
    {OUTBOX_STORE, "mysql"},
    {OUTBOX_STORE, "sqlite"},
    {OUTBOX_BROKER, "kafka"},
};

static bool is_known(enum outbox_kind kind, const char *name)
{
    for (size_t i = 0; i < OBX_COUNT(known); i++)
        if (known[i].kind == kind && !strcmp(known[i].name, name))
            return true;
    return false;
}

/* All names of a kind: built in, then the modules. The texts belong to the registry or to `modules`. */
static void list_names(const struct obx_registry *registry, enum outbox_kind kind, const struct obx_names *modules,
                       struct obx_suggest *suggestion, struct obx_buf *list)
{
    OBX_LIST_EACH(&registry->entries, entry, struct obx_entry, link)
    {
        if (entry->plugin.descriptor.kind != kind || entry->path)
            continue;
        obx_suggest_offer(suggestion, entry->plugin.descriptor.name);
        obx_buf_printf(list, "%s%s", list->size ? ", " : "", entry->plugin.descriptor.name);
    }
    for (size_t i = 0; i < modules->count; i++) {
        if (lookup(registry, kind, modules->items[i]))
            continue;
        obx_suggest_offer(suggestion, modules->items[i]);
        obx_buf_printf(list, "%s%s", list->size ? ", " : "", modules->items[i]);
    }
}

static int not_found(const struct obx_registry *registry, enum outbox_kind kind, const char *name,
                     struct outbox_error *error)
{
    const char *kind_name = obx_kind_name(kind);
    struct obx_names modules;
    struct obx_suggest suggestion = {.word = name};
    struct obx_buf list = {0};
    int status = obx_module_names(registry, kind, &modules);
    list_names(registry, kind, &modules, &suggestion, &list);
    const char *available = list.size ? obx_buf_text(&list) : "none";
    const char *where = registry->count ? registry->path : "a plugin directory (none is set)";
    if (status || obx_buf_failed(&list))
        status = obx_error_no_memory(error);
    else if (is_known(kind, name))
        status =
            obx_error_set(error, OUTBOX_E_NOT_FOUND,
                          "the %s %s is not installed: outbox-%s-%s.so is not in %s; install its package, or build "
                          "outbox with -D%s=enabled; available: %s",
                          kind_name, name, kind_name, name, where, name, available);
    else
        status = obx_error_set(error, OUTBOX_E_NOT_FOUND, "no %s is called '%s'%s%s%s; available: %s; searched %s",
                               kind_name, name, suggestion.best ? "; did you mean '" : "",
                               suggestion.best ? suggestion.best : "", suggestion.best ? "'?" : "", available, where);
    obx_buf_free(&list);
    obx_names_free(&modules);
    return status;
}

/* Logged once: the module of the same name has no effect, and its owner may not expect that. */
static void log_shadow(const struct obx_registry *registry, struct obx_entry *entry)
{
    if (entry->shadow_logged || entry->path || !registry->count)
        return;
    entry->shadow_logged = true;
    const struct outbox_plugin *d = &entry->plugin.descriptor;
    char *path = obx_module_path(registry, d->kind, d->name);
    if (path && !access(path, F_OK))
        obx_log_write(registry->log, OUTBOX_LOG_INFO, "plugins", "the %s %s is built in: %s is not used",
                      obx_kind_name(d->kind), d->name, path);
    obx_free(path);
}

int obx_registry_find(struct obx_registry *registry, enum outbox_kind kind, const char *name,
                      const struct obx_plugin **plugin, struct outbox_error *error)
{
    *plugin = NULL;
    if (!obx_plugin_name_ok(name))
        return obx_error_set(error, OUTBOX_E_INVALID,
                             "'%.*s' cannot be the name of a %s: expected [a-z][a-z0-9_-]*, at most %d characters",
                             OUTBOX_CUT(name, 40), obx_kind_name(kind), OBX_NAME_MAX);
    struct obx_entry *entry = lookup(registry, kind, name);
    int status = OUTBOX_E_NOT_FOUND;
    if (entry)
        log_shadow(registry, entry);
    else if (registry->count && (status = obx_module_load(registry, kind, name, &entry, error)))
        entry = NULL;
    if (entry)
        *plugin = &entry->plugin;
    else if (status == OUTBOX_E_NOT_FOUND)
        status = not_found(registry, kind, name, error);
    return entry ? OUTBOX_OK : status;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

typedef void each_function(void *arg, const struct obx_plugin *plugin, const char *path,
                           const struct outbox_error *error);

static void each_module(struct obx_registry *registry, enum outbox_kind kind, const char *name, each_function *each,
                        void *arg)
{
    struct obx_entry *entry = lookup(registry, kind, name);
    if (entry && !entry->path) {
        log_shadow(registry, entry);
        return;
    }
    struct outbox_error error = {0};
    char *path = obx_module_path(registry, kind, name);
    if (!path)
        obx_error_no_memory(&error);
    else if (!obx_plugin_name_ok(name))
        obx_error_set(&error, OUTBOX_E_ABI, "%s: '%s' cannot be the name of a %s: rename the file", path, name,
                      obx_kind_name(kind));
    else if (!entry)
        obx_module_load(registry, kind, name, &entry, &error);
    each(arg, entry ? &entry->plugin : NULL, path ? path : name, entry ? NULL : &error);
    obx_free(path);
}

static void each_of_kind(struct obx_registry *registry, enum outbox_kind kind, each_function *each, void *arg)
{
    OBX_LIST_EACH(&registry->entries, entry, struct obx_entry, link)
    if (entry->plugin.descriptor.kind == kind && !entry->path)
        each(arg, &entry->plugin, NULL, NULL);
    struct obx_names modules;
    obx_module_names(registry, kind, &modules); /* out of memory: the names read so far */
    for (size_t i = 0; i < modules.count; i++)
        each_module(registry, kind, modules.items[i], each, arg);
    obx_names_free(&modules);
}

void obx_registry_each(struct obx_registry *registry, each_function *each, void *arg)
{
    each_of_kind(registry, OUTBOX_STORE, each, arg);
    each_of_kind(registry, OUTBOX_BROKER, each, arg);
    each_of_kind(registry, OUTBOX_TRANSFORM, each, arg);
}

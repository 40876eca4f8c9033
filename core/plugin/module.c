/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/plugin/module.c - plugins as files of the plugin directories
 *
 * outbox-store-NAME.so of the first directory of the search path that has it is opened at its first use and never
 * closed: a client library may have threads and handlers that outlive any plugin. Loading runs its code. So file and
 * directory must belong to root or to the effective user, and no other user may write to them, or replace a directory
 * above (ancestors.c): then nobody can swap the file between its check and its use. Then the descriptor is checked, and
 * its kind and name against the file's name. Each error names the file and what to do.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "plugin/registry_internal.h"

#define SUFFIX ".so"

static char *path_in(const char *directory, enum outbox_kind kind, const char *name)
{
    const char *kind_name = obx_kind_name(kind);
    size_t size = strlen(directory) + strlen(kind_name) + strlen(name) + sizeof "/outbox--" SUFFIX;
    char *path = obx_alloc(size);
    if (path)
        snprintf(path, size, "%s/outbox-%s-%s" SUFFIX, directory, kind_name, name);
    return path;
}

/* Index of the first directory that has the file; the last one if none has it. */
static size_t find_directory(const struct obx_registry *registry, enum outbox_kind kind, const char *name, char **path)
{
    size_t i = 0;
    struct stat info;
    for (;; i++) {
        *path = path_in(registry->directories[i], kind, name);
        if (!*path || i + 1 == registry->count || !lstat(*path, &info) || (errno != ENOENT && errno != ENOTDIR))
            return i;
        obx_free(*path);
    }
}

char *obx_module_path(const struct obx_registry *registry, enum outbox_kind kind, const char *name)
{
    char *path;
    find_directory(registry, kind, name, &path);
    return path;
}

/* ---- who may write to it ----------------------------------------------------------------------------------------- */

bool obx_others_may_write(const struct stat *info)
{
    if (info->st_mode & S_IWOTH)
        return true;
    return (info->st_mode & S_IWGRP) && info->st_gid != 0 && info->st_gid != getegid();
}

static int check_owner(const struct stat *info, const char *what, const char *path, struct outbox_error *error)
{
    if (info->st_uid != 0 && info->st_uid != geteuid())
        return obx_error_set(
            error, OUTBOX_E_PERMISSION,
            "%s %s belongs to user %u, expected root or user %u, who would run its code: change its owner", what, path,
            (unsigned)info->st_uid, (unsigned)geteuid());
    if (obx_others_may_write(info))
        return obx_error_set(error, OUTBOX_E_PERMISSION,
                             "%s %s has mode %04o, so other users may change the code that runs: chmod go-w %s", what,
                             path, (unsigned)(info->st_mode & 07777), path);
    return OUTBOX_OK;
}

static int check_directory(const char *directory, struct outbox_error *error)
{
    struct stat info;
    if (stat(directory, &info))
        return obx_error_set(error,
                             errno == ENOENT   ? OUTBOX_E_NOT_FOUND
                             : errno == EACCES ? OUTBOX_E_PERMISSION
                                               : OUTBOX_E_IO,
                             "plugin directory %s: %s", directory, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return obx_error_set(error, OUTBOX_E_CONFIG, "plugin directory %s is not a directory", directory);
    return check_owner(&info, "plugin directory", directory, error);
}

static int check_file(const char *canonical, const char *path, struct outbox_error *error)
{
    struct stat info;
    if (lstat(canonical, &info))
        return obx_error_set(error, errno == ENOENT ? OUTBOX_E_NOT_FOUND : OUTBOX_E_IO, "plugin %s: %s", path,
                             strerror(errno));
    if (!S_ISREG(info.st_mode))
        return obx_error_set(error, OUTBOX_E_PERMISSION,
                             "plugin %s is a %s, expected a regular file: put the module itself there", path,
                             S_ISLNK(info.st_mode)   ? "symbolic link"
                             : S_ISDIR(info.st_mode) ? "directory"
                                                     : "special file");
    return check_owner(&info, "plugin", path, error);
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

/* Without the path at its start, which our own message has. */
static const char *linker_message(const char *path)
{
    const char *text = dlerror();
    if (!text)
        return "unknown reason";
    size_t size = strlen(path);
    if (!strncmp(text, path, size) && !strncmp(text + size, ": ", 2))
        text += size + 2;
    return text;
}

/* The errno of a failure that the file did not cause; 0: it may be the file's. Only the linker's text has it. */
static int temporary_error(const char *reason)
{
    static const int numbers[] = {EMFILE, ENFILE, ENOMEM};
    for (size_t i = 0; i < OBX_COUNT(numbers); i++)
        if (strstr(reason, strerror(numbers[i])))
            return numbers[i];
    return 0;
}

static int refuse(const char *path, const char *canonical, struct outbox_error *error)
{
    const char *reason = linker_message(canonical);
    int number = temporary_error(reason);
    bool needs_library = !number && strstr(reason, "cannot open shared object file");
    return obx_error_set(error,
                         !number            ? OUTBOX_E_ABI
                         : number == ENOMEM ? OUTBOX_E_NO_MEMORY
                                            : OUTBOX_E_IO,
                         "load plugin %s: %s%s", path, reason,
                         number == EMFILE ? "; raise the limit (ulimit -n, or LimitNOFILE= of systemd)"
                         : needs_library  ? ": install the library that it needs"
                                          : "");
}

/* canonical: the same file, by a path without symbolic links. */
static int open_file(const char *path, const char *canonical, const struct outbox_plugin **descriptor,
                     struct outbox_error *error)
{
    void *handle = dlopen(canonical, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return refuse(path, canonical, error);
    *descriptor = dlsym(handle, OUTBOX_PLUGIN_SYMBOL);
    if (*descriptor)
        return OUTBOX_OK;
    return obx_error_set(error, OUTBOX_E_ABI,
                         "%s: symbol " OUTBOX_PLUGIN_SYMBOL
                         " is missing, expected one made by OUTBOX_PLUGIN() of outbox/plugin.h",
                         path);
}

static int check_name(const struct outbox_plugin *d, enum outbox_kind kind, const char *name, const char *path,
                      struct outbox_error *error)
{
    if (d->kind != kind)
        return obx_error_set(error, OUTBOX_E_ABI, "%s: kind is %s, expected %s, as the file is called", path,
                             obx_kind_name(d->kind), obx_kind_name(kind));
    if (strcmp(d->name, name))
        return obx_error_set(error, OUTBOX_E_ABI, "%s: name is '%s', expected '%s', as the file is called", path,
                             d->name, name);
    return OUTBOX_OK;
}

static int load(struct obx_entry *entry, enum outbox_kind kind, const char *name, const char *directory,
                struct outbox_error *error)
{
    const struct outbox_plugin *descriptor = NULL;
    char *canonical = path_in(directory, kind, name);
    int status = canonical ? check_file(canonical, entry->path, error) : obx_error_no_memory(error);
    if (!status)
        status = open_file(entry->path, canonical, &descriptor, error);
    obx_free(canonical);
    if (!status)
        status = obx_plugin_check(descriptor, entry->path, &entry->plugin, error);
    if (!status)
        status = check_name(&entry->plugin.descriptor, kind, name, entry->path, error);
    entry->plugin.path = entry->path;
    return status;
}

static int load_path(char *path, enum outbox_kind kind, const char *name, const char *directory,
                     struct obx_entry **result, struct outbox_error *error)
{
    struct obx_entry *entry = obx_alloc(sizeof *entry);
    if (!entry) {
        obx_free(path);
        return obx_error_no_memory(error);
    }
    entry->path = path;
    int status = load(entry, kind, name, directory, error);
    if (status)
        obx_entry_free(entry);
    else
        *result = entry;
    return status;
}

int obx_module_load(struct obx_registry *registry, enum outbox_kind kind, const char *name, struct obx_entry **result,
                    struct outbox_error *error)
{
    char *path, canonical[PATH_MAX];
    *result = NULL;
    size_t index = find_directory(registry, kind, name, &path);
    if (!path)
        return obx_error_no_memory(error);
    int status = check_directory(registry->directories[index], error);
    if (!status)
        status = obx_check_ancestors(registry->directories[index], canonical, error);
    if (status)
        obx_free(path);
    else
        status = load_path(path, kind, name, canonical, result, error);
    if (!status && *result)
        obx_list_append(&registry->entries, &(*result)->link);
    return status;
}

/* ---- listing ----------------------------------------------------------------------------------------------------- */

/* NAME of outbox-KIND-NAME.so, as a copy in *name; NULL for other files. False: no memory. */
static bool name_of(const char *file, enum outbox_kind kind, char **name)
{
    char prefix[32];
    size_t before = (size_t)snprintf(prefix, sizeof prefix, "outbox-%s-", obx_kind_name(kind));
    size_t size = strlen(file), after = strlen(SUFFIX);
    *name = NULL;
    if (size <= before + after || strncmp(file, prefix, before) || strcmp(file + size - after, SUFFIX))
        return true;
    *name = obx_strndup(file + before, size - before - after);
    return *name != NULL;
}

/* Takes over name. False: no memory. */
static bool add_name(struct obx_names *names, char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (!strcmp(names->items[i], name)) {
            obx_free(name); /* an earlier directory of the path has it */
            return true;
        }
    char **items = obx_resize(names->items, (names->count + 1) * sizeof *items);
    if (!items) {
        obx_free(name);
        return false;
    }
    names->items = items;
    items[names->count++] = name;
    return true;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* False: no memory. */
static bool add_names(struct obx_names *names, enum outbox_kind kind, const char *path)
{
    DIR *directory = opendir(path);
    bool room = true;
    for (struct dirent *file; directory && room && (file = readdir(directory));) {
        char *name;
        room = name_of(file->d_name, kind, &name);
        if (name)
            room = add_name(names, name);
    }
    if (directory)
        closedir(directory);
    return room;
}

int obx_module_names(const struct obx_registry *registry, enum outbox_kind kind, struct obx_names *names)
{
    bool room = true;
    *names = (struct obx_names){0};
    for (size_t i = 0; room && i < registry->count; i++)
        room = add_names(names, kind, registry->directories[i]);
    if (names->count)
        qsort(names->items, names->count, sizeof *names->items, compare);
    return room ? OUTBOX_OK : OUTBOX_E_NO_MEMORY;
}

void obx_names_free(struct obx_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        obx_free(names->items[i]);
    obx_free(names->items);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/plugins.c - outbox plugins: the installed plugins, with options and capabilities
 *
 * Needs no configuration. A plugin that cannot be loaded is listed with the reason, and the exit code is 78.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "config/table.h"
#include "embed/plugin_dir.h"
#include "plugin/builtin.h"
#include "plugin/registry.h"
#include "cli/args.h"
#include "cli/escape.h"
#include "cli/exit_code.h"
#include "verbs/verbs.h"

struct listing {
    const char *name; /* NULL: all */
    bool json;
    json_t *array;
    uint32_t shown;
    uint32_t refused;
};

static const char *const type_names[] = {"", "string", "boolean", "number", "size", "duration", "choice", "map"};

static const struct {
    uint64_t bit;
    const char *name;
} caps[] = {
    {OUTBOX_CAP_DECORATOR, "decorator"},
    {OUTBOX_CAP_WAKE, "wake"},
    {OUTBOX_CAP_DEAD_LETTERS, "dead-letters"},
    {OUTBOX_CAP_ORDERED, "ordered"},
    {OUTBOX_CAP_ADMIT, "admit"},
    {OUTBOX_CAP_ADMIN, "admin"},
    {OUTBOX_CAP_INBOX, "inbox"},
    {OUTBOX_CAP_DEAD_SET, "dead-set"},
    {OUTBOX_CAP_AHEAD, "ahead"},
    {OUTBOX_CAP_CONCURRENT, "concurrent"},
    {OUTBOX_CAP_GLOBAL_ORDER, "global-order"},
    {OUTBOX_CAP_EXACTLY_ONCE, "exactly-once"},
    {OUTBOX_CAP_LOG, "log"},
};

static const char *library(const struct obx_plugin *plugin)
{
    return plugin->descriptor.library ? plugin->descriptor.library() : NULL;
}

static const char *origin(const struct obx_plugin *plugin)
{
    return plugin->path ? plugin->path : "built in";
}

static const char *type_name(const struct outbox_option *option)
{
    return option->type < OBX_COUNT(type_names) ? type_names[option->type] : "unknown";
}

static json_t *option_json(const struct outbox_option *option)
{
    json_t *object =
        json_pack("{s:s, s:s, s:b, s:b, s:s*, s:s*}", "name", option->name, "type", type_name(option), "required",
                  (option->flags & OUTBOX_OPT_REQUIRED) != 0, "secret", (option->flags & OUTBOX_OPT_SECRET) != 0,
                  "default", option->default_value, "help", option->help);
    if (option->min || option->max) {
        json_object_set_new(object, "min", json_integer(option->min));
        json_object_set_new(object, "max", json_integer(option->max));
    }
    if (option->type == OUTBOX_OPT_ENUM) {
        json_t *choices = json_array();
        for (const char *const *choice = option->choices; *choice; choice++)
            json_array_append_new(choices, json_string(*choice));
        json_object_set_new(object, "choices", choices);
    }
    return object;
}

static json_t *plugin_json(const struct obx_plugin *plugin)
{
    const struct outbox_plugin *descriptor = &plugin->descriptor;
    json_t *names = json_array(), *options = json_array();
    for (size_t i = 0; i < OBX_COUNT(caps); i++)
        if (descriptor->caps & caps[i].bit)
            json_array_append_new(names, json_string(caps[i].name));
    for (uint32_t i = 0; i < descriptor->option_count; i++) {
        struct outbox_option option = obx_option_at(descriptor->options, descriptor->option_size, i);
        json_array_append_new(options, option_json(&option));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s?, s:o, s:o}", "kind", obx_kind_name(plugin->descriptor.kind),
                     "name", descriptor->name, "version", descriptor->version, "description", descriptor->description,
                     "path", origin(plugin), "library", library(plugin), "capabilities", names, "options", options);
}

static void print_option(const struct outbox_option *option)
{
    printf("    %-22s %s", option->name, type_name(option));
    if (option->type == OUTBOX_OPT_ENUM)
        for (const char *const *choice = option->choices; *choice; choice++)
            printf("%s%s", choice == option->choices ? " (" : " | ", *choice);
    printf("%s%s", option->type == OUTBOX_OPT_ENUM ? ")" : "", option->flags & OUTBOX_OPT_REQUIRED ? ", required" : "");
    if (option->default_value)
        printf(", default %s", *option->default_value ? option->default_value : "\"\"");
    printf("\n        %s\n", option->help ? option->help : "");
}

static void print_details(const struct obx_plugin *plugin)
{
    const struct outbox_plugin *descriptor = &plugin->descriptor;
    printf("%s %s %s: %s\n  from: %s\n", obx_kind_name(plugin->descriptor.kind), descriptor->name, descriptor->version,
           descriptor->description, origin(plugin));
    if (library(plugin))
        printf("  library: %s\n", library(plugin));
    printf("  capabilities:");
    for (size_t i = 0; i < OBX_COUNT(caps); i++)
        if (descriptor->caps & caps[i].bit)
            printf(" %s", caps[i].name);
    puts("\n  options:");
    for (uint32_t i = 0; i < descriptor->option_count; i++) {
        struct outbox_option option = obx_option_at(descriptor->options, descriptor->option_size, i);
        print_option(&option);
    }
}

static void print_refused(struct listing *list, const char *path, const struct outbox_error *error)
{
    list->refused++;
    if (list->json)
        json_array_append_new(list->array, json_pack("{s:s*, s:s}", "path", path, "error", error->text));
    else
        obx_escape_line(stderr, "outbox plugins: %s", error->text);
}

/* kind, name, version, description; library and directory */
static void print_line(const struct obx_plugin *plugin)
{
    const struct outbox_plugin *descriptor = &plugin->descriptor;
    const char *uses = library(plugin), *slash = plugin->path ? strrchr(plugin->path, '/') : NULL;
    printf("%-7s %-12s %-8s %s (%s%s", obx_kind_name(plugin->descriptor.kind), descriptor->name, descriptor->version,
           descriptor->description, uses ? uses : "", uses ? "; " : "");
    if (slash)
        printf("%.*s)\n", (int)(slash - plugin->path), plugin->path);
    else
        puts("built in)");
}

static void list_plugin(void *arg, const struct obx_plugin *plugin, const char *path, const struct outbox_error *error)
{
    struct listing *list = arg;
    if (!plugin) {
        if (!list->name)
            print_refused(list, path, error);
        return;
    }
    const struct outbox_plugin *descriptor = &plugin->descriptor;
    if (list->name && strcmp(list->name, descriptor->name))
        return;
    list->shown++;
    if (list->json)
        json_array_append_new(list->array, plugin_json(plugin));
    else if (list->name)
        print_details(plugin);
    else
        print_line(plugin);
}

static int print_list(struct listing *list, struct obx_registry *registry, const char *directory)
{
    obx_registry_each(registry, list_plugin, list);
    if (list->json)
        json_dumpf(list->array, stdout, JSON_INDENT(2)), puts("");
    if (list->shown)
        return list->refused ? OBX_EXIT_CONFIG : OBX_EXIT_OK;
    if (list->name)
        fprintf(stderr, "outbox plugins: no plugin '%s' is built in or in %s; `outbox plugins` lists all\n", list->name,
                directory);
    else
        fprintf(stderr,
                "outbox plugins: no plugin is built in or in %s; install plugins, or set OUTBOX_PLUGIN_DIR to "
                "their directory\n",
                directory);
    return OBX_EXIT_CONFIG;
}

static int run(const struct obx_verb *verb, int argc, char **argv)
{
    static const struct option options[] = {OBX_ARGS_HELP, {"json", no_argument, NULL, 'j'}, {0}};
    struct obx_args args = {.verb = verb, .options = options, .argc = argc, .argv = argv};
    struct listing list = {0};
    int count;
    while (obx_args_next(&args) != -1)
        list.json = true;
    char **rest = obx_args_rest(&args, 0, 1, &count);
    if (args.finished)
        return args.exit;
    list.name = count ? rest[0] : NULL;

    char directory[4096];
    struct obx_registry *registry;
    struct outbox_error error;
    obx_plugin_path(NULL, directory, sizeof directory);
    if (obx_registry_new(directory, obx_builtins, NULL, &registry, &error))
        return obx_exit_report(verb->name, &error);
    list.array = json_array();
    int code = print_list(&list, registry, directory);
    json_decref(list.array);
    obx_registry_free(registry);
    return code;
}

const struct obx_verb obx_verb_plugins = {"plugins",
                                          "list installed plugins with options and capabilities",
                                          "[NAME] [--json]",
                                          "  --json              print a JSON array\n",
                                          run,
                                          false};

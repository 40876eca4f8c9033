/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/relay_conflicts.c - two relays of one process that would be in each other's way
 *
 * On one outbox the second would stand by for as long as the first lives, and then send the events where its own broker
 * is; of two that write one file the second would never get it. In processes of their own such relays are a pair of
 * which one stands by; in one process they are a mistake, mostly the wish to send the events to two places.
 *
 * Plugins mark the options that tell where they work (OUTBOX_OPT_IDENTITY). Two relays are at the same place when the
 * plugins at the bottom, under all decorators, are the same and all these options have the same values: as they take
 * effect, with defaults and references to the environment. What is spelled in two ways is taken for two places.
 */
#include "daemon/relay_conflicts.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "config/table.h"

struct place {
    const char *relay;
    const struct obx_section *section; /* that of the plugin at the bottom */
    const struct obx_plugin *plugin;   /* NULL: it cannot be told */
    void *options;                     /* memory that looks like an instance */
};

struct places {
    struct place *list;
    uint32_t count;
    enum outbox_kind kind;
};

/* ---- where each of them is --------------------------------------------------------------------------------------- */

static const struct obx_section *bottom(const struct obx_app *app, const char *relay, enum outbox_kind kind)
{
    const struct obx_section *section;
    struct outbox_error ignored;
    const char *title = kind == OUTBOX_STORE ? "store" : "broker";
    int status = obx_app_relay_section(app->config, relay, &section, &ignored);
    if (!status)
        status = obx_section_child(section, title, &section, &ignored);
    while (!status && obx_section_has(section, "wraps"))
        status = obx_section_child(section, "wraps", &section, &ignored);
    return status ? NULL : section;
}

static const struct obx_plugin *plugin_of(const struct obx_app *app, enum outbox_kind kind,
                                          const struct obx_section *section)
{
    const struct obx_plugin *plugin;
    struct outbox_error ignored;
    const char *name = section ? obx_section_scalar(section, "plugin", &ignored) : NULL;
    return name && !obx_registry_find(app->registry, kind, name, &plugin, &ignored) ? plugin : NULL;
}

static int find(const struct obx_app *app, enum outbox_kind kind, struct place *place, struct outbox_error *error)
{
    static const char *const ours[] = {"plugin", NULL};
    struct outbox_error ignored;
    place->section = bottom(app, place->relay, kind);
    const struct obx_plugin *plugin = plugin_of(app, kind, place->section);
    if (!plugin)
        return OUTBOX_OK;
    const struct outbox_plugin *it = &plugin->descriptor;
    place->options = obx_alloc(it->instance_size);
    if (!place->options)
        return obx_error_no_memory(error);
    place->plugin = plugin;
    if (obx_options_apply(it->options, it->option_count, it->option_size, ours, place->section, place->options,
                          &ignored)) {
        obx_wipe(place->options, it->instance_size);
        place->plugin = NULL;
    }
    return OUTBOX_OK;
}

static int find_all(const struct obx_app *app, struct places *places, struct outbox_error *error)
{
    while (obx_app_relay(app, places->count))
        places->count++;
    places->list = obx_alloc(places->count * sizeof *places->list);
    if (!places->list)
        return obx_error_no_memory(error);
    int status = OUTBOX_OK;
    for (uint32_t i = 0; i < places->count && !status; i++) {
        places->list[i].relay = obx_app_relay(app, i);
        status = find(app, places->kind, &places->list[i], error);
    }
    return status;
}

static void forget_all(struct places *places)
{
    for (uint32_t i = 0; places->list && i < places->count; i++) {
        struct place *place = &places->list[i];
        if (place->plugin)
            obx_wipe(place->options, place->plugin->descriptor.instance_size); /* a dsn may have a password */
        obx_free(place->options);
    }
    obx_free(places->list);
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static bool same_value(const struct outbox_option *option, const void *a, const void *b)
{
    const char *texts[2];
    switch (option->type) {
    case OUTBOX_OPT_STRING:
        memcpy(&texts[0], a, sizeof texts[0]);
        memcpy(&texts[1], b, sizeof texts[1]);
        return same_text(texts[0], texts[1]);
    case OUTBOX_OPT_BOOL:
        return *(const bool *)a == *(const bool *)b;
    case OUTBOX_OPT_MAP:
        return false;
    default:
        return !memcmp(a, b, sizeof(int64_t));
    }
}

/* names: of the options that say so, "path, table"; "" when they are not at the same place. */
static void compare(const struct place *a, const struct place *b, char *names, size_t size)
{
    const struct outbox_plugin *it = &a->plugin->descriptor;
    size_t used = 0;
    names[0] = '\0';
    for (uint32_t i = 0; i < it->option_count; i++) {
        struct outbox_option option = obx_option_at(it->options, it->option_size, i);
        if (!(option.flags & OUTBOX_OPT_IDENTITY))
            continue;
        if (!same_value(&option, (const char *)a->options + option.offset, (const char *)b->options + option.offset)) {
            names[0] = '\0';
            return;
        }
        if (used < size)
            used += (size_t)snprintf(names + used, size - used, "%s%s", used ? ", " : "", option.name);
    }
}

static int refuse(const struct place *first, const struct place *second, enum outbox_kind kind, const char *names,
                  struct outbox_error *error)
{
    if (kind == OUTBOX_STORE)
        return obx_section_error(second->section, NULL, error,
                                 "relay '%s' has the outbox of relay '%s' (the same %s); one relay reads an outbox, "
                                 "and this one would stand by for ever: name another table, or remove it",
                                 second->relay, first->relay, names);
    return obx_section_error(second->section, NULL, error,
                             "relay '%s' writes where relay '%s' does (the same %s), which only one of them can: "
                             "give it a place of its own",
                             second->relay, first->relay, names);
}

static int compare_all(const struct places *places, struct outbox_error *error)
{
    char names[160];
    for (uint32_t i = 1; i < places->count; i++)
        for (uint32_t k = 0; k < i; k++) {
            const struct place *first = &places->list[k], *second = &places->list[i];
            if (!first->plugin || first->plugin != second->plugin)
                continue;
            compare(first, second, names, sizeof names);
            if (names[0])
                return refuse(first, second, places->kind, names, error);
        }
    return OUTBOX_OK;
}

static int check_kind(const struct obx_app *app, enum outbox_kind kind, struct outbox_error *error)
{
    struct places places = {.kind = kind};
    int status = find_all(app, &places, error);
    if (!status)
        status = compare_all(&places, error);
    forget_all(&places);
    return status;
}

int obx_relay_conflicts_check(const struct obx_app *app, struct outbox_error *error)
{
    if (!obx_app_relay(app, 1))
        return OUTBOX_OK;
    int status = check_kind(app, OUTBOX_STORE, error);
    return status ? status : check_kind(app, OUTBOX_BROKER, error);
}

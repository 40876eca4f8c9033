/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/relay_conflicts.c - finds two relays of one process that use the same outbox or the same target
 *
 * Of two relays on one outbox, the second stays standby as long as the first lives. Then it sends the events to its own
 * broker. Of two relays that write one file, only one can open it. In two processes such relays are an active and a
 * standby. In one process they are a mistake: usually an attempt to send the events to two targets.
 *
 * Plugins mark the options that identify the outbox or target (OUTBOX_OPT_IDENTITY). Two relays conflict if their
 * innermost plugins, inside all decorators, are the same and all these options have equal effective values: defaults
 * and references to the environment included. The same target spelled differently is not recognised.
 */
#include "daemon/relay_conflicts.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "config/table.h"
#include "plugin/section.h"

/* The store or broker of one relay. */
struct target {
    const char *relay;
    const struct obx_section *section; /* of the innermost plugin */
    const struct obx_plugin *plugin;   /* NULL: the section is invalid */
    void *options;                     /* owned; laid out like an instance */
};

struct targets {
    struct target *list;
    uint32_t count;
    enum outbox_kind kind;
};

/* ---- the targets ---- */

static const struct obx_section *innermost(const struct obx_context *context, const char *relay, enum outbox_kind kind)
{
    const struct obx_section *section;
    const char *title = kind == OUTBOX_STORE ? "store" : "broker";
    int status = obx_relay_section(context->config, relay, &section, NULL);
    if (!status)
        status = obx_section_child(section, title, &section, NULL);
    return status ? NULL : obx_plugin_section_innermost(section);
}

/* A target that cannot be read is not compared: making the relay reports the error. */
static int read_target(const struct obx_context *context, enum outbox_kind kind, struct target *target,
                       struct outbox_error *error)
{
    struct outbox_error why;
    const struct obx_plugin *plugin;
    target->section = innermost(context, target->relay, kind);
    if (!target->section || obx_plugin_section_find(context->registry, kind, target->section, &plugin, NULL))
        return OUTBOX_OK;
    target->options = obx_plugin_section_read(plugin, target->section, &why);
    if (target->options)
        target->plugin = plugin;
    return !target->options && why.code == OUTBOX_E_NO_MEMORY ? obx_error_no_memory(error) : OUTBOX_OK;
}

static int read_targets(const struct obx_context *context, struct targets *targets, struct outbox_error *error)
{
    while (obx_context_relay(context, targets->count))
        targets->count++;
    targets->list = obx_alloc(targets->count * sizeof *targets->list);
    if (!targets->list)
        return obx_error_no_memory(error);
    int status = OUTBOX_OK;
    for (uint32_t i = 0; i < targets->count && !status; i++) {
        targets->list[i].relay = obx_context_relay(context, i);
        status = read_target(context, targets->kind, &targets->list[i], error);
    }
    return status;
}

static void free_targets(struct targets *targets)
{
    for (uint32_t i = 0; targets->list && i < targets->count; i++) {
        if (targets->list[i].plugin)
            obx_plugin_section_free(targets->list[i].plugin, targets->list[i].options);
    }
    obx_free(targets->list);
}

/* ---- comparing ---- */

static bool same_text(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

bool obx_relay_same_value(const struct outbox_option *option, const void *a, const void *b)
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

/* names: of the identifying options if all have equal values, "path, table"; else "". */
static void compare(const struct target *a, const struct target *b, char *names, size_t size)
{
    const struct outbox_plugin *descriptor = &a->plugin->descriptor;
    size_t used = 0;
    names[0] = '\0';
    for (uint32_t i = 0; i < descriptor->option_count; i++) {
        struct outbox_option option = obx_option_at(descriptor->options, descriptor->option_size, i);
        if (!(option.flags & OUTBOX_OPT_IDENTITY))
            continue;
        if (!obx_relay_same_value(&option, (const char *)a->options + option.offset,
                                  (const char *)b->options + option.offset)) {
            names[0] = '\0';
            return;
        }
        if (used < size)
            used += (size_t)snprintf(names + used, size - used, "%s%s", used ? ", " : "", option.name);
    }
}

static int refuse(const struct target *first, const struct target *second, enum outbox_kind kind, const char *names,
                  struct outbox_error *error)
{
    if (kind == OUTBOX_STORE)
        return obx_section_error(
            second->section, NULL, error,
            "relay '%s' reads the same outbox as relay '%s' (equal %s); an outbox has one relay, so "
            "'%s' would stay standby: name another table, or remove it",
            second->relay, first->relay, names, second->relay);
    return obx_section_error(second->section, NULL, error,
                             "relay '%s' writes to the same target as relay '%s' (equal %s), which allows one writer: "
                             "give it another target",
                             second->relay, first->relay, names);
}

static int compare_all(const struct targets *targets, struct outbox_error *error)
{
    char names[160];
    for (uint32_t i = 1; i < targets->count; i++)
        for (uint32_t k = 0; k < i; k++) {
            const struct target *first = &targets->list[k], *second = &targets->list[i];
            if (!first->plugin || first->plugin != second->plugin)
                continue;
            compare(first, second, names, sizeof names);
            if (names[0])
                return refuse(first, second, targets->kind, names, error);
        }
    return OUTBOX_OK;
}

static int check_kind(const struct obx_context *context, enum outbox_kind kind, struct outbox_error *error)
{
    struct targets targets = {.kind = kind};
    int status = read_targets(context, &targets, error);
    if (!status)
        status = compare_all(&targets, error);
    free_targets(&targets);
    return status;
}

int obx_relay_conflicts_check(const struct obx_context *context, struct outbox_error *error)
{
    if (!obx_context_relay(context, 1))
        return OUTBOX_OK;
    int status = check_kind(context, OUTBOX_STORE, error);
    return status ? status : check_kind(context, OUTBOX_BROKER, error);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/config/options.c - applies an option table to a section: typed values in a struct
 *
 * Unknown keys are reported first: a mistyped key is a better message than the missing key that it causes. Then each
 * option gets its entry of the section or its default, by the same reader. Failure: CONFIG at the location of the
 * value, with the allowed values; BUG if the table is wrong.
 */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/suggest.h"
#include "config/option_value.h"
#include "config/redact.h"
#include "config/table.h"

/* ---- maps ---- */

static uint32_t entry_how(const struct outbox_option *option, const char *key)
{
    bool secret = option->flags & OUTBOX_OPT_SECRET || (option->type == OUTBOX_OPT_MAP && obx_name_is_secret(key));
    return (option->flags & OUTBOX_OPT_VERBATIM ? OBX_RESOLVE_VERBATIM : 0) | (secret ? OBX_RESOLVE_FILE : 0) |
           (option->flags & OUTBOX_OPT_CONNINFO ? OBX_RESOLVE_CONNINFO : 0);
}

static int set_map_from(const struct obx_option_field *field, const struct obx_section *from, bool is_default)
{
    if (!from->count)
        return OUTBOX_OK;
    struct outbox_pair *items = obx_config_alloc(from->config, from->count * sizeof *items);
    if (!items)
        return obx_error_no_memory(field->error);
    uint32_t count = 0;
    for (const struct obx_entry *entry = from->first; entry; entry = entry->next) {
        uint32_t how = is_default ? OBX_RESOLVE_VERBATIM : entry_how(field->option, entry->key);
        items[count].name = entry->key;
        int code = obx_entry_resolve(from, entry, how, &items[count++].value, field->error);
        if (code)
            return code;
    }
    struct outbox_map map = {.items = items, .count = count};
    memcpy(field->to, &map, sizeof map);
    return OUTBOX_OK;
}

static int set_map(const struct obx_option_field *field)
{
    const struct obx_entry *entry = field->entry;
    if (!entry->section)
        return obx_option_refuse(field, "'%s' must be a mapping; write 'name: value' lines below it, or {}",
                                 field->option->name);
    return set_map_from(field, entry->section, false);
}

static int set_default_map(struct obx_option_field *field)
{
    struct obx_section *root = NULL;
    int code =
        obx_yaml_read(field->section->config, "(default)", field->text, strlen(field->text), &root, field->error);
    if (!code)
        code = set_map_from(field, root, true);
    if (code != OUTBOX_E_CONFIG)
        return code;
    obx_error_wrap(field->error, "option table: default of '%s'", field->option->name);
    if (field->error)
        field->error->code = OUTBOX_E_BUG;
    return OUTBOX_E_BUG;
}

/* ---- the table ---- */

static size_t value_size(uint32_t type)
{
    switch (type) {
    case OUTBOX_OPT_STRING:
        return sizeof(const char *);
    case OUTBOX_OPT_BOOL:
        return sizeof(bool);
    case OUTBOX_OPT_MAP:
        return sizeof(struct outbox_map);
    default:
        return sizeof(int64_t);
    }
}

static int apply_default(struct obx_option_field *field)
{
    const struct outbox_option *option = field->option;
    if (option->flags & OUTBOX_OPT_REQUIRED)
        return obx_section_error(field->section, NULL, field->error, "missing key '%s'%s%s%s%s", option->name,
                                 *field->section->name ? " in " : "", field->section->name, option->help ? ": " : "",
                                 option->help ? option->help : "");
    memset(field->to, 0, value_size(option->type));
    field->text = option->default_value;
    if (!field->text)
        return OUTBOX_OK;
    return option->type == OUTBOX_OPT_MAP ? set_default_map(field) : obx_option_convert(field);
}

static int apply(const struct outbox_option *option, const struct obx_section *section, void *base,
                 struct outbox_error *error)
{
    struct obx_option_field field = {.option = option, .section = section, .error = error};
    field.to = (char *)base + option->offset;
    field.entry = obx_section_entry(section, option->name);
    if (!field.entry)
        return apply_default(&field);
    memset(field.to, 0, value_size(option->type));
    if (option->type == OUTBOX_OPT_MAP)
        return set_map(&field);
    int code = obx_entry_resolve(section, field.entry, entry_how(option, option->name), &field.text, error);
    return code ? code : obx_option_convert(&field);
}

struct known {
    const struct outbox_option *options;
    uint32_t count, stride;
    const char *const *ignore; /* may be NULL */
};

/* The allowed keys of the section by index; NULL past the end. */
static const char *known_name(const struct known *known, uint32_t index)
{
    if (index < known->count)
        return obx_option_at(known->options, known->stride, index).name;
    return known->ignore ? known->ignore[index - known->count] : NULL;
}

static bool is_known(const struct known *known, const char *key)
{
    const char *name;
    for (uint32_t i = 0; (name = known_name(known, i)); i++)
        if (!strcmp(name, key))
            return true;
    return false;
}

static int refuse_key(const struct known *known, const struct obx_section *section, const struct obx_entry *entry,
                      struct outbox_error *error)
{
    struct obx_suggest suggestion = {.word = entry->key};
    const char *name;
    for (uint32_t i = 0; (name = known_name(known, i)); i++)
        obx_suggest_offer(&suggestion, name);
    const char *best = suggestion.best;
    return obx_location_error(section->config->name, entry->key_location, error, "unknown key '%s'%s%s%s%s%s",
                              entry->key, *section->name ? " in " : "", section->name, best ? "; did you mean '" : "",
                              best ? best : "", best ? "'?" : "");
}

int obx_options_apply(const struct outbox_option *options, uint32_t count, uint32_t stride, const char *const *ignore,
                      const struct obx_section *section, void *base, struct outbox_error *error)
{
    const struct known known = {options, count, stride, ignore};
    for (const struct obx_entry *entry = section->first; entry; entry = entry->next)
        if (!is_known(&known, entry->key))
            return refuse_key(&known, section, entry, error);
    for (uint32_t i = 0; i < count; i++) {
        struct outbox_option option = obx_option_at(options, stride, i);
        int code = apply(&option, section, base, error);
        if (code)
            return code;
    }
    return OUTBOX_OK;
}

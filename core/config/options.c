/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/config/options.c - applies an option table to a section: text becomes typed values in a struct
 *
 * Unknown keys are reported first: a mistyped key is a better message than the missing key that it causes. Then each
 * option gets its entry of the section or its default, by the same reader. Failure: CONFIG at the location of the
 * value, with the allowed values; BUG if the table is wrong.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/suggest.h"
#include "config/redact.h"
#include "config/table.h"
#include "config/tree.h"
#include "config/value.h"

/* One option that is being converted from text to memory. */
struct field {
    const struct outbox_option *option;
    const struct obx_section *section;
    const struct obx_entry *entry; /* NULL: text is the default */
    const char *text;
    void *to;
    struct outbox_error *error;
};

__attribute__((format(printf, 2, 3))) static int refuse(const struct field *field, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int code = OUTBOX_E_BUG;
    if (field->entry) {
        code =
            obx_location_verror(field->section->config->name, field->entry->value_location, field->error, format, args);
    } else if (field->error) {
        vsnprintf(field->error->text, sizeof field->error->text, format, args);
        field->error->code = code;
        obx_error_wrap(field->error, "option table: default of '%s'", field->option->name);
    }
    va_end(args);
    return code;
}

static const char *printable(const struct field *field)
{
    return field->option->flags & OUTBOX_OPT_SECRET ? "***" : field->text;
}

/* ---- numbers ---- */

static int refuse_range(const struct field *field)
{
    const struct outbox_option *option = field->option;
    char min[OBX_VALUE_TEXT], max[OBX_VALUE_TEXT];
    if (!option->min && !option->max)
        return refuse(field, "'%s' is out of range: '%s'", option->name, printable(field));
    if (option->max == INT64_MAX)
        return refuse(field, "'%s' must be at least %s, not '%s'", option->name,
                      obx_value_print(option->type, option->min, min), printable(field));
    return refuse(field, "'%s' must be from %s to %s, not '%s'", option->name,
                  obx_value_print(option->type, option->min, min), obx_value_print(option->type, option->max, max),
                  printable(field));
}

static int set_number(const struct field *field, enum obx_value result, int64_t number, const char *expected)
{
    const struct outbox_option *option = field->option;
    if (result == OBX_VALUE_BAD || result == OBX_VALUE_NO_UNIT)
        return refuse(field, "'%s' must be %s, not '%s'", option->name, expected, printable(field));
    bool bounded = option->min || option->max;
    if (result == OBX_VALUE_TOO_LARGE || (bounded && (number < option->min || number > option->max)))
        return refuse_range(field);
    memcpy(field->to, &number, sizeof number);
    return OUTBOX_OK;
}

static int set_int(const struct field *field)
{
    int64_t number;
    enum obx_value result = obx_value_int(field->text, &number);
    return set_number(field, result, number, "a whole number");
}

static int set_size(const struct field *field)
{
    int64_t number;
    enum obx_value result = obx_value_size(field->text, &number);
    return set_number(field, result, number, "a size like 65536, 64KiB or 16MiB");
}

static int set_duration(const struct field *field)
{
    int64_t number;
    enum obx_value result = obx_value_duration(field->text, &number);
    return set_number(field, result, number, "a duration with its unit, like 250ms, 10s, 5m or 1h");
}

/* ---- the other types ---- */

static int set_string(const struct field *field)
{
    memcpy(field->to, &field->text, sizeof field->text);
    return OUTBOX_OK;
}

static int set_bool(const struct field *field)
{
    bool value;
    if (!obx_value_bool(field->text, &value))
        return refuse(field, "'%s' must be true or false, not '%s'", field->option->name, printable(field));
    memcpy(field->to, &value, sizeof value);
    return OUTBOX_OK;
}

static int refuse_choice(const struct field *field)
{
    char list[256] = "";
    size_t used = 0;
    struct obx_suggest suggestion = {.word = field->text};
    for (const char *const *choice = field->option->choices; *choice; choice++) {
        obx_suggest_offer(&suggestion, *choice);
        if (used < sizeof list)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", *choice);
    }
    const char *best = suggestion.best;
    return refuse(field, "'%s' must be one of %s, not '%s'%s%s%s", field->option->name, list, printable(field),
                  best ? "; did you mean '" : "", best ? best : "", best ? "'?" : "");
}

/* Choices that begin with "off" also accept the words of a bool: "on" is the second choice. */
static bool is_switch(const char *const *choices, const char *text, int64_t *index)
{
    bool on;
    if (strcmp(choices[0], "off") || !choices[1] || !obx_value_bool(text, &on))
        return false;
    *index = on;
    return true;
}

static int set_enum(const struct field *field)
{
    const char *const *choices = field->option->choices;
    int64_t index = 0;
    while (choices[index] && strcmp(choices[index], field->text))
        index++;
    if (!choices[index] && !is_switch(choices, field->text, &index))
        return refuse_choice(field);
    memcpy(field->to, &index, sizeof index);
    return OUTBOX_OK;
}

static int set_text(const struct field *field)
{
    switch (field->option->type) {
    case OUTBOX_OPT_STRING:
        return set_string(field);
    case OUTBOX_OPT_BOOL:
        return set_bool(field);
    case OUTBOX_OPT_INT:
        return set_int(field);
    case OUTBOX_OPT_SIZE:
        return set_size(field);
    case OUTBOX_OPT_DURATION:
        return set_duration(field);
    case OUTBOX_OPT_ENUM:
        return set_enum(field);
    default:
        return obx_error_set(field->error, OUTBOX_E_BUG, "option table: '%s' has the unknown type %u",
                             field->option->name, field->option->type);
    }
}

/* ---- maps ---- */

static uint32_t entry_how(const struct outbox_option *option, const char *key)
{
    bool secret = option->flags & OUTBOX_OPT_SECRET || (option->type == OUTBOX_OPT_MAP && obx_name_is_secret(key));
    return (option->flags & OUTBOX_OPT_VERBATIM ? OBX_RESOLVE_VERBATIM : 0) | (secret ? OBX_RESOLVE_FILE : 0);
}

static int set_map_from(const struct field *field, const struct obx_section *from, bool is_default)
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

static int set_map(const struct field *field)
{
    const struct obx_entry *entry = field->entry;
    if (!entry->section)
        return refuse(field, "'%s' must be a mapping; write 'name: value' lines below it, or {}", field->option->name);
    return set_map_from(field, entry->section, false);
}

static int set_default_map(struct field *field)
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

static int apply_default(struct field *field)
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
    return option->type == OUTBOX_OPT_MAP ? set_default_map(field) : set_text(field);
}

static int apply(const struct outbox_option *option, const struct obx_section *section, void *base,
                 struct outbox_error *error)
{
    struct field field = {.option = option, .section = section, .error = error};
    field.to = (char *)base + option->offset;
    field.entry = obx_section_entry(section, option->name);
    if (!field.entry)
        return apply_default(&field);
    memset(field.to, 0, value_size(option->type));
    if (option->type == OUTBOX_OPT_MAP)
        return set_map(&field);
    int code = obx_entry_resolve(section, field.entry, entry_how(option, option->name), &field.text, error);
    return code ? code : set_text(&field);
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

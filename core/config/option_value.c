/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/config/option_value.c - converts the text of one option to its typed value
 *
 * Failure: CONFIG at the location of the value, with the allowed values; BUG if the value is the table's own default.
 */
#include "config/option_value.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/suggest.h"
#include "config/value.h"

int obx_option_refuse(const struct obx_option_field *field, const char *format, ...)
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

static const char *printable(const struct obx_option_field *field)
{
    return field->option->flags & OUTBOX_OPT_SECRET ? "***" : field->text;
}

/* ---- numbers ---- */

static int refuse_range(const struct obx_option_field *field)
{
    const struct outbox_option *option = field->option;
    char min[OBX_VALUE_TEXT], max[OBX_VALUE_TEXT];
    if (!option->min && !option->max)
        return obx_option_refuse(field, "'%s' is out of range: '%s'", option->name, printable(field));
    if (option->max == INT64_MAX)
        return obx_option_refuse(field, "'%s' must be at least %s, not '%s'", option->name,
                                 obx_value_print(option->type, option->min, min), printable(field));
    return obx_option_refuse(field, "'%s' must be from %s to %s, not '%s'", option->name,
                             obx_value_print(option->type, option->min, min),
                             obx_value_print(option->type, option->max, max), printable(field));
}

static int set_number(const struct obx_option_field *field, enum obx_value result, int64_t number, const char *expected)
{
    const struct outbox_option *option = field->option;
    if (result == OBX_VALUE_BAD || result == OBX_VALUE_NO_UNIT)
        return obx_option_refuse(field, "'%s' must be %s, not '%s'", option->name, expected, printable(field));
    bool bounded = option->min || option->max;
    if (result == OBX_VALUE_TOO_LARGE || (bounded && (number < option->min || number > option->max)))
        return refuse_range(field);
    memcpy(field->to, &number, sizeof number);
    return OUTBOX_OK;
}

static int set_int(const struct obx_option_field *field)
{
    int64_t number;
    enum obx_value result = obx_value_int(field->text, &number);
    return set_number(field, result, number, "a whole number");
}

static int set_size(const struct obx_option_field *field)
{
    int64_t number;
    enum obx_value result = obx_value_size(field->text, &number);
    return set_number(field, result, number, "a size like 65536, 64KiB or 16MiB");
}

static int set_duration(const struct obx_option_field *field)
{
    int64_t number;
    enum obx_value result = obx_value_duration(field->text, &number);
    return set_number(field, result, number, "a duration with its unit, like 250ms, 10s, 5m or 1h");
}

/* ---- the other types ---- */

static int set_string(const struct obx_option_field *field)
{
    memcpy(field->to, &field->text, sizeof field->text);
    return OUTBOX_OK;
}

static int set_bool(const struct obx_option_field *field)
{
    bool value;
    if (!obx_value_bool(field->text, &value))
        return obx_option_refuse(field, "'%s' must be true or false, not '%s'", field->option->name, printable(field));
    memcpy(field->to, &value, sizeof value);
    return OUTBOX_OK;
}

static int refuse_choice(const struct obx_option_field *field)
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
    return obx_option_refuse(field, "'%s' must be one of %s, not '%s'%s%s%s", field->option->name, list,
                             printable(field), best ? "; did you mean '" : "", best ? best : "", best ? "'?" : "");
}

/* Choices that begin with "off" also accept the words of a bool: "on" is the second choice. */
static bool is_switch(const char *const *choices, const char *text, int64_t *index)
{
    bool on;
    if (!choices[0] || strcmp(choices[0], "off") || !choices[1] || !obx_value_bool(text, &on))
        return false;
    *index = on;
    return true;
}

static int set_enum(const struct obx_option_field *field)
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

int obx_option_convert(const struct obx_option_field *field)
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

/* SPDX-License-Identifier: Apache-2.0 */
/* core/config/reference.c - option tables as Markdown */
#include "config/reference.h"

#include "config/table.h"
#include "config/value.h"

static const char *type_name(uint32_t type)
{
    static const char *const names[] = {"", "text", "true or false", "number", "size", "duration", "choice", "mapping"};
    return type < OBX_COUNT(names) ? names[type] : "unknown";
}

static bool is_bounded(const struct outbox_option *option)
{
    return option->type >= OUTBOX_OPT_INT && option->type <= OUTBOX_OPT_DURATION && (option->min || option->max);
}

static void append_bounds(struct obx_buf *buf, const struct outbox_option *option)
{
    char min[OBX_VALUE_TEXT], max[OBX_VALUE_TEXT];
    if (!is_bounded(option))
        return;
    const char *minimum = obx_value_print(option->type, option->min, min);
    if (option->max == INT64_MAX)
        obx_buf_printf(buf, ", at least %s", minimum);
    else
        obx_buf_printf(buf, " from %s to %s", minimum, obx_value_print(option->type, option->max, max));
}

static void append_type(struct obx_buf *buf, const struct outbox_option *option)
{
    if (option->type != OUTBOX_OPT_ENUM) {
        obx_buf_puts(buf, type_name(option->type));
        append_bounds(buf, option);
        return;
    }
    for (const char *const *choice = option->choices; *choice; choice++) {
        const char *between = choice == option->choices ? "" : choice[1] ? ", " : " or ";
        obx_buf_printf(buf, "%s`%s`", between, *choice);
    }
}

/* A cell has no line breaks, and bars are escaped: they end the cell even between backticks. */
static void append_cell(struct obx_buf *buf, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            obx_buf_putc(buf, '\\');
        obx_buf_putc(buf, *text == '\n' ? ' ' : *text);
    }
}

static void append_code(struct obx_buf *buf, const char *text)
{
    obx_buf_putc(buf, '`');
    append_cell(buf, *text ? text : "\"\"");
    obx_buf_putc(buf, '`');
}

static void append_row(struct obx_buf *buf, const struct outbox_option *option)
{
    obx_buf_puts(buf, "| ");
    append_code(buf, option->name);
    obx_buf_puts(buf, " | ");
    append_type(buf, option);
    obx_buf_puts(buf, " | ");
    if (option->flags & OUTBOX_OPT_REQUIRED)
        obx_buf_puts(buf, "required");
    else if (option->default_value)
        append_code(buf, option->default_value);
    obx_buf_puts(buf, " | ");
    append_cell(buf, option->help ? option->help : "");
    if (option->flags & OUTBOX_OPT_SECRET)
        obx_buf_puts(buf, " (secret)");
    if (option->flags & OUTBOX_OPT_RELOADABLE)
        obx_buf_puts(buf, " (reloadable)");
    obx_buf_puts(buf, " |\n");
}

void obx_reference_markdown(struct obx_buf *buf, const struct outbox_option *options, uint32_t count, uint32_t stride)
{
    obx_buf_puts(buf, "| Key | Type | Default | Meaning |\n|---|---|---|---|\n");
    for (uint32_t i = 0; i < count; i++) {
        struct outbox_option option = obx_option_at(options, stride, i);
        append_row(buf, &option);
    }
}

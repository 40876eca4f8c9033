/* SPDX-License-Identifier: Apache-2.0 */
/* core/config/option_value.h - converts the text of one option to its typed value; private to core/config */
#ifndef OBX_CONFIG_OPTION_VALUE_H
#define OBX_CONFIG_OPTION_VALUE_H

#include "config/tree.h"

/* One option that is being converted from text to memory. */
struct obx_option_field {
    const struct outbox_option *option;
    const struct obx_section *section;
    const struct obx_entry *entry; /* NULL: text is the default */
    const char *text;
    void *to;
    struct outbox_error *error;
};

/* An error at the value: CONFIG; or BUG if the value is the default of the table. */
int obx_option_refuse(const struct obx_option_field *field, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Convert field->text by the type of the option, a map excepted. Errors: CONFIG with the allowed values, BUG. */
int obx_option_convert(const struct obx_option_field *field);

#endif

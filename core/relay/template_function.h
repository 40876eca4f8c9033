/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/template_function.h - "${json(payload)}": a column of a template through a function
 *
 *     json(column)                  JSON: a string with its quotes, a number, true, false, or null
 *     lower(column)                 A to Z become a to z
 *     default(column, 'text')       the text in place of null
 *     match(column, 'expression')   the first group of a POSIX extended regular expression, or all that matches; or
 * null
 *
 * '' is a quote within a text. Null stays null, but for json and default.
 */
#ifndef OBX_RELAY_TEMPLATE_FUNCTION_H
#define OBX_RELAY_TEMPLATE_FUNCTION_H

#include <outbox/plugin.h>

#include "base/arena.h"

enum obx_function { OBX_AS_IS, OBX_JSON, OBX_LOWER, OBX_DEFAULT, OBX_MATCH };

struct obx_function_call {
    enum obx_function function;
    struct outbox_bytes column;           /* its name, borrowed from the template's text */
    struct outbox_bytes argument;         /* in the arena, ends with a NUL that does not count */
    struct re_pattern_buffer *expression; /* of match; free it by obx_function_free() */
};

/* *at: after "${"; at the end, after "}". Calls are names that a '(' follows; everything else is a column's name.
 * Errors: INVALID, NO_MEMORY. */
int obx_function_parse(const char **at, struct obx_arena *arena, struct obx_function_call *call,
                       struct outbox_error *error);
void obx_function_free(struct obx_function_call *call);

/* The text of the column becomes the result. value: of the column, for its type. Fails only for lack of memory. */
int obx_function_apply(const struct obx_function_call *call, const struct outbox_value *value, struct obx_arena *arena,
                       struct outbox_bytes *text);

#endif

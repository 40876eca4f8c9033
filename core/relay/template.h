/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/template.h - "outbox.event.${aggregatetype}": literals and columns, these through functions if wanted
 *
 * Compiled once, against the list of columns that the route asks the store for; rendered for each row without
 * allocating beyond the batch's arena. "$$" is a dollar sign.
 */
#ifndef OBX_RELAY_TEMPLATE_H
#define OBX_RELAY_TEMPLATE_H

#include <outbox/plugin.h>

#include "base/arena.h"
#include "relay/template_function.h"

#define OBX_MAX_COLUMNS 32
#define OBX_MAX_PIECES 16

/* The columns that a route needs, each once. Names are borrowed from the configuration or owned by `names`. */
struct obx_columns {
    struct outbox_column list[OBX_MAX_COLUMNS];
    uint32_t count;
    struct obx_arena names;
};

/* Index of the column, added if it is new; negative: an error. A column is optional only if every call passes
 * `optional`. */
int obx_columns_add(struct obx_columns *columns, const char *name, size_t size, bool optional,
                    struct outbox_error *error);

struct obx_piece {
    const char *literal; /* NULL: a column */
    uint32_t size;
    uint32_t column;
    struct obx_function_call call; /* what is done with the column's text; zeros: nothing */
};

struct obx_template {
    struct obx_piece pieces[OBX_MAX_PIECES];
    uint32_t count;
    /* The last rendering of a template of several pieces, with the one column's bytes that gave it: rows in a row
     * mostly go to the same topic. Valid within one arena generation. */
    struct outbox_bytes memo_column, memo;
    bool has_null; /* the last rendering has an empty place, because of a null */
};

/* text: borrowed, must live as long as the template. NULL text: an empty template (count 0). Errors: INVALID, whose
 * text has no location yet; NO_MEMORY. */
int obx_template_compile(const char *text, struct obx_columns *columns, bool optional, struct obx_template *template_,
                         struct outbox_error *error);
void obx_template_free(struct obx_template *template_);

/* True for a template of one column and nothing else. */
bool obx_template_is_column(const struct obx_template *template_);

/* A table without the one column of this template is fine. text: NULL is fine. */
bool obx_template_is_optional(const char *text);

/* row: the values of one row. A template of one column gives that column's bytes, null as null; in one of several
 * pieces null is empty. Fails only for lack of memory. */
int obx_template_render(struct obx_template *template_, const struct outbox_value *row, struct obx_arena *arena,
                        struct outbox_bytes *out);
void obx_template_forget(struct obx_template *template_); /* before the arena is another one */

/* The text of one value: as it is for TEXT and BYTES, else written into the arena. */
int obx_column_text(const struct outbox_value *value, struct obx_arena *arena, struct outbox_bytes *out);

#endif

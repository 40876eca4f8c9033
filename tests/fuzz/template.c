/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/template.c - templates of topics and keys
 *
 * A template without functions that compiles is rendered twice, each time as a simple interpreter renders it; any other
 * has an error text.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "relay/template.h"

static const struct outbox_value *value_of(const struct obx_columns *columns, const struct outbox_value *row,
                                           const char *name, size_t size)
{
    for (uint32_t i = 0; i < columns->count; i++) {
        if (strlen(columns->list[i].name) == size && !memcmp(columns->list[i].name, name, size))
            return &row[i];
    }
    return NULL;
}

static void interpret(const char *text, const struct obx_columns *columns, const struct outbox_value *row,
                      struct obx_buf *to)
{
    while (*text) {
        const char *end = text[0] == '$' && text[1] == '{' ? strchr(text, '}') : NULL;
        if (text[0] == '$' && text[1] == '$')
            text++;
        if (!end) {
            obx_buf_add(to, text++, 1);
            continue;
        }
        const struct outbox_value *value = value_of(columns, row, text + 2, (size_t)(end - text - 2));
        FUZZ_CHECK(value);
        if (value->type != OUTBOX_NULL)
            obx_buf_add(to, value->as.data, value->size);
        text = end + 1;
    }
}

/* The interpreter knows no functions: json() gives valid JSON, and the others fail for nothing. */
static bool render_functions(struct obx_template *template_, const struct outbox_value *row)
{
    struct obx_arena arena = {0};
    struct outbox_bytes out = {0};
    bool found = false;
    for (uint32_t i = 0; i < template_->count; i++)
        found |= template_->pieces[i].call.function != OBX_AS_IS;
    if (found)
        FUZZ_CHECK(obx_template_render(template_, row, &arena, &out) == OUTBOX_OK);
    if (found && template_->count == 1 && template_->pieces[0].call.function == OBX_JSON)
        FUZZ_CHECK(obx_json_valid(out.data, out.size));
    obx_arena_free(&arena);
    return found;
}

static void render(struct obx_template *template_, const char *text, const struct obx_columns *columns,
                   const struct outbox_value *row)
{
    struct obx_arena arena = {0};
    struct obx_buf wanted = {0};
    interpret(text, columns, row, &wanted);
    obx_template_forget(template_);
    for (int i = 0; i < 2; i++) {
        struct outbox_bytes out = {0};
        FUZZ_CHECK(obx_template_render(template_, row, &arena, &out) == OUTBOX_OK);
        FUZZ_CHECK(out.size == wanted.size && (!out.size || !memcmp(out.data, wanted.data, out.size)));
    }
    obx_buf_free(&wanted);
    obx_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, data + size};
    struct obx_columns columns = {0};
    struct obx_template template_ = {0};
    struct outbox_value row[OBX_MAX_COLUMNS] = {{.type = OUTBOX_NULL}};
    struct outbox_error error = {0};
    char *text = fuzz_text(&input);
    int code = obx_template_compile(text, &columns, fuzz_int(&input, 1) & 1, &template_, &error);
    FUZZ_CHECK(!code == !error.text[0]);
    for (uint32_t i = 0; i < columns.count; i++) {
        struct outbox_bytes bytes = fuzz_maybe(&input);
        row[i] = (struct outbox_value){
            .as.data = bytes.data, .size = (uint32_t)bytes.size, .type = bytes.data ? OUTBOX_TEXT : OUTBOX_NULL};
    }
    if (!code && template_.count && !render_functions(&template_, row))
        render(&template_, text, &columns, row);
    for (uint32_t i = 0; i < columns.count; i++)
        fuzz_free(row[i].as.data);
    if (!code)
        obx_template_free(&template_);
    obx_arena_free(&columns.names);
    free(text);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/template.c - compiling templates against the columns of a route, and rendering them row by row */
#include "relay/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/float_text.h"

int obx_columns_add(struct obx_columns *columns, const char *name, size_t size, bool optional,
                    struct outbox_error *error)
{
    for (uint32_t i = 0; i < columns->count; i++) {
        struct outbox_column *column = &columns->list[i];
        if (strlen(column->name) == size && !memcmp(column->name, name, size)) {
            if (!optional)
                column->flags &= ~OUTBOX_COLUMN_OPTIONAL;
            return (int)i;
        }
    }
    if (columns->count == OBX_MAX_COLUMNS)
        return obx_error_set(error, OUTBOX_E_INVALID, "the route uses more than %d columns", OBX_MAX_COLUMNS);
    char *copy = obx_arena_bytes(&columns->names, size + 1);
    if (!copy)
        return obx_error_no_memory(error);
    memcpy(copy, name, size);
    copy[size] = '\0';
    columns->list[columns->count] =
        (struct outbox_column){.name = copy, .flags = optional ? OUTBOX_COLUMN_OPTIONAL : 0};
    return (int)columns->count++;
}

static int add_piece(struct obx_template *template_, struct obx_piece piece, struct outbox_error *error)
{
    if (piece.literal && !piece.size)
        return OUTBOX_OK;
    if (template_->count == OBX_MAX_PIECES)
        return obx_error_set(error, OUTBOX_E_INVALID, "template has more than %d pieces", OBX_MAX_PIECES);
    template_->pieces[template_->count++] = piece;
    return OUTBOX_OK;
}

static int add_literal(struct obx_template *template_, const char *text, size_t size, struct outbox_error *error)
{
    return add_piece(template_, (struct obx_piece){.literal = text, .size = (uint32_t)size}, error);
}

/* *at: after "${"; at the end, after "}". */
static int add_column(struct obx_template *template_, const char **at, struct obx_columns *columns, bool optional,
                      struct outbox_error *error)
{
    struct obx_piece piece = {0};
    int code = obx_function_parse(at, &columns->names, &piece.call, error);
    if (code)
        return code;
    int column = obx_columns_add(columns, piece.call.column.data, piece.call.column.size, optional, error);
    piece.column = (uint32_t)column;
    code = column < 0 ? column : add_piece(template_, piece, error);
    if (code)
        obx_function_free(&piece.call);
    return code;
}

int obx_template_compile(const char *text, struct obx_columns *columns, bool optional, struct obx_template *template_,
                         struct outbox_error *error)
{
    *template_ = (struct obx_template){0};
    int code = OUTBOX_OK;
    while (text && *text && !code) {
        size_t plain = strcspn(text, "$");
        code = add_literal(template_, text, plain, error);
        text += plain;
        if (code || !*text)
            break;
        if (text[1] == '{') {
            text += 2;
            code = add_column(template_, &text, columns, optional, error);
        } else if (text[1] == '$') {
            code = add_literal(template_, text, 1, error);
            text += 2;
        } else {
            code = obx_error_set(error, OUTBOX_E_INVALID, "'$' must be followed by '{column}' or '$'");
        }
    }
    if (code)
        obx_template_free(template_);
    return code;
}

void obx_template_free(struct obx_template *template_)
{
    for (uint32_t i = 0; i < template_->count; i++)
        obx_function_free(&template_->pieces[i].call);
}

bool obx_template_is_column(const struct obx_template *template_)
{
    const struct obx_piece *piece = &template_->pieces[0];
    return template_->count == 1 && !piece->literal && piece->call.function == OBX_AS_IS;
}

bool obx_template_is_optional(const char *text)
{
    return text && (!strcmp(text, "${event_id}") || !strcmp(text, "${created_at}"));
}

static int format_uuid(const unsigned char *bytes, struct obx_arena *arena, struct outbox_bytes *out)
{
    static const char hex[] = "0123456789abcdef";
    char *text = obx_arena_bytes(arena, 36);
    if (!text)
        return OUTBOX_E_NO_MEMORY;
    *out = (struct outbox_bytes){text, 36};
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *text++ = '-';
        *text++ = hex[bytes[i] >> 4];
        *text++ = hex[bytes[i] & 15];
    }
    return OUTBOX_OK;
}

/* ISO 8601: a year outside of 0 to 9999 has a sign; year 0 is 1 BC. */
static const char *year_sign(int year)
{
    return year < 0 ? "-" : year > 9999 ? "+" : "";
}

static int format_time(int64_t us, struct obx_arena *arena, struct outbox_bytes *out)
{
    time_t seconds = (time_t)(us / 1000000);
    int64_t fraction = us % 1000000;
    if (fraction < 0) {
        fraction += 1000000;
        seconds--;
    }
    struct tm tm;
    char *text = obx_arena_bytes(arena, 64);
    if (!text)
        return OUTBOX_E_NO_MEMORY; /* not covered: no memory just here */
    int size = 0;
    if (gmtime_r(&seconds, &tm))
        size = snprintf(text, 64, "%s%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", year_sign(tm.tm_year + 1900),
                        abs(tm.tm_year + 1900), tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                        (int)fraction);
    obx_arena_give_back(arena, 64 - (size_t)size);
    *out = (struct outbox_bytes){text, (size_t)size};
    return OUTBOX_OK;
}

static int format_number(const struct outbox_value *value, struct obx_arena *arena, struct outbox_bytes *out)
{
    char *text = obx_arena_bytes(arena, 40);
    if (!text)
        return OUTBOX_E_NO_MEMORY;
    int size;
    if (value->type == OUTBOX_FLOAT)
        size = (int)obx_float_text(value->as.real, value->size == OUTBOX_FLOAT_SINGLE, text);
    else if (value->type == OUTBOX_BOOL)
        size = snprintf(text, 40, "%s", value->as.integer ? "true" : "false");
    else
        size = snprintf(text, 40, "%lld", (long long)value->as.integer);
    obx_arena_give_back(arena, 40 - (size_t)size);
    *out = (struct outbox_bytes){text, (size_t)size};
    return OUTBOX_OK;
}

int obx_column_text(const struct outbox_value *value, struct obx_arena *arena, struct outbox_bytes *out)
{
    switch (value->type) {
    case OUTBOX_NULL:
        *out = (struct outbox_bytes){NULL, 0};
        return OUTBOX_OK;
    case OUTBOX_TEXT:
    case OUTBOX_BYTES:
        *out = (struct outbox_bytes){value->as.data ? value->as.data : "", value->size};
        return OUTBOX_OK;
    case OUTBOX_UUID:
        return format_uuid(value->as.data, arena, out);
    case OUTBOX_TIME:
        return format_time(value->as.integer, arena, out);
    default:
        return format_number(value, arena, out);
    }
}

static bool same(struct outbox_bytes a, struct outbox_bytes b)
{
    return a.size == b.size && a.data && b.data && !memcmp(a.data, b.data, a.size);
}

/* The one column of a template whose other pieces are literals; -1: none or several. */
static int only_column(const struct obx_template *template_)
{
    int found = -1;
    for (uint32_t i = 0; i < template_->count; i++) {
        if (template_->pieces[i].literal)
            continue;
        if (found >= 0)
            return -1;
        found = (int)template_->pieces[i].column;
    }
    return found;
}

static int piece_text(const struct obx_piece *piece, const struct outbox_value *row, struct obx_arena *arena,
                      struct outbox_bytes *out)
{
    *out = (struct outbox_bytes){piece->literal, piece->size};
    if (piece->literal)
        return OUTBOX_OK;
    int code = obx_column_text(&row[piece->column], arena, out);
    return code ? code : obx_function_apply(&piece->call, &row[piece->column], arena, out);
}

static int concatenate(struct obx_template *template_, const struct outbox_value *row, struct obx_arena *arena,
                       struct outbox_bytes *out)
{
    struct outbox_bytes parts[OBX_MAX_PIECES];
    size_t size = 0;
    for (uint32_t i = 0; i < template_->count; i++) {
        int code = piece_text(&template_->pieces[i], row, arena, &parts[i]);
        if (code)
            return code; /* not covered: no memory just here */
        size += parts[i].size;
        template_->has_null |= !parts[i].data;
    }
    char *text = obx_arena_bytes(arena, size + 1);
    if (!text)
        return OUTBOX_E_NO_MEMORY;
    *out = (struct outbox_bytes){text, size};
    for (uint32_t i = 0; i < template_->count; i++) {
        if (parts[i].data)
            memcpy(text, parts[i].data, parts[i].size);
        text += parts[i].size;
    }
    return OUTBOX_OK;
}

int obx_template_render(struct obx_template *template_, const struct outbox_value *row, struct obx_arena *arena,
                        struct outbox_bytes *out)
{
    if (template_->count == 0) {
        *out = (struct outbox_bytes){"", 0};
        return OUTBOX_OK;
    }
    if (template_->count == 1 && !template_->pieces[0].literal) {
        int code = piece_text(&template_->pieces[0], row, arena, out);
        template_->has_null = !out->data;
        return code;
    }
    template_->has_null = false;
    int column = only_column(template_);
    struct outbox_bytes now = {NULL, 0};
    if (column >= 0 && (row[column].type == OUTBOX_TEXT || row[column].type == OUTBOX_BYTES)) {
        now = (struct outbox_bytes){row[column].as.data, row[column].size};
        if (same(now, template_->memo_column)) {
            *out = template_->memo;
            return OUTBOX_OK;
        }
    }
    int code = concatenate(template_, row, arena, out);
    if (!code && now.data && !template_->has_null) {
        template_->memo_column = now;
        template_->memo = *out;
    }
    return code;
}

void obx_template_forget(struct obx_template *template_)
{
    template_->memo_column = template_->memo = (struct outbox_bytes){NULL, 0};
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/template_function.c - parses and applies the functions of templates
 *
 * Results lie in the arena of the batch. json() of bytes that are not UTF-8 gives them as base64, as JSON converters
 * do; so it never gives invalid JSON. A text longer than MATCH_MAX matches nothing: the time of a match has a limit.
 */
#include "relay/template_function.h"

#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/utf8.h"

#define MATCH_MAX 1024

static const struct {
    const char *name;
    bool has_argument;
} functions[] = {[OBX_AS_IS] = {"", false},
                 [OBX_JSON] = {"json", false},
                 [OBX_LOWER] = {"lower", false},
                 [OBX_DEFAULT] = {"default", true},
                 [OBX_MATCH] = {"match", true}};

/* ---- parsing ----------------------------------------------------------------------------------------------------- */

static int parse_column(const char **at, struct obx_function_call *call, struct outbox_error *error)
{
    const char *close = strchr(*at, '}');
    if (!close || close == *at)
        return obx_error_set(error, OUTBOX_E_INVALID, "'${' needs a column name and '}'; write '$$' for a dollar sign");
    call->column = (struct outbox_bytes){*at, (size_t)(close - *at)};
    *at = close + 1;
    return OUTBOX_OK;
}

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " ");
}

/* *at: at the opening quote; at the end, after the closing one. */
static int parse_text(const char **at, struct obx_arena *arena, struct outbox_bytes *text, struct outbox_error *error)
{
    char *to = obx_arena_bytes(arena, strlen(*at)), *start = to;
    if (!to)
        return obx_error_no_memory(error); /* not covered: no memory just here */
    const char *from = *at + 1;
    for (; *from && (*from != '\'' || from[1] == '\''); from++) {
        from += *from == '\'';
        *to++ = *from;
    }
    if (!*from)
        return obx_error_set(error, OUTBOX_E_INVALID, "the text after %.*s does not end; write '' for a quote",
                             OUTBOX_CUT(*at, 20));
    *to = '\0';
    *text = (struct outbox_bytes){start, (size_t)(to - start)};
    *at = from + 1;
    return OUTBOX_OK;
}

static int compile_expression(struct obx_function_call *call, struct outbox_error *error)
{
    char reason[120];
    call->expression = obx_alloc(sizeof *call->expression);
    if (!call->expression)
        return obx_error_no_memory(error); /* not covered: no memory just here */
    int status = regcomp(call->expression, call->argument.data, REG_EXTENDED);
    if (!status)
        return OUTBOX_OK;
    regerror(status, call->expression, reason, sizeof reason);
    obx_free(call->expression);
    call->expression = NULL;
    return obx_error_set(error, OUTBOX_E_INVALID, "match: '%.*s' is no regular expression: %s",
                         OUTBOX_CUT((const char *)call->argument.data, 80), reason);
}

static int find_function(const char *name, size_t size, enum obx_function *function, struct outbox_error *error)
{
    for (size_t i = 1; i < OBX_COUNT(functions); i++)
        if (strlen(functions[i].name) == size && !memcmp(functions[i].name, name, size)) {
            *function = (enum obx_function)i;
            return OUTBOX_OK;
        }
    return obx_error_set(error, OUTBOX_E_INVALID, "no function '%.*s'; there are json, lower, default and match",
                         outbox_cut_bytes((struct outbox_bytes){name, size}, 40), name);
}

static int bad_form(const struct obx_function_call *call, struct outbox_error *error)
{
    const char *name = functions[call->function].name;
    if (functions[call->function].has_argument)
        return obx_error_set(error, OUTBOX_E_INVALID, "write ${%s(column, 'text')}", name);
    return obx_error_set(error, OUTBOX_E_INVALID, "write ${%s(column)}", name);
}

int obx_function_parse(const char **at, struct obx_arena *arena, struct obx_function_call *call,
                       struct outbox_error *error)
{
    *call = (struct obx_function_call){.function = OBX_AS_IS};
    size_t name = strcspn(*at, "(}");
    if ((*at)[name] != '(' || !name)
        return parse_column(at, call, error);
    int code = find_function(*at, name, &call->function, error);
    if (code)
        return code;
    const char *column = skip_blanks(*at + name + 1);
    size_t size = strcspn(column, ",) }");
    call->column = (struct outbox_bytes){column, size};
    const char *rest = skip_blanks(column + size);
    if (!size || (*rest == ',') != functions[call->function].has_argument)
        return bad_form(call, error);
    if (*rest == ',') {
        rest = skip_blanks(rest + 1);
        if (*rest != '\'')
            return bad_form(call, error);
        code = parse_text(&rest, arena, &call->argument, error);
        rest = code ? rest : skip_blanks(rest);
    }
    if (!code && (rest[0] != ')' || rest[1] != '}'))
        code = bad_form(call, error);
    if (!code && call->function == OBX_MATCH)
        code = compile_expression(call, error);
    *at = code ? *at : rest + 2;
    return code;
}

void obx_function_free(struct obx_function_call *call)
{
    if (call->expression)
        regfree(call->expression);
    obx_free(call->expression);
    call->expression = NULL;
}

/* ---- json -------------------------------------------------------------------------------------------------------- */

enum { ESCAPE_MAX = 12 }; /* a pair of surrogates */

static size_t put_byte(char *to, unsigned char byte)
{
    static const char names[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *name = byte ? strchr(names, byte) : NULL;
    if (name) {
        to[0] = '\\';
        to[1] = letters[name - names];
        return 2;
    }
    if (byte < 0x20)
        return (size_t)snprintf(to, ESCAPE_MAX + 1, "\\u%04X", byte);
    to[0] = (char)byte;
    return 1;
}

/* The character of four bytes, U+10000 or above. */
static size_t put_pair(char *to, const unsigned char *from)
{
    unsigned point = (from[0] & 7u) << 18 | (from[1] & 63u) << 12 | (from[2] & 63u) << 6 | (from[3] & 63u);
    return (size_t)snprintf(to, ESCAPE_MAX + 1, "\\u%04X\\u%04X", 0xd7c0 + (point >> 10), 0xdc00 + (point & 0x3ff));
}

/* As Jackson writes it, so that JSON converters of Kafka Connect give the same bytes. NULL to: only the size. */
static size_t put_string(char *to, const unsigned char *from, size_t size)
{
    char ignored[ESCAPE_MAX + 1] = "";
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        char *at = to ? to + used : ignored;
        bool pair = from[i] >= 0xf0;
        used += pair ? put_pair(at, from + i) : put_byte(at, from[i]);
        i += pair ? 3 : 0;
    }
    return used;
}

static size_t put_base64(char *to, const unsigned char *from, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t used = (size + 2) / 3 * 4;
    for (size_t i = 0; to && i < size; i += 3) {
        size_t left = size - i;
        unsigned three =
            (unsigned)from[i] << 16 | (left > 1 ? (unsigned)from[i + 1] << 8 : 0u) | (left > 2 ? from[i + 2] : 0u);
        *to++ = digits[three >> 18];
        *to++ = digits[three >> 12 & 63];
        *to++ = left > 1 ? digits[three >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[three & 63] : '=';
    }
    return used;
}

static int quote(struct obx_arena *arena, struct outbox_bytes *text)
{
    size_t (*put)(char *to, const unsigned char *from, size_t size) =
        obx_utf8_valid(text->data, text->size) ? put_string : put_base64;
    size_t size = put(NULL, text->data, text->size);
    char *to = obx_arena_bytes(arena, size + 3); /* the quotes, and the NUL of snprintf() */
    if (!to)
        return OUTBOX_E_NO_MEMORY; /* not covered: no memory just here */
    to[0] = '"';
    put(to + 1, text->data, text->size);
    to[size + 1] = '"';
    *text = (struct outbox_bytes){to, size + 2};
    return OUTBOX_OK;
}

/* NaN and Infinity are no numbers of JSON. The text does not end with a NUL. */
static bool is_number(struct outbox_bytes text)
{
    size_t i = 0;
    while (i < text.size && memchr("+-.0123456789e", ((const char *)text.data)[i], 14))
        i++;
    return i == text.size;
}

static bool is_plain(const struct outbox_value *value, struct outbox_bytes text)
{
    if (value->type == OUTBOX_FLOAT)
        return is_number(text);
    return value->type == OUTBOX_INT || value->type == OUTBOX_BOOL;
}

static int json(const struct outbox_value *value, struct obx_arena *arena, struct outbox_bytes *text)
{
    if (!text->data)
        *text = (struct outbox_bytes){"null", 4};
    else if (!is_plain(value, *text))
        return quote(arena, text);
    return OUTBOX_OK;
}

/* ---- the others -------------------------------------------------------------------------------------------------- */

static int lower(struct obx_arena *arena, struct outbox_bytes *text)
{
    const char *from = text->data;
    char *to = obx_arena_bytes(arena, text->size + 1);
    if (!to)
        return OUTBOX_E_NO_MEMORY; /* not covered: no memory just here */
    for (size_t i = 0; i < text->size; i++)
        to[i] = (char)(from[i] >= 'A' && from[i] <= 'Z' ? from[i] + 32 : from[i]);
    text->data = to;
    return OUTBOX_OK;
}

static void match(const struct obx_function_call *call, struct outbox_bytes *text)
{
    regmatch_t found[2] = {{.rm_so = 0, .rm_eo = (regoff_t)text->size}};
    const char *from = text->data;
    char copy[MATCH_MAX + 1]; /* REG_STARTEND needs no NUL behind the text, but a sanitizer's regexec() does */
    size_t size = text->size <= MATCH_MAX ? text->size : 0;
    memcpy(copy, from, size);
    copy[size] = '\0';
    bool matches = text->size <= MATCH_MAX && !regexec(call->expression, copy, 2, found, REG_STARTEND);
    const regmatch_t *part = &found[call->expression->re_nsub > 0];
    if (matches && part->rm_so >= 0)
        *text = (struct outbox_bytes){from + part->rm_so, (size_t)(part->rm_eo - part->rm_so)};
    else
        *text = (struct outbox_bytes){NULL, 0};
}

int obx_function_apply(const struct obx_function_call *call, const struct outbox_value *value, struct obx_arena *arena,
                       struct outbox_bytes *text)
{
    if (call->function == OBX_JSON)
        return json(value, arena, text);
    if (call->function == OBX_DEFAULT)
        *text = text->data ? *text : call->argument;
    else if (call->function == OBX_LOWER && text->data)
        return lower(arena, text);
    else if (call->function == OBX_MATCH && text->data)
        match(call, text);
    return OUTBOX_OK;
}

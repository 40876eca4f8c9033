/* SPDX-License-Identifier: Apache-2.0 */
/* core/config/conninfo.c - where a reference stands, and what quotes its value there */
#include "config/conninfo.h"

#include <string.h>

static bool is_blank(char byte)
{
    return byte && strchr(" \t\n\v\f\r", byte) != NULL;
}

/* ---- URIs -------------------------------------------------------------------------------------------------------- */

/* Past a reference: its default may have any character. */
static const char *skip_reference(const char *at)
{
    const char *end = strncmp(at, "${", 2) ? NULL : strchr(at, '}');
    return end ? end : at;
}

static void begin_uri(struct obx_conninfo *state, const char *authority)
{
    const char *colon = NULL;
    bool in_authority = true;
    state->is_uri = true;
    for (const char *at = authority; *at && !state->query; at++) {
        const char *next = skip_reference(at);
        if (next != at) {
            at = next;
            continue;
        }
        in_authority = in_authority && *at != '/' && *at != '?';
        if (*at == ':' && !colon)
            colon = at;
        if (*at == '@' && in_authority)
            state->user_end = at;
        if (*at == '?')
            state->query = at;
    }
    state->has_colon = colon && state->user_end && colon < state->user_end;
}

static bool is_unreserved(char byte)
{
    static const char others[] = "-._~";
    bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
    return letter || (byte && strchr(others, byte));
}

static void encode(bool keeps_colon, const char *value, size_t size,
                   void (*emit)(void *arg, const char *bytes, size_t size), void *arg)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)value[i];
        char coded[3] = {'%', hex[byte >> 4], hex[byte & 15]};
        if (is_unreserved(value[i]) || (byte == ':' && keeps_colon))
            emit(arg, value + i, 1);
        else
            emit(arg, coded, sizeof coded);
    }
}

/* ---- keyword=value ----------------------------------------------------------------------------------------------- */

/* What a byte leads to, in the order of libpq's own parser. */
static enum obx_conninfo_place next_place(enum obx_conninfo_place place, char byte)
{
    switch (place) {
    case OBX_CONNINFO_KEYWORD:
        return byte == '=' ? OBX_CONNINFO_BEFORE_VALUE : OBX_CONNINFO_KEYWORD;
    case OBX_CONNINFO_BEFORE_VALUE:
        return is_blank(byte) ? place : byte == '\'' ? OBX_CONNINFO_QUOTED : OBX_CONNINFO_PLAIN;
    case OBX_CONNINFO_PLAIN:
        return is_blank(byte) ? OBX_CONNINFO_KEYWORD : place;
    default:
        return byte == '\'' ? OBX_CONNINFO_KEYWORD : place;
    }
}

void obx_conninfo_begin(struct obx_conninfo *state, const char *text)
{
    *state = (struct obx_conninfo){.place = OBX_CONNINFO_KEYWORD};
    const char *scheme = strstr(text, "://"), *reference = strstr(text, "${");
    if (scheme && !memchr(text, '=', (size_t)(scheme - text)) && (!reference || scheme < reference))
        begin_uri(state, scheme + 3);
}

void obx_conninfo_literal(struct obx_conninfo *state, char byte)
{
    if (state->escaped) {
        state->escaped = false;
        return;
    }
    state->place = next_place(state->place, byte);
    state->escaped = byte == '\\' && state->place != OBX_CONNINFO_KEYWORD;
}

static void escape(const char *value, size_t size, void (*emit)(void *arg, const char *bytes, size_t size), void *arg)
{
    for (size_t i = 0; i < size; i++) {
        if (is_blank(value[i]) || value[i] == '\'' || value[i] == '\\')
            emit(arg, "\\", 1);
        emit(arg, value + i, 1);
    }
}

void obx_conninfo_value(struct obx_conninfo *state, const char *at, const char *end, const char *value, size_t size,
                        void (*emit)(void *arg, const char *bytes, size_t size), void *arg)
{
    if (state->is_uri) {
        bool in_user = state->user_end && at < state->user_end, in_query = state->query && at > state->query;
        if (in_user || in_query)
            encode(in_user && !state->has_colon, value, size, emit, arg); /* it may stand for user:password */
        else
            emit(arg, value, size);
    } else if (state->place == OBX_CONNINFO_KEYWORD) {
        emit(arg, value, size);
        for (size_t i = 0; i < size; i++)
            obx_conninfo_literal(state, value[i]);
    } else if (!size && state->place == OBX_CONNINFO_BEFORE_VALUE && (!*end || is_blank(*end))) {
        emit(arg, "''", 2); /* else the next keyword would be the value */
    } else {
        escape(value, size, emit, arg);
        state->place = state->place == OBX_CONNINFO_BEFORE_VALUE ? OBX_CONNINFO_PLAIN : state->place;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/route_compile.c - the section `route:` becomes templates; each error has its place in the file */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "relay/route.h"

/* An error of a template gets its location in the file here. */
static int locate(int code, const struct obx_section *section, const char *key, const struct outbox_error *why,
                  struct outbox_error *error)
{
    if (code == OUTBOX_E_INVALID)
        return obx_section_error(section, key, error, "%s: %s", key, why->text);
    return code ? obx_error_no_memory(error) : OUTBOX_OK;
}

static int compile(const char *key, const char *text, const struct obx_section *section, bool optional,
                   struct obx_columns *columns, struct obx_template *template_, struct outbox_error *error)
{
    struct outbox_error why;
    int code = obx_template_compile(text, columns, optional, template_, &why);
    return locate(code, section, key, &why, error);
}

static int compile_headers(const struct outbox_map *map, const struct obx_section *section, struct obx_route *route,
                           struct outbox_error *error)
{
    if (map->count > OBX_MAX_HEADERS)
        return obx_section_error(section, "headers", error, "more than %d headers", OBX_MAX_HEADERS);
    for (uint32_t i = 0; i < map->count; i++) {
        const struct outbox_pair *pair = &map->items[i];
        route->header_count = i + 1;
        int code = compile("headers", pair->value, section, obx_template_is_optional(pair->value), &route->columns,
                           &route->headers[i], error);
        if (code)
            return code;
        route->header_names[i] = (struct outbox_bytes){pair->name, strlen(pair->name)};
    }
    return OUTBOX_OK;
}

static int compile_position(const struct obx_section *section, struct obx_route *route, struct outbox_error *error)
{
    static const struct outbox_bytes name = {OBX_POSITION_HEADER, sizeof OBX_POSITION_HEADER - 1};
    for (uint32_t i = 0; i < route->header_count && route->position.on; i++)
        if (route->header_names[i].size == name.size && !memcmp(route->header_names[i].data, name.data, name.size))
            return obx_section_error(section, "headers", error,
                                     "header '%s' is that of position: true; give yours another name",
                                     OBX_POSITION_HEADER);
    route->header_names[route->header_count] = name;
    return OUTBOX_OK;
}

/* A literal with a character that is no digit can be part of no number. */
static bool may_be_number(const struct obx_template *template_)
{
    for (uint32_t i = 0; i < template_->count; i++) {
        const struct obx_piece *piece = &template_->pieces[i];
        int64_t number;
        if (piece->literal && !obx_route_number((struct outbox_bytes){piece->literal, piece->size}, INT32_MAX, &number))
            return false;
    }
    return true;
}

static int compile_partition(const char *text, const struct obx_section *section, struct obx_route *route,
                             struct outbox_error *error)
{
    int code = compile("partition", text, section, false, &route->columns, &route->partition, error);
    if (!code && !may_be_number(&route->partition))
        code = obx_section_error(section, "partition", error, "partition '%s'" OBX_NO_PARTITION, text);
    return code;
}

/* The columns that every message carries, in addition to those of the templates. */
static int add_standard_columns(struct obx_route *route, const struct obx_section *section, struct outbox_error *error)
{
    struct outbox_error why;
    static const char *const names[] = {"event_id", "type", "created_at", "headers"};
    uint32_t *const indexes[] = {&route->event_id, &route->type, &route->created_at, &route->headers_column};
    for (size_t i = 0; i < OBX_COUNT(names); i++) {
        int index = obx_columns_add(&route->columns, names[i], strlen(names[i]), true, &why);
        if (index < 0)
            return locate(index, section, names[i], &why, error); /* not covered: no memory just here */
        *indexes[i] = (uint32_t)index;
    }
    return OUTBOX_OK;
}

/* "{"id": ${json(id)}}": several pieces, of which the first opens a bracket. */
static bool is_json(const struct obx_template *value)
{
    const struct obx_piece *first = &value->pieces[0];
    return value->count > 1 && first->literal && (*first->literal == '{' || *first->literal == '[');
}

int obx_route_compile(const struct obx_route_settings *settings, const struct obx_section *section,
                      struct obx_route *route, struct outbox_error *error)
{
    struct obx_columns *columns = &route->columns;
    *route = (struct obx_route){.tombstone = (enum obx_tombstone)settings->tombstone,
                                .position = {.on = settings->position}};
    const char *timestamp = settings->timestamp ? settings->timestamp : "";
    int code = compile("topic", settings->topic, section, false, columns, &route->topic, error);
    if (!code && !route->topic.count)
        code = obx_section_error(section, "topic", error,
                                 "topic is empty; every event needs one, e.g. outbox.event.${aggregatetype}");
    if (!code)
        code = compile("key", settings->key, section, false, columns, &route->key, error);
    if (!code)
        code = compile("value", settings->value, section, false, columns, &route->value, error);
    route->value_is_json = is_json(&route->value);
    if (!code)
        code = compile_partition(settings->partition, section, route, error);
    if (!code)
        code = compile("timestamp", timestamp, section, obx_template_is_optional(timestamp), columns, &route->timestamp,
                       error);
    if (!code)
        code = compile_headers(&settings->headers, section, route, error);
    if (!code)
        code = compile_position(section, route, error);
    if (!code)
        code = add_standard_columns(route, section, error);
    if (code)
        obx_route_free(route);
    return code;
}

static void each_template(struct obx_route *route, void (*action)(struct obx_template *template_))
{
    struct obx_template *const templates[] = {&route->topic, &route->key, &route->value, &route->partition,
                                              &route->timestamp};
    for (size_t i = 0; i < OBX_COUNT(templates); i++)
        action(templates[i]);
    for (uint32_t i = 0; i < route->header_count; i++)
        action(&route->headers[i]);
}

void obx_route_free(struct obx_route *route)
{
    each_template(route, obx_template_free);
    obx_arena_free(&route->columns.names);
}

void obx_route_forget(struct obx_route *route)
{
    each_template(route, obx_template_forget);
}

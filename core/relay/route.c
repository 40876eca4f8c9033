/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/route.c - a row becomes a message */
#include "relay/route.h"

#include <outbox/plugin_util.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "relay/json_headers.h"

bool obx_route_number(struct outbox_bytes text, int64_t max, int64_t *number)
{
    const char *at = text.data;
    if (!text.size || text.size > 18)
        return false;
    *number = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (at[i] < '0' || at[i] > '9')
            return false;
        *number = *number * 10 + (at[i] - '0');
    }
    return *number <= max;
}

static int set_partition(struct obx_route *route, const struct outbox_value *row, struct obx_arena *arena,
                         struct outbox_message *message, struct outbox_error *error)
{
    struct outbox_bytes text;
    int64_t number;
    message->partition = -1;
    if (!route->partition.count)
        return OUTBOX_OK;
    if (obx_template_render(&route->partition, row, arena, &text))
        return obx_error_no_memory(error); /* not covered: no memory just here */
    if (!text.data)
        return OUTBOX_OK;
    if (!obx_route_number(text, INT32_MAX, &number))
        return obx_error_set(error, OUTBOX_E_REJECTED, "partition '%.*s'" OBX_NO_PARTITION, outbox_cut_bytes(text, 40),
                             (const char *)text.data);
    message->partition = (int32_t)number;
    return OUTBOX_OK;
}

static int64_t time_of(const struct outbox_value *value)
{
    return value->type == OUTBOX_TIME ? value->as.integer : INT64_MIN;
}

int64_t obx_route_created_us(const struct obx_route *route, const struct outbox_batch *rows, uint32_t row)
{
    return time_of(&rows->values[(size_t)row * rows->columns + route->created_at]);
}

static int set_timestamp(struct obx_route *route, const struct outbox_value *row, struct obx_arena *arena,
                         struct outbox_message *message, struct outbox_error *error)
{
    struct outbox_bytes text;
    int64_t number;
    message->timestamp_us = INT64_MIN;
    if (!route->timestamp.count)
        return OUTBOX_OK;
    const struct outbox_value *value = &row[route->timestamp.pieces[0].column];
    if (obx_template_is_column(&route->timestamp) && value->type == OUTBOX_TIME) {
        message->timestamp_us = value->as.integer;
        return OUTBOX_OK;
    }
    if (obx_template_render(&route->timestamp, row, arena, &text))
        return obx_error_no_memory(error); /* not covered: no memory just here */
    if (!text.data)
        return OUTBOX_OK;
    if (!obx_route_number(text, INT64_MAX / 1000, &number))
        return obx_error_set(error, OUTBOX_E_REJECTED, "timestamp '%.*s' is neither a time nor milliseconds since 1970",
                             outbox_cut_bytes(text, 40), (const char *)text.data);
    message->timestamp_us = number * 1000;
    return OUTBOX_OK;
}

static bool is_column(const struct obx_template *template_, uint32_t column)
{
    return obx_template_is_column(template_) && template_->pieces[0].column == column;
}

static const struct outbox_bytes *find_own(const struct obx_route *route, struct outbox_bytes name)
{
    for (uint32_t k = 0; k < route->header_count + route->position.on; k++)
        if (name.size == route->header_names[k].size && !memcmp(name.data, route->header_names[k].data, name.size))
            return &route->header_names[k];
    return NULL;
}

/* Headers of the configuration win: consumers drop duplicates by `id`, which no row may choose. */
static uint32_t drop_repeated(struct obx_route *route, struct outbox_header *headers, uint32_t own, uint32_t count)
{
    uint32_t kept = own;
    for (uint32_t i = own; headers && i < count; i++) {
        const struct outbox_bytes *repeated = find_own(route, headers[i].name);
        if (repeated)
            route->left_out = repeated;
        else
            headers[kept++] = headers[i];
    }
    return kept;
}

static int put_position(const struct obx_route *route, struct obx_arena *arena, const struct outbox_message *message,
                        struct outbox_header *header)
{
    char text[OBX_POSITION_TEXT_MAX];
    size_t size = obx_position_text_write(&route->position, message->position, text);
    char *value = obx_arena_alloc(arena, size);
    if (!value)
        return OUTBOX_E_NO_MEMORY; /* not covered: no memory just here */
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): there is room */
    header->name = route->header_names[route->header_count];
    header->value = (struct outbox_bytes){memcpy(value, text, size), size};
    return OUTBOX_OK;
}

/* Headers of the configuration first, then those of the column. One array, sized for both, in the arena. */
static int set_headers(struct obx_route *route, const struct outbox_value *row, struct obx_arena *arena,
                       struct outbox_message *message, struct outbox_error *error)
{
    const struct outbox_value *column = &row[route->headers_column];
    uint32_t own = route->header_count + route->position.on, count = 0;
    uint32_t room = own + (column->type == OUTBOX_NULL ? 0 : OBX_MAX_HEADERS);
    struct outbox_header *headers = room ? obx_arena_alloc(arena, room * sizeof *headers) : NULL;
    if (room && !headers)
        return obx_error_no_memory(error); /* not covered: no memory just here */
    for (uint32_t i = 0; i < route->header_count; i++) {
        headers[count].name = route->header_names[i]; /* NOLINT(clang-analyzer-core.NullDereference): there is room */
        if (obx_template_render(&route->headers[i], row, arena, &headers[count].value))
            return obx_error_no_memory(error); /* not covered: no memory just here */
        if (!headers[count].value.data && is_column(&route->headers[i], route->event_id))
            headers[count].value = message->id;
        if (headers[count].value.data)
            count++;
    }
    if (route->position.known && put_position(route, arena, message, &headers[count++]))
        return obx_error_no_memory(error); /* not covered: no memory just here */
    if (column->type != OUTBOX_NULL) {
        struct outbox_bytes json;
        if (obx_column_text(column, arena, &json))
            return obx_error_no_memory(error);
        own = count;
        int code = obx_json_headers(json, headers, room, &count, arena, error);
        if (code)
            return code;
        count = drop_repeated(route, headers, own, count);
    }
    message->headers = headers;
    message->header_count = count;
    return OUTBOX_OK;
}

static int set_identity(struct obx_route *route, const struct outbox_value *row, struct outbox_position position,
                        struct obx_arena *arena, struct outbox_message *message)
{
    struct outbox_value number = {.as.integer = (int64_t)position.major, .type = OUTBOX_INT};
    const struct outbox_value *id = row[route->event_id].type == OUTBOX_NULL ? &number : &row[route->event_id];
    message->position = position;
    message->created_us = time_of(&row[route->created_at]);
    int code = obx_column_text(id, arena, &message->id);
    return code ? code : obx_column_text(&row[route->type], arena, &message->type);
}

/* Empty as Debezium's router has it: nothing but characters up to the blank. */
static bool is_empty(struct outbox_bytes value)
{
    const unsigned char *at = value.data, *end = at + value.size;
    while (at < end && *at <= ' ')
        at++;
    return at == end;
}

static int set_payload(struct obx_route *route, const struct outbox_value *row, struct obx_arena *arena,
                       struct outbox_message *message, struct outbox_error *error)
{
    if (obx_template_render(&route->value, row, arena, &message->value))
        return obx_error_no_memory(error); /* not covered: no memory just here */
    if (route->tombstone == OBX_TOMBSTONE_EMPTY && message->value.data && is_empty(message->value))
        message->value = (struct outbox_bytes){NULL, 0};
    if (!message->value.data && route->tombstone == OBX_TOMBSTONE_NEVER)
        return obx_error_set(error, OUTBOX_E_REJECTED,
                             "payload is null; set route.tombstone: true to publish it as a tombstone");
    if (route->value_is_json && !obx_json_valid(message->value.data, message->value.size))
        return obx_error_set(error, OUTBOX_E_REJECTED,
                             "value is no valid JSON; write ${json(column)} for a text in route.value, and "
                             "${default(column, 'null')} for JSON that may be null");
    return OUTBOX_OK;
}

static bool has_function(const struct obx_piece *piece, enum obx_function function)
{
    return !piece->literal && piece->call.function == function;
}

/* "outbox.event.${aggregatetype}" without a type would be a topic that nobody meant. */
static int check_topic(const struct obx_route *route, const struct outbox_value *row,
                       const struct outbox_message *message, struct outbox_error *error)
{
    const char *expression = NULL;
    for (uint32_t i = 0; route->topic.has_null && i < route->topic.count; i++) {
        const struct obx_piece *piece = &route->topic.pieces[i];
        bool may_be_null =
            has_function(piece, OBX_AS_IS) || has_function(piece, OBX_LOWER) || has_function(piece, OBX_MATCH);
        if (may_be_null && row[piece->column].type == OUTBOX_NULL)
            return obx_error_set(error, OUTBOX_E_REJECTED,
                                 "column '%s' is null, and the topic is made of it; check route.topic",
                                 route->columns.list[piece->column].name);
        if (has_function(piece, OBX_MATCH))
            expression = piece->call.argument.data;
    }
    if (route->topic.has_null)
        return obx_error_set(error, OUTBOX_E_REJECTED, "nothing matches '%.*s' of the topic; check route.topic",
                             OUTBOX_CUT(expression, 80));
    if (!message->topic.size)
        return obx_error_set(error, OUTBOX_E_REJECTED, "topic is empty; check route.topic and its column");
    return OUTBOX_OK;
}

int obx_route_row(struct obx_route *route, const struct outbox_value *row, struct outbox_position position,
                  struct obx_arena *arena, struct outbox_message *message, struct outbox_error *error)
{
    if (set_identity(route, row, position, arena, message) ||
        obx_template_render(&route->topic, row, arena, &message->topic) ||
        obx_template_render(&route->key, row, arena, &message->key))
        return obx_error_no_memory(error);
    if (!route->key.count)
        message->key = (struct outbox_bytes){NULL, 0};
    int code = check_topic(route, row, message, error);
    if (!code)
        code = set_payload(route, row, arena, message, error);
    if (!code)
        code = set_partition(route, row, arena, message, error);
    if (!code)
        code = set_timestamp(route, row, arena, message, error);
    if (!code)
        code = set_headers(route, row, arena, message, error);
    return code;
}

static const char *why_unreadable(const struct outbox_batch *rows, uint32_t row)
{
    bool has_reasons = OUTBOX_HAS_MEMBER(rows, unreadable) && rows->unreadable;
    return has_reasons ? rows->unreadable[row] : NULL;
}

int obx_route_claimed(struct obx_route *route, const struct outbox_batch *rows, uint32_t row, struct obx_arena *arena,
                      struct outbox_message *message, struct outbox_error *error)
{
    const struct outbox_value *values = rows->values + (size_t)row * rows->columns;
    const char *why = why_unreadable(rows, row);
    int code = obx_route_row(route, values, rows->positions[row], arena, message, error);
    if (!why || code == OUTBOX_E_NO_MEMORY)
        return code;
    return obx_error_set(error, OUTBOX_E_REJECTED, "row %llu cannot be read: %s",
                         (unsigned long long)rows->positions[row].major, why);
}

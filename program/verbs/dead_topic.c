/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/dead_topic.c - to which column a replay gives which text, so that the route gives another topic
 *
 * The topic of an event is made of its columns. So a replay to another topic sets the column that the topic is made of,
 * and the relay publishes the event like any other. Pure. Failure mode: CONFIG, the topic is not made of one column as
 * it is, or its texts before and after the column are others.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "verbs/dead_request.h"

/* The one column of the template. NULL: it has none, several, or one through a function. */
static const struct obx_piece *only_column(const struct obx_template *topic)
{
    const struct obx_piece *column = NULL;
    for (uint32_t i = 0; i < topic->count; i++) {
        const struct obx_piece *piece = &topic->pieces[i];
        if (piece->literal)
            continue;
        if (column || piece->call.function != OBX_AS_IS)
            return NULL;
        column = piece;
    }
    return column;
}

/* The literals of a range of pieces, one after the other, are at `at`. *size: their length. */
static bool has_literals(const struct obx_piece *from, const struct obx_piece *end, const char *at, size_t left,
                         size_t *size)
{
    *size = 0;
    for (; from < end; from++) {
        if (from->size > left - *size || memcmp(at + *size, from->literal, from->size) != 0)
            return false;
        *size += from->size;
    }
    return true;
}

static size_t length_of(const struct obx_piece *from, const struct obx_piece *end)
{
    size_t size = 0;
    for (; from < end; from++)
        size += from->size;
    return size;
}

int obx_dead_topic_resolve(const struct obx_route *route, const char *topic, struct obx_dead_request *request,
                           struct outbox_error *error)
{
    const struct obx_template *made = &route->topic;
    const struct obx_piece *end = made->pieces + made->count, *column = only_column(made);
    size_t size = strlen(topic), before, after;
    if (!column)
        return obx_error_set(error, OUTBOX_E_CONFIG,
                             "replay to topic '%.*s': route.topic of %s is not made of one column as it is, so no "
                             "column leads to another topic; add the events again, or change the route",
                             OUTBOX_CUT(topic, 100), request->relay);
    size_t tail = length_of(column + 1, end);
    if (!has_literals(made->pieces, column, topic, size, &before) || size <= before + tail ||
        !has_literals(column + 1, end, topic + size - tail, tail, &after))
        return obx_error_set(error, OUTBOX_E_CONFIG,
                             "replay to topic '%.*s': no text of the column %s makes route.topic of %s give it",
                             OUTBOX_CUT(topic, 100), route->columns.list[column->column].name, request->relay);
    size -= before + tail;
    if (size >= sizeof request->set_text)
        return obx_error_set(error, OUTBOX_E_CONFIG, "replay to topic '%.*s': the name is too long",
                             OUTBOX_CUT(topic, 100));
    memcpy(request->set_text, topic + before, size);
    request->set_text[size] = '\0';
    snprintf(request->set_column, sizeof request->set_column, "%.*s",
             OUTBOX_CUT(route->columns.list[column->column].name, 63));
    return OUTBOX_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* core/embed/check_topics.c - makes topics of the rows that a store reports, each once */
#include "embed/check_topics.h"

#include <string.h>

static bool is_listed(const struct obx_check_topics *topics, uint32_t count, uint32_t column)
{
    for (uint32_t i = 0; i < count; i++)
        if (topics->indexes[i] == column)
            return true;
    return false;
}

/* NULL: no memory. */
static const char *copy(struct obx_check_topics *topics, struct outbox_bytes text)
{
    char *name = obx_arena_bytes(&topics->names, text.size + 1);
    if (!name)
        return NULL;
    memcpy(name, text.data, text.size);
    name[text.size] = '\0';
    return name;
}

void obx_check_topics_open(struct obx_check_topics *topics, struct obx_route *route)
{
    const struct obx_template *topic = &route->topic;
    uint32_t count = 0;
    memset(topics, 0, sizeof *topics);
    topics->route = route;
    for (uint32_t i = 0; i < topic->count; i++) {
        const struct obx_piece *piece = &topic->pieces[i];
        if (piece->literal || is_listed(topics, count, piece->column))
            continue;
        topics->indexes[count] = piece->column;
        topics->columns[count++] = route->columns.list[piece->column].name;
    }
    struct outbox_bytes text;
    if (!count && !obx_template_render(&route->topic, NULL, &topics->names, &text) && text.size)
        topics->configured[0] = copy(topics, text);
}

void obx_check_topics_free(struct obx_check_topics *topics)
{
    obx_arena_free(&topics->names);
}

static void add(struct obx_check_topics *topics, struct outbox_bytes topic)
{
    for (uint32_t i = 0; i < topics->count; i++)
        if (strlen(topics->pending[i]) == topic.size && !memcmp(topics->pending[i], topic.data, topic.size))
            return;
    const char *name = topics->count < OBX_CHECK_TOPICS ? copy(topics, topic) : NULL;
    if (name)
        topics->pending[topics->count++] = name;
    else
        topics->more = true;
}

void obx_check_topics_row(void *arg, const struct outbox_bytes *texts)
{
    struct obx_check_topics *topics = arg;
    struct outbox_value row[OBX_MAX_COLUMNS] = {{.type = OUTBOX_NULL}};
    struct outbox_bytes topic;
    for (uint32_t i = 0; topics->columns[i]; i++)
        if (texts[i].data)
            row[topics->indexes[i]] = (struct outbox_value){
                .as = {.data = texts[i].data}, .size = (uint32_t)texts[i].size, .type = OUTBOX_TEXT};
    obx_template_forget(&topics->route->topic);
    if (obx_template_render(&topics->route->topic, row, &topics->names, &topic))
        topics->more = true;
    else if (!topic.size || topics->route->topic.has_null)
        topics->empty = true;
    else
        add(topics, topic);
}

void obx_check_topics_report(const struct obx_check_topics *topics, struct obx_check_part *part)
{
    if (topics->empty)
        obx_check_part_add(part, OUTBOX_SEVERITY_ERROR, "route topic",
                           "change route: topic:, or correct the rows whose columns are null or empty",
                           "rows wait whose topic is null or empty: the relay rejects them");
    if (topics->more)
        obx_check_part_add(part, OUTBOX_SEVERITY_WARNING, "route topic", NULL,
                           "pending rows go to more than %u topics: only these are checked", topics->count);
}

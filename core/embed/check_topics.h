/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/embed/check_topics.h - the topics that pending rows go to
 *
 * The store reports each combination of the columns that the topic's template uses; the template makes topics of them.
 */
#ifndef OBX_EMBED_CHECK_TOPICS_H
#define OBX_EMBED_CHECK_TOPICS_H

#include "embed/check_part.h"
#include "relay/route.h"

enum { OBX_CHECK_TOPICS = 200 };

struct obx_check_topics {
    struct obx_route *route;
    const char *columns[OBX_MAX_COLUMNS + 1]; /* for struct outbox_check */
    const char *configured[2];                /* the topic, if it is the same for all events; ends with NULL */
    const char *pending[OBX_CHECK_TOPICS + 1];
    uint32_t count;
    bool more;                         /* than fit */
    bool empty;                        /* a row has none */
    uint32_t indexes[OBX_MAX_COLUMNS]; /* of `columns`, in a row of the route */
    struct obx_arena names;
};

/* route: must live as long. */
void obx_check_topics_open(struct obx_check_topics *topics, struct obx_route *route);
void obx_check_topics_free(struct obx_check_topics *topics);
/* The callback of struct outbox_check; arg: struct obx_check_topics. */
void obx_check_topics_row(void *arg, const struct outbox_bytes *texts);
/* Findings that concern no broker. */
void obx_check_topics_report(const struct obx_check_topics *topics, struct obx_check_part *part);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/dead_letter_rows.c - making and freeing the rows that wait */
#include "relay/dead_letter_rows.h"

#include <outbox/plugin_util.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "relay/order.h"

#define ID_MAX 64 /* bytes of an event id in the log */

static void copy_bytes(char *to, struct outbox_bytes from)
{
    if (from.size && from.data)
        memcpy(to, from.data, from.size);
}

struct obx_dead_letter_row *obx_dead_letter_row_new(const struct obx_dead_letters *letters,
                                                    const struct outbox_message *message,
                                                    struct outbox_position position, const char *reason)
{
    const struct outbox_bytes id = {message->id.data, (size_t)outbox_cut_bytes(message->id, ID_MAX)};
    struct obx_dead_letter_row *row = obx_alloc(sizeof *row + message->topic.size + message->key.size + id.size);
    if (!row)
        return NULL;
    row->position = position;
    row->key = obx_order_key(letters->stages->context.settings.order, message, position);
    row->id_size = (uint32_t)id.size;
    row->topic_size = (uint32_t)message->topic.size;
    row->key_size = (uint32_t)message->key.size;
    row->key_is_null = !message->key.data;
    /* A server refuses what is not UTF-8, such as half a character. */
    size_t whole = obx_utf8_prefix(reason, strnlen(reason, sizeof row->reason - 1));
    snprintf(row->reason, sizeof row->reason, "%.*s", (int)whole, reason);
    copy_bytes(row->bytes, message->topic);
    copy_bytes(row->bytes + message->topic.size, message->key);
    copy_bytes(row->bytes + message->topic.size + message->key.size, id);
    return row;
}

void obx_dead_letter_rows_drop(struct obx_list *list, uint32_t *count)
{
    for (struct obx_list *link; (link = obx_list_pop(list)); --*count)
        obx_free(OBX_CONTAINER(link, struct obx_dead_letter_row, link));
}

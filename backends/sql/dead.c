/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/dead.c - dead letters in every SQL store */
#include "sql/dead.h"

#include <outbox/plugin_util.h>
#include <string.h>

int obx_sql_dead_parts(const struct outbox_dead *dead)
{
    return dead->action == OUTBOX_DEAD_KEYS ? OBX_SQL_KEY + 1 : OBX_SQL_PARTS;
}

int obx_sql_dead_page(const struct outbox_dead *dead)
{
    return dead->action == OUTBOX_DEAD_KEYS ? OBX_SQL_KEYS_PAGE : OBX_SQL_LETTERS_PAGE;
}

struct outbox_bytes *obx_sql_letter_part(struct outbox_dead_letter *letter, int part)
{
    struct outbox_bytes *const parts[OBX_SQL_PARTS] = {
        [OBX_SQL_TOPIC] = &letter->topic,
        [OBX_SQL_KEY] = &letter->key,
        [OBX_SQL_REASON] = &letter->reason,
        [OBX_SQL_EVENT_ID] = &letter->event.event_id,
        [OBX_SQL_AGGREGATE_TYPE] = &letter->event.aggregate_type,
        [OBX_SQL_AGGREGATE_ID] = &letter->event.aggregate_id,
        [OBX_SQL_TYPE] = &letter->event.type,
        [OBX_SQL_PAYLOAD] = &letter->event.payload,
        [OBX_SQL_HEADERS] = &letter->event.headers,
    };
    return parts[part];
}

const char *obx_sql_dead_what(const struct outbox_dead *dead)
{
    static const char *const what[] = {"list dead letters", "show dead letters", "replay dead letters",
                                       "drop dead letters", "list the keys of dead letters"};
    return what[dead->action];
}

int obx_sql_dead_validate(const struct outbox_dead *dead, bool table_exists, const char *table_name,
                          struct outbox_error *error)
{
    if (dead->action > OUTBOX_DEAD_KEYS)
        return outbox_error_set(error, OUTBOX_E_UNSUPPORTED, "dead letters: action %u is not known", dead->action);
    if (!table_exists)
        return outbox_error_set(error, OUTBOX_E_NOT_FOUND,
                                "dead letters of %s: there is no such outbox; run 'outbox init'", table_name);
    error->code = OUTBOX_OK;
    return OUTBOX_OK;
}

const char *obx_sql_dead_set_column(const struct outbox_dead *dead)
{
    return OUTBOX_HAS_MEMBER(dead, set_text) ? dead->set_column : NULL;
}

struct outbox_bytes obx_sql_dead_topic(const struct outbox_dead_row *row)
{
    const unsigned char *at = row->topic.data;
    for (size_t i = 0; at && i < row->topic.size; i++)
        if (at[i] == 0 || at[i] >= 0x80)
            return (struct outbox_bytes){"?", 1};
    return row->topic;
}

struct outbox_bytes obx_sql_dead_reason(const struct outbox_dead_row *row)
{
    const char *reason = row->reason ? row->reason : "";
    return (struct outbox_bytes){reason, strlen(reason)};
}

/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/dead.h - dead letters in every SQL store: their parts, in the order of a query, and their pages */
#ifndef OBX_BACKENDS_SQL_DEAD_H
#define OBX_BACKENDS_SQL_DEAD_H

#include <outbox/plugin.h>

/* What a query for letters selects, in this order; one for their keys only the first three. */
enum obx_sql_part {
    OBX_SQL_NUMBER,
    OBX_SQL_TOPIC,
    OBX_SQL_KEY,
    OBX_SQL_REASON,
    OBX_SQL_ATTEMPTS,
    OBX_SQL_DIED_AT,
    OBX_SQL_EVENT_ID,
    OBX_SQL_AGGREGATE_TYPE,
    OBX_SQL_AGGREGATE_ID,
    OBX_SQL_TYPE,
    OBX_SQL_PAYLOAD,
    OBX_SQL_HEADERS,
    OBX_SQL_PARTS
};

/* Rows of a page, from a server: letters may be large, keys are not. */
enum { OBX_SQL_LETTERS_PAGE = 100, OBX_SQL_KEYS_PAGE = 5000 };

/* How many parts, and how many rows, the action reads. */
int obx_sql_dead_parts(const struct outbox_dead *dead);
int obx_sql_dead_page(const struct outbox_dead *dead);

/* The part of a letter that is bytes; NULL for those that are numbers. */
struct outbox_bytes *obx_sql_letter_part(struct outbox_dead_letter *letter, int part);

/* What the action does, for errors: "list dead letters". */
const char *obx_sql_dead_what(const struct outbox_dead *dead);
/* OUTBOX_OK if the action is known, and its outbox there. */
int obx_sql_dead_validate(const struct outbox_dead *dead, bool table_exists, const char *table_name,
                          struct outbox_error *error);

/* The column that a replay sets; NULL: none, also for an older host. */
const char *obx_sql_dead_set_column(const struct outbox_dead *dead);

/* The topic of a dead letter, for a column of text; "?" for a topic that is not ASCII, which no broker accepts. */
struct outbox_bytes obx_sql_dead_topic(const struct outbox_dead_row *row);
struct outbox_bytes obx_sql_dead_reason(const struct outbox_dead_row *row); /* never null */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/event.h - an event as the columns that it is inserted into */
#ifndef OBX_BACKENDS_SQL_EVENT_H
#define OBX_BACKENDS_SQL_EVENT_H

#include "sql/columns.h"

/* The columns that an added event can fill: all of obx_sql_columns but the last, created_at. */
enum { OBX_SQL_FIELD_ID, OBX_SQL_FIELD_HEADERS = 5, OBX_SQL_FIELDS };
struct outbox_bytes obx_sql_field(const struct outbox_event *event, int index);

/* Checks the required values of each event. OUTBOX_OK, or INVALID. */
int obx_sql_add_validate(const struct outbox_add *add, struct outbox_error *error);
/* The table needs a column for this one; an id and headers may be left out. */
bool obx_sql_field_required(int index);

#endif

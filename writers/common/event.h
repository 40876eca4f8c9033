/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/common/event.h - an event as the columns of an INSERT, and what every writer library checks before it
 *
 *     writers/common     events; knows no database                              this folder
 *     writers/NAME       the library: outbox_NAME_add(), one INSERT             sees writers/common and:
 *     backends/NAME/common   errors and values of the client library            seen by the store NAME, too
 *
 * Nothing here allocates or keeps state.
 */
#ifndef OBX_WRITERS_COMMON_EVENT_H
#define OBX_WRITERS_COMMON_EVENT_H

#include <stdbool.h>

#include <outbox/error.h>
#include <outbox/event.h>

enum obx_event_column {
    EVENT_ID,
    EVENT_AGGREGATE_TYPE,
    EVENT_AGGREGATE_ID,
    EVENT_TYPE,
    EVENT_PAYLOAD,
    EVENT_HEADERS,
    EVENT_COLUMNS
};
extern const char *const obx_event_columns[EVENT_COLUMNS]; /* their names in the table */

struct outbox_bytes obx_event_value(const struct outbox_event *event, int column);
/* Is the column part of the INSERT? A column without a value gets its default, except that a null payload is inserted
 * as NULL.
 */
bool obx_event_has(const struct outbox_event *event, int column);

/* OUTBOX_OK, or INVALID: the event is NULL, its struct_size too small, a required value missing, or its headers are not
 * a JSON object. what: begins the error text, "add an event to shop.outbox". error may be NULL. */
int obx_event_check(const struct outbox_event *event, const char *what, struct outbox_error *error);

/* "add an event to TABLE", cut where it is long. */
struct obx_event_what {
    char text[96];
};
struct obx_event_what obx_event_what(const char *table);
/* The same of one of many events; the first is 0. */
struct obx_event_what obx_event_what_of(const char *table, uint32_t index);

#endif

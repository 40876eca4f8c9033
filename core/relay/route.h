/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/route.h - from rows to messages: topic, key, value, headers, partition, timestamp
 *
 * Compiled when the relay is made, so that a bad template is a configuration error with a place. With the defaults
 * a row becomes what Debezium's outbox event router makes of it.
 */
#ifndef OBX_RELAY_ROUTE_H
#define OBX_RELAY_ROUTE_H

#include "config/config.h"
#include "relay/position_text.h"
#include "relay/settings.h"
#include "relay/template.h"

#define OBX_MAX_HEADERS 32

struct obx_route {
    struct obx_columns columns; /* what the store is started with */
    struct obx_template topic, key, value, partition, timestamp;
    struct obx_template headers[OBX_MAX_HEADERS];
    struct outbox_bytes header_names[OBX_MAX_HEADERS + 1]; /* and that of the position, if it is on */
    uint32_t header_count;
    struct obx_position_text position;
    const struct outbox_bytes *left_out; /* of header_names: a row has had it as well; NULL: none has */
    enum obx_tombstone tombstone;
    bool value_is_json; /* by its template: each value is checked */
    uint32_t event_id, type, created_at, headers_column;
};

/* ---- route_compile.c --------------------------------------------------------------------------------------------- */

/* section: `route:`, for the places of errors. The settings must outlive the route. */
int obx_route_compile(const struct obx_route_settings *settings, const struct obx_section *section,
                      struct obx_route *route, struct outbox_error *error);
void obx_route_free(struct obx_route *route);
/* Before the first row of an arena generation. */
void obx_route_forget(struct obx_route *route);

/* ---- route.c ----------------------------------------------------------------------------------------------------- */

/* A number from 0 to max, of digits only. */
bool obx_route_number(struct outbox_bytes text, int64_t max, int64_t *number);
#define OBX_NO_PARTITION " is not a number from 0 to 2147483647"

/* created_at of a claimed row, microseconds since 1970; INT64_MIN: unknown. */
int64_t obx_route_created_us(const struct obx_route *route, const struct outbox_batch *rows, uint32_t row);

/* One row to one message that borrows from the row and the arena. OUTBOX_OK; NO_MEMORY; or REJECTED: this row can never
 * be a message, error has the reason. position names an event that has no id of its own. */
int obx_route_row(struct obx_route *route, const struct outbox_value *row, struct outbox_position position,
                  struct obx_arena *arena, struct outbox_message *message, struct outbox_error *error);
/* Likewise, of a claimed row. A row that the store could not read as a whole is REJECTED. Its message has what can be
 * read: if the columns of its key can, the event blocks its key like any other. */
int obx_route_claimed(struct obx_route *route, const struct outbox_batch *rows, uint32_t row, struct obx_arena *arena,
                      struct outbox_message *message, struct outbox_error *error);

#endif

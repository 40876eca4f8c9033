/* SPDX-License-Identifier: Apache-2.0 */
/* core/relay/settings.h - the typed settings of one relay: relays.NAME without its store and broker sections */
#ifndef OBX_RELAY_SETTINGS_H
#define OBX_RELAY_SETTINGS_H

#include "config/config.h"

enum obx_order { OBX_ORDER_KEY, OBX_ORDER_GLOBAL, OBX_ORDER_NONE }; /* the numbers of enum outbox_order */
enum obx_delivery { OBX_AT_LEAST_ONCE, OBX_EXACTLY_ONCE };
enum obx_on_reject { OBX_BLOCK_KEY, OBX_PARK, OBX_PARK_KEY, OBX_STOP };

enum obx_tombstone { OBX_TOMBSTONE_NULL, OBX_TOMBSTONE_NEVER, OBX_TOMBSTONE_EMPTY };

struct obx_route_settings {
    const char *topic;
    const char *key;
    const char *value;
    const char *partition;
    const char *timestamp;
    struct outbox_map headers;
    int64_t tombstone; /* enum obx_tombstone: which values are published as null */
    bool position;     /* a header with the position, for consumers */
};

struct obx_relay_settings {
    int64_t order;               /* enum obx_order */
    int64_t delivery;            /* enum obx_delivery */
    int64_t on_reject;           /* enum obx_on_reject */
    int64_t claim_rows;          /* rows of one claim */
    int64_t max_in_flight_bytes; /* bytes of events in flight */
    int64_t max_blocked_events;  /* maximum events that wait for blocked keys */
    int64_t max_attempts;        /* of an event, before on_reject applies */
    int64_t retry_min_ms, retry_max_ms;
    int64_t poll_interval_max_ms; /* longest pause between polls of an idle outbox without a wake-up */
    int64_t lease_ms;
    int64_t standby_poll_interval_ms; /* between attempts to become the owner */
    int64_t store_timeout_ms;         /* of one operation of the store */
    int64_t stop_timeout_ms;          /* SIGTERM to exit */
    struct obx_route_settings route;
};

/* The tables, for parsing and for the generated reference. */
extern const struct outbox_option obx_relay_options[];
extern const uint32_t obx_relay_option_count;
extern const struct outbox_option obx_route_options[];
extern const uint32_t obx_route_option_count;

/* The name becomes a label of metrics, part of connection names at servers and brokers, and a line of the status. It is
 * never cut. section: relays.NAME, for the location of the error. */
#define OBX_RELAY_NAME_MAX 63 /* bytes */
int obx_relay_check_name(const struct obx_section *section, const char *name, struct outbox_error *error);

/* relays.NAME: checks its keys (store, broker, route and the table's). */
int obx_relay_settings_parse(const struct obx_section *section, struct obx_relay_settings *settings,
                             struct outbox_error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* program/verbs/health.h - is a relay healthy? For `outbox status --check`. Pure, so that it is tested without servers
 */
#ifndef OBX_PROGRAM_VERBS_HEALTH_H
#define OBX_PROGRAM_VERBS_HEALTH_H

#include <jansson.h>
#include <outbox/plugin.h>

#include "cli/exit_code.h"

struct obx_health {
    const char *relay;
    const struct outbox_store_status *store;
    double oldest_seconds;      /* age of the first row; 0: the outbox is empty, or its rows have no time */
    double max_age_seconds;     /* 0: any age is healthy */
    bool has_service;           /* service.listen is set */
    const char *service_error;  /* the service does not respond; "": it does */
    const json_t *service_view; /* /status of the relay; NULL: none */
};

/* Append a text for each problem to an array. Returns the most important exit code: DATA if an event waits for people
 * (blocked keys, dead letters, halted), UNAVAILABLE if nothing is relayed or the oldest event is too old, else OK. */
enum obx_exit obx_health_check(const struct obx_health *health, json_t *problems);

#endif

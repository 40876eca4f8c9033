/* SPDX-License-Identifier: Apache-2.0 */
/* program/verbs/health.c - the problems of one relay, and the exit code that they make */
#include "verbs/health.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/escape.h"
#include "cli/json_fields.h"

struct findings {
    json_t *problems;
    enum obx_exit code;
};

static void find(struct findings *findings, enum obx_exit code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void find(struct findings *findings, enum obx_exit code, const char *format, ...)
{
    char text[OUTBOX_ERROR_TEXT_SIZE + 128];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    json_array_append_new(findings->problems, obx_escape_json(text));
    findings->code = obx_exit_worse(findings->code, code);
}

static void check_state(struct findings *findings, const json_t *view)
{
    const char *state = obx_json_text(view, "state"), *why = obx_json_text(view, "last_error");
    json_int_t keys = obx_json_number(view, "blocked_keys");
    json_int_t events = obx_json_number(view, "blocked_events");
    bool waits_for_people = !strcmp(state, "halted") || !strcmp(state, "paused");
    if (strcmp(state, "relaying") && strcmp(state, "standby"))
        find(findings, waits_for_people ? OBX_EXIT_DATA : OBX_EXIT_UNAVAILABLE, "the relay is %s%s%s", state,
             *why ? ": " : "", why);
    if (*obx_json_text(view, "late_since"))
        find(findings, OBX_EXIT_UNAVAILABLE, "the relay is late, since %s: the oldest event has waited %.1f s",
             obx_json_text(view, "late_since"), json_number_value(json_object_get(view, "late_age_seconds")));
    if (keys)
        find(findings, OBX_EXIT_DATA,
             "%" JSON_INTEGER_FORMAT " keys are blocked, and %" JSON_INTEGER_FORMAT " events wait", keys, events);
}

static void check_service(struct findings *findings, const struct obx_health *health)
{
    if (!health->has_service)
        return;
    if (health->service_error[0])
        find(findings, OBX_EXIT_UNAVAILABLE, "the service does not respond: %s", health->service_error);
    else if (!health->service_view)
        find(findings, OBX_EXIT_UNAVAILABLE, "the running service has no relay '%s'; reload it (SIGHUP)",
             health->relay);
    else
        check_state(findings, health->service_view);
}

static void check_store(struct findings *findings, const struct obx_health *health)
{
    const struct outbox_store_status *store = health->store;
    if (!store->owner[0])
        find(findings, OBX_EXIT_UNAVAILABLE, "no relay owns the outbox: start outbox run");
    if (store->dead > 0)
        find(findings, OBX_EXIT_DATA, "%" PRId64 " dead letters wait; see outbox dead list", store->dead);
    if (health->max_age_seconds > 0 && health->oldest_seconds > health->max_age_seconds)
        find(findings, OBX_EXIT_UNAVAILABLE, "the oldest event has waited %.1f s", health->oldest_seconds);
}

enum obx_exit obx_health_check(const struct obx_health *health, json_t *problems)
{
    struct findings findings = {problems, OBX_EXIT_OK};
    check_service(&findings, health);
    check_store(&findings, health);
    return findings.code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/program/health_test.c - what `outbox status --check` finds, and its exit codes */
#include <criterion/criterion.h>

#include "verbs/health.h"

static const struct outbox_store_status owned = {
    .struct_size = sizeof owned, .pending = 2, .oldest_us = 1, .dead = 0, .owner = "orders at host, pid 7"};

/* The view is JSON; NULL: none. Returns the exit code; text: all problems, one a line. */
static enum obx_exit check(struct obx_health health, const char *view, char *text, size_t size)
{
    json_t *service = view ? json_loads(view, 0, NULL) : NULL, *problems = json_array();
    size_t index, used = 0;
    const json_t *problem;
    health.relay = "orders";
    health.service_error = health.service_error ? health.service_error : "";
    health.service_view = service;
    enum obx_exit code = obx_health_check(&health, problems);
    text[0] = '\0';
    json_array_foreach(problems, index, problem) used +=
        (size_t)snprintf(text + used, size - used, "%s\n", json_string_value(problem));
    json_decref(service);
    json_decref(problems);
    return code;
}

#define EXPECT(health, view, wanted_code, wanted_text)                        \
    do {                                                                      \
        char text[1024];                                                      \
        enum obx_exit code = check(health, view, text, sizeof text);          \
        cr_expect_eq((int)code, wanted_code, "exit code %d: %s", code, text); \
        cr_expect_str_eq(text, wanted_text);                                  \
    } while (0)

Test(health, relaying_and_standby_relays_are_healthy)
{
    const struct obx_health health = {.store = &owned, .has_service = true};
    EXPECT(health, "{\"state\":\"relaying\",\"blocked_keys\":0}", 0, "");
    EXPECT(health, "{\"state\":\"standby\",\"blocked_keys\":0}", 0, "");
    EXPECT(((struct obx_health){.store = &owned}), NULL, 0, "");
}

Test(health, relay_that_relays_nothing_is_unavailable)
{
    const struct obx_health health = {.store = &owned, .has_service = true};
    EXPECT(health, "{\"state\":\"connecting\",\"last_error\":\"broker: refused\"}", 69,
           "the relay is connecting: broker: refused\n");
    EXPECT(health, "{\"state\":\"recovering\",\"last_error\":\"\"}", 69, "the relay is recovering\n");
    EXPECT(health, NULL, 69, "the running service has no relay 'orders'; reload it (SIGHUP)\n");
    EXPECT(((struct obx_health){.store = &owned, .has_service = true, .service_error = "refused"}), NULL, 69,
           "the service does not respond: refused\n");
}

Test(health, late_relay_is_unavailable)
{
    const struct obx_health health = {.store = &owned, .has_service = true};
    EXPECT(health,
           "{\"state\":\"relaying\",\"late_since\":\"2026-11-29T20:15:00.000000Z\",\"late_age_seconds\":312.04}", 69,
           "the relay is late, since 2026-11-29T20:15:00.000000Z: the oldest event has waited 312.0 s\n");
    EXPECT(health, "{\"state\":\"relaying\",\"late_since\":null,\"late_age_seconds\":0.0}", 0, "");
}

Test(health, events_that_wait_for_people_are_bad_data)
{
    const struct outbox_store_status dead = {.struct_size = sizeof dead, .dead = 3, .owner = "r at h, pid 1"};
    const struct obx_health health = {.store = &owned, .has_service = true};
    EXPECT(health, "{\"state\":\"halted\",\"last_error\":\"event 2 cannot be published\"}", 65,
           "the relay is halted: event 2 cannot be published\n");
    EXPECT(health, "{\"state\":\"relaying\",\"blocked_keys\":2,\"blocked_events\":9}", 65,
           "2 keys are blocked, and 9 events wait\n");
    EXPECT(((struct obx_health){.store = &dead}), NULL, 65, "3 dead letters wait; see outbox dead list\n");
    EXPECT(health, "{\"state\":\"recovering\",\"blocked_keys\":1,\"blocked_events\":1}", 65,
           "the relay is recovering\n1 keys are blocked, and 1 events wait\n");
}

Test(health, outbox_without_an_owner_or_with_old_events_is_unavailable)
{
    const struct outbox_store_status unowned = {.struct_size = sizeof unowned, .pending = 1, .dead = -1};
    EXPECT(((struct obx_health){.store = &unowned}), NULL, 69, "no relay owns the outbox: start outbox run\n");
    struct obx_health late = {.store = &owned, .oldest_seconds = 61.25, .max_age_seconds = 60};
    EXPECT(late, NULL, 69, "the oldest event has waited 61.2 s\n");
    late.max_age_seconds = 62;
    EXPECT(late, NULL, 0, "");
    late.max_age_seconds = 0;
    EXPECT(late, NULL, 0, "");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* core/embed/oneshot.c - runs the loop until the operation in flight is complete */
#include "embed/oneshot.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "loop/uv_loop.h"
#include "plugin/registry.h"

/* ---- open -------------------------------------------------------------------------------------------------------- */

static int open_section(struct obx_oneshot *oneshot, const struct obx_relay_setup *relay,
                        const struct obx_section *section, bool exactly_once, enum outbox_kind kind,
                        uint32_t timeout_ms, struct outbox_error *error)
{
    const struct obx_instance_setup setup = {.loop = relay->loop,
                                             .registry = relay->registry,
                                             .log = relay->log,
                                             .relay = relay->name,
                                             .exactly_once = exactly_once,
                                             .section = section};
    *oneshot = (struct obx_oneshot){.loop = relay->loop, .timeout_ms = timeout_ms};
    return obx_instance_new(&setup, kind, &oneshot->instance, error);
}

int obx_oneshot_open_section(struct obx_oneshot *oneshot, const struct obx_relay_setup *relay,
                             const struct obx_section *section, enum outbox_kind kind, uint32_t timeout_ms,
                             struct outbox_error *error)
{
    return open_section(oneshot, relay, section, false, kind, timeout_ms, error);
}

int obx_oneshot_open_part(struct obx_oneshot *oneshot, const struct obx_relay_setup *relay, enum outbox_kind kind,
                          uint32_t timeout_ms, struct outbox_error *error)
{
    struct obx_relay_settings settings = {0};
    const struct obx_section *section;
    int status = obx_relay_settings_parse(relay->section, &settings, error);
    if (!status)
        status = obx_section_child(relay->section, obx_kind_name(kind), &section, error);
    if (status)
        return status;
    return open_section(oneshot, relay, section, settings.delivery == OBX_EXACTLY_ONCE, kind, timeout_ms, error);
}

int obx_oneshot_route(const struct obx_section *relay, struct obx_relay_settings *settings, struct obx_route *route,
                      struct outbox_error *error)
{
    const struct obx_section *section;
    int status = obx_relay_settings_parse(relay, settings, error);
    if (!status)
        status = obx_section_child(relay, "route", &section, error);
    return status ? status : obx_route_compile(&settings->route, section, route, error);
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static void on_done(struct obx_call *call, const struct outbox_error *error)
{
    struct obx_oneshot *oneshot = OBX_CONTAINER(call, struct obx_oneshot, call);
    oneshot->result = *error;
    oneshot->done = true;
}

struct obx_call *obx_oneshot_call(struct obx_oneshot *oneshot)
{
    oneshot->done = false;
    oneshot->call = (struct obx_call){.done = on_done};
    return &oneshot->call;
}

int obx_oneshot_wait(struct obx_oneshot *oneshot, struct outbox_error *error)
{
    while (!oneshot->done)
        if (!obx_uv_loop_turn(oneshot->loop) && !oneshot->done)
            return obx_error_set(error, OUTBOX_E_BUG, "wait for %s: the event loop ended before the operation did",
                                 obx_instance_name(oneshot->instance));
    if (oneshot->result.code)
        *error = oneshot->result;
    return oneshot->result.code;
}

static void on_wake(struct obx_timer *timer)
{
    (void)timer; /* it only ends a turn of the loop */
}

void obx_oneshot_sleep_until(struct obx_oneshot *oneshot, uint64_t until)
{
    struct obx_loop *loop = oneshot->loop;
    struct obx_timer timer = {.fire = on_wake};
    for (uint64_t now; (now = obx_loop_now(loop)) < until;) {
        loop->ops->timer_set(loop, &timer, until - now);
        obx_uv_loop_turn(loop);
    }
    loop->ops->timer_clear(loop, &timer);
}

static int finish_start(struct obx_oneshot *oneshot, struct outbox_error *error)
{
    int status = obx_oneshot_wait(oneshot, error);
    oneshot->started = true; /* a failed start needs a stop, too */
    return status;
}

int obx_oneshot_start(struct obx_oneshot *oneshot, enum outbox_kind kind, struct outbox_error *error)
{
    /* without columns nothing can be claimed, so the table need not exist yet */
    const struct outbox_store_start start = {.struct_size = sizeof start};
    if (kind == OUTBOX_STORE)
        obx_store_start(oneshot->instance, obx_oneshot_call(oneshot), oneshot->timeout_ms, &start);
    else
        obx_broker_start(oneshot->instance, obx_oneshot_call(oneshot), oneshot->timeout_ms, &obx_no_outbox);
    return finish_start(oneshot, error);
}

int obx_oneshot_start_probe(struct obx_oneshot *oneshot, struct outbox_error *error)
{
    obx_broker_start_to_probe(oneshot->instance, obx_oneshot_call(oneshot), oneshot->timeout_ms);
    return finish_start(oneshot, error);
}

int obx_oneshot_start_columns(struct obx_oneshot *oneshot, const struct obx_columns *columns,
                              struct outbox_error *error)
{
    const struct outbox_store_start start = {
        .struct_size = sizeof start, .column_count = columns->count, .columns = columns->list};
    obx_store_start(oneshot->instance, obx_oneshot_call(oneshot), oneshot->timeout_ms, &start);
    return finish_start(oneshot, error);
}

int obx_oneshot_set_up(struct obx_oneshot *oneshot,
                       void (*setup)(struct obx_instance *store, struct obx_call *call, uint32_t timeout_ms),
                       struct outbox_error *error)
{
    int started = obx_oneshot_start(oneshot, OUTBOX_STORE, error);
    if (started && started != OUTBOX_E_NOT_FOUND && started != OUTBOX_E_SCHEMA) /* setup corrects these */
        return started;
    const struct outbox_error reason = started ? *error : (struct outbox_error){0};
    setup(oneshot->instance, obx_oneshot_call(oneshot), 0);
    int status = obx_oneshot_wait(oneshot, error);
    if (status == OUTBOX_E_NOT_CONNECTED && started) { /* the database itself is missing, not a table */
        *error = reason;
        return started;
    }
    return status;
}

void obx_oneshot_close(struct obx_oneshot *oneshot)
{
    struct outbox_error ignored;
    if (oneshot->instance && oneshot->started) {
        obx_instance_stop(oneshot->instance, obx_oneshot_call(oneshot), oneshot->timeout_ms);
        obx_oneshot_wait(oneshot, &ignored);
    }
    obx_instance_free(oneshot->instance);
    memset(oneshot, 0, sizeof *oneshot);
}

int obx_oneshot_require(const struct obx_oneshot *oneshot, uint64_t caps, const char *what, struct outbox_error *error)
{
    if ((obx_instance_caps(oneshot->instance) & caps) == caps)
        return OUTBOX_OK;
    return obx_error_set(error, OUTBOX_E_UNSUPPORTED, "%s: the store plugin '%s' does not support it", what,
                         obx_instance_name(oneshot->instance));
}

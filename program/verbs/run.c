/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/run.c - outbox run: relay until SIGTERM or SIGINT
 *
 * SIGHUP reads the configuration again; a bad one is told and changes nothing. A first SIGTERM stops within the
 * deadline of each relay, a second one at once. Backends that are down never end the program.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "loop/uv_loop.h"
#include "cli/exit_code.h"
#include "daemon/relay_set.h"
#include "http/http.h"
#include "daemon/notify.h"
#include "daemon/signals.h"
#include "daemon/trim_memory.h"

#define SAMPLE_NS (5000 * OBX_MS)
#define IDLE_NS (2000 * OBX_MS)

struct service {
    struct obx_app app;
    struct obx_relay_set *group;
    struct obx_snapshots *snapshots;
    struct obx_http *http;
    struct obx_timer sample;
    struct obx_timer watchdog;
    struct obx_timer idle;
    struct obx_work slim;
    uint64_t watchdog_ns;
    char listen[300]; /* where it does, as it was configured at the start; "" nowhere */
    bool stopping, stopped;
    bool slimming; /* a worker has `slim` */
};

/* ---- signals ---- */

static void on_terminate(void *arg, int signum)
{
    struct service *service = arg;
    bool again = service->stopping;
    service->stopping = true;
    obx_log_write(service->app.log, OUTBOX_LOG_INFO, "service", again ? "%s again: stopping at once" : "%s: stopping",
                  signum == SIGINT ? "SIGINT" : "SIGTERM");
    obx_notify("STOPPING=1\nSTATUS=stopping");
    OBX_FAILPOINT(stop, begin);
    obx_relay_set_stop(service->group, again);
}

static int reload(struct service *service, struct outbox_error *error)
{
    OBX_FAILPOINT(reload, begin);
    int status = obx_app_reload(&service->app, error);
    OBX_FAILPOINT(reload, config_read);
    if (!status)
        status = obx_relay_set_reload(service->group, error);
    if (!status)
        obx_logger_set(service->app.logger, (enum outbox_log_level)service->app.settings.log_level,
                       (enum obx_log_format)service->app.settings.log_format);
    return status;
}

/* The listener is opened once: what a reload cannot do is said. */
static void mind_listen(const struct service *service)
{
    const char *listen = service->app.settings.listen ? service->app.settings.listen : "";
    if (strncmp(listen, service->listen, sizeof service->listen - 1) != 0)
        obx_log_write(service->app.log, OUTBOX_LOG_WARN, "service",
                      "SIGHUP: service.listen is '%s' now; that needs a restart, until then it is '%s'", listen,
                      service->listen);
}

static void on_reload(void *arg, int signum)
{
    struct service *service = arg;
    struct outbox_error error;
    (void)signum;
    if (service->stopping)
        return;
    obx_notify_reloading();
    if (reload(service, &error)) {
        obx_log_write(service->app.log, OUTBOX_LOG_ERROR, "service", "SIGHUP: keeping the old configuration: %s",
                      error.text);
    } else {
        obx_log_write(service->app.log, OUTBOX_LOG_INFO, "service", "SIGHUP: %s was read again", service->app.path);
        mind_listen(service);
    }
    obx_notify("READY=1");
}

/* ---- timers ---- */

static void on_sample(struct obx_timer *timer)
{
    struct service *service = OBX_CONTAINER(timer, struct service, sample);
    obx_relay_set_sample(service->group);
    service->app.loop->ops->timer_set(service->app.loop, timer, SAMPLE_NS);
}

static void on_watchdog(struct obx_timer *timer)
{
    struct service *service = OBX_CONTAINER(timer, struct service, watchdog);
    obx_notify("WATCHDOG=1");
    service->app.loop->ops->timer_set(service->app.loop, timer, service->watchdog_ns);
}

static void end_when_all_is_done(struct service *service)
{
    if (service->stopped && !service->slimming)
        obx_uv_loop_stop(service->app.loop);
}

static void slim(struct obx_work *work)
{
    (void)work;
    obx_trim_memory();
}

static void slimmed(struct obx_work *work)
{
    struct service *service = OBX_CONTAINER(work, struct service, slim);
    service->slimming = false;
    end_when_all_is_done(service);
}

static void on_idle(struct obx_timer *timer)
{
    struct service *service = OBX_CONTAINER(timer, struct service, idle);
    struct obx_loop *loop = service->app.loop;
    if (service->stopping || service->slimming)
        return;
    service->slim = (struct obx_work){.work = slim, .done = slimmed};
    service->slimming = !loop->ops->offload(loop, &service->slim);
}

static void start_timers(struct service *service)
{
    struct obx_loop *loop = service->app.loop;
    service->sample.fire = on_sample;
    service->watchdog.fire = on_watchdog;
    service->idle.fire = on_idle;
    service->watchdog_ns = obx_notify_watchdog_ns();
    loop->ops->timer_set(loop, &service->sample, SAMPLE_NS);
    if (service->watchdog_ns)
        loop->ops->timer_set(loop, &service->watchdog, service->watchdog_ns);
}

/* ---- the relays ---- */

static void count_relaying(void *arg, const struct obx_member_info *info)
{
    uint32_t *counts = arg;
    counts[0]++;
    counts[1] += info->state == OUTBOX_STATE_RELAYING;
}

/* Also when an outbox is empty after events, so under load the idle time begins again and again. */
static void on_changed(void *arg)
{
    struct service *service = arg;
    struct obx_loop *loop = service->app.loop;
    uint32_t counts[2] = {0};
    char text[64];
    if (!service->group || service->stopping)
        return;
    obx_relay_set_each(service->group, count_relaying, counts);
    snprintf(text, sizeof text, "STATUS=%u of %u relays relaying", counts[1], counts[0]);
    obx_notify(text);
    loop->ops->timer_set(loop, &service->idle, IDLE_NS);
}

static void on_stopped(void *arg)
{
    struct service *service = arg;
    OBX_FAILPOINT(stop, done);
    obx_log_write(service->app.log, OUTBOX_LOG_INFO, "service", "stopped");
    service->stopped = true;
    end_when_all_is_done(service);
}

static int open_service(struct service *service, struct outbox_error *error)
{
    const struct obx_relay_set_events events = {on_changed, on_stopped, service};
    struct obx_app *app = &service->app;
    snprintf(service->listen, sizeof service->listen, "%s", app->settings.listen ? app->settings.listen : "");
    int status = obx_relay_set_new(app, &events, &service->group, error);
    if (!status)
        status = obx_snapshots_new(app->loop, obx_relay_set_fill, service->group, &service->snapshots, error);
    if (!status && app->settings.listen)
        status = obx_http_new(app->settings.listen, service->snapshots, app->log, &service->http, error);
    if (!status)
        start_timers(service);
    return status;
}

static void mind_signals(struct service *service, void (*terminate)(void *arg, int signum),
                         void (*again)(void *arg, int signum))
{
    struct obx_loop *loop = service->app.loop;
    obx_uv_loop_on_signal(loop, SIGTERM, terminate, service);
    obx_uv_loop_on_signal(loop, SIGINT, terminate, service);
    obx_uv_loop_on_signal(loop, SIGHUP, again, service);
}

static void serve(struct service *service)
{
    struct obx_loop *loop = service->app.loop;
    mind_signals(service, on_terminate, on_reload);
    obx_signals_serving();
    obx_log_write(service->app.log, OUTBOX_LOG_INFO, "service", "started with %s", service->app.path);
    OBX_FAILPOINT(start, relays_made);
    obx_relay_set_start(service->group);
    obx_relay_set_sample(service->group);
    obx_notify("READY=1");
    obx_uv_loop_run(loop);
    mind_signals(service, NULL, NULL);
    obx_signals_ending();
}

static void close_service(struct service *service)
{
    struct obx_loop *loop = service->app.loop;
    obx_http_free(service->http);
    obx_snapshots_free(service->snapshots);
    loop->ops->timer_clear(loop, &service->sample);
    loop->ops->timer_clear(loop, &service->watchdog);
    loop->ops->timer_clear(loop, &service->idle);
    obx_relay_set_free(service->group);
    obx_app_close(&service->app);
}

static int run(const struct obx_verb *verb, int argc, char **argv)
{
    static const struct option options[] = {OBX_ARGS_COMMON, {0}};
    struct obx_args args = {.verb = verb, .options = options, .argc = argc, .argv = argv};
    obx_args_next(&args);
    if (obx_args_end(&args))
        return args.exit;

    obx_signals_starting();
    struct service service = {0};
    struct outbox_error error = {0};
    if (obx_app_open(&service.app, &args, OBX_APP_SERVICE, &error))
        return obx_exit_report(verb->name, &error);
    OBX_FAILPOINT(start, config_read);
    int status = open_service(&service, &error);
    if (!status)
        serve(&service);
    close_service(&service);
    return status ? obx_exit_report(verb->name, &error) : OBX_EXIT_OK;
}

const struct obx_verb obx_verb_run = {
    "run", "relay until SIGTERM; SIGHUP reads the configuration again", "[-c FILE] [--relay NAME]", NULL, run, false};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/run.c - outbox run: relay until SIGTERM or SIGINT
 *
 * SIGHUP reads the configuration again; an invalid one is logged and changes nothing. The first SIGTERM stops each
 * relay within its stop_timeout, a second one stops at once. An outage of a backend never ends the program.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "cli/exit_code.h"
#include "control/control.h"
#include "daemon/notify.h"
#include "daemon/relay_set.h"
#include "daemon/signals.h"
#include "daemon/trim_memory.h"
#include "http/http.h"
#include "loop/uv_loop.h"
#include "verbs/verbs.h"

#define SAMPLE_INTERVAL_NS (5000 * OBX_MS)
#define TRIM_DELAY_NS (2000 * OBX_MS)

struct service {
    struct obx_context context;
    struct obx_relay_set *relays;
    struct obx_snapshots *snapshots;
    struct obx_http *http;
    struct obx_control_server *control;
    struct obx_timer sample_timer;
    struct obx_timer watchdog_timer;
    struct obx_timer trim_timer;
    struct obx_work trim_work;
    uint64_t watchdog_ns;
    char *listen, *hosts, *control_address; /* of service:, at the start; owned; NULL: not set */
    bool balance;                           /* likewise */
    bool reload_failed;
    double configured_at_s; /* seconds since 1970 */
    bool stopping, stopped, control_idle;
    bool trimming; /* a worker has trim_work */
};

/* ---- signals ---- */

static void on_terminate(void *arg, int signum)
{
    struct service *service = arg;
    bool again = service->stopping;
    service->stopping = true;
    obx_log_write(service->context.log, OUTBOX_LOG_INFO, "service",
                  again ? "%s again: stopping at once" : "%s: stopping", signum == SIGINT ? "SIGINT" : "SIGTERM");
    obx_notify("STOPPING=1\nSTATUS=stopping");
    OBX_FAILPOINT(stop, begin);
    obx_relay_set_stop(service->relays, again);
}

static void log_changed_log(const struct service *service, const struct obx_service_settings *before)
{
    const struct obx_service_settings *now = &service->context.settings;
    if (before->log_level != now->log_level || before->log_format != now->log_format)
        obx_log_write(service->context.log, OUTBOX_LOG_INFO, "service", "SIGHUP: service.log has changed");
}

static int reload(struct service *service, struct outbox_error *error)
{
    const struct obx_service_settings before = service->context.settings;
    OBX_FAILPOINT(reload, begin);
    int status = obx_context_reload(&service->context, error);
    OBX_FAILPOINT(reload, config_read);
    if (!status)
        status = obx_relay_set_reload(service->relays, error);
    if (status)
        return status;
    obx_logger_set(service->context.logger, (enum outbox_log_level)service->context.settings.log_level,
                   (enum obx_log_format)service->context.settings.log_format);
    log_changed_log(service, &before);
    return OUTBOX_OK;
}

static void warn_if_changed(const struct service *service, const char *option, const char *now, const char *before)
{
    now = now ? now : "";
    before = before ? before : "";
    if (strcmp(now, before) != 0)
        obx_log_write(service->context.log, OUTBOX_LOG_WARN, "service",
                      "SIGHUP: service.%s is '%s' now; restart the service to apply it, until then it is '%s'", option,
                      now, before);
}

/* Listener, control socket and balancer are made at the start only. */
static void warn_if_fixed_changed(const struct service *service)
{
    warn_if_changed(service, "listen", service->context.settings.listen, service->listen);
    warn_if_changed(service, "hosts", service->context.settings.hosts, service->hosts);
    warn_if_changed(service, "balance", service->context.settings.balance ? "true" : "false",
                    service->balance ? "true" : "false");
    warn_if_changed(service, "control", service->context.settings.control, service->control_address);
}

static void note_configured(struct service *service)
{
    service->configured_at_s = (double)service->context.loop->ops->wall(service->context.loop) / 1e6;
}

static void on_reload(void *arg, int signum)
{
    struct service *service = arg;
    struct outbox_error error;
    (void)signum;
    if (service->stopping)
        return;
    obx_notify_reloading();
    service->reload_failed = reload(service, &error);
    if (service->reload_failed) {
        obx_log_write(service->context.log, OUTBOX_LOG_ERROR, "service", "SIGHUP: keeping the old configuration: %s",
                      error.text);
    } else {
        obx_log_write(service->context.log, OUTBOX_LOG_INFO, "service", "SIGHUP: reloaded %s", service->context.path);
        note_configured(service);
        warn_if_fixed_changed(service);
    }
    obx_notify("READY=1");
}

static void handle_signals(struct service *service, void (*terminate)(void *arg, int signum),
                           void (*hangup)(void *arg, int signum))
{
    struct obx_loop *loop = service->context.loop;
    obx_uv_loop_on_signal(loop, SIGTERM, terminate, service);
    obx_uv_loop_on_signal(loop, SIGINT, terminate, service);
    obx_uv_loop_on_signal(loop, SIGHUP, hangup, service);
}

/* ---- timers ---- */

static void on_sample(struct obx_timer *timer)
{
    struct service *service = OBX_CONTAINER(timer, struct service, sample_timer);
    obx_relay_set_sample(service->relays);
    service->context.loop->ops->timer_set(service->context.loop, timer, SAMPLE_INTERVAL_NS);
}

static void on_watchdog(struct obx_timer *timer)
{
    struct service *service = OBX_CONTAINER(timer, struct service, watchdog_timer);
    obx_notify("WATCHDOG=1");
    service->context.loop->ops->timer_set(service->context.loop, timer, service->watchdog_ns);
}

static void start_timers(struct service *service)
{
    struct obx_loop *loop = service->context.loop;
    service->watchdog_ns = obx_notify_watchdog_ns();
    loop->ops->timer_set(loop, &service->sample_timer, SAMPLE_INTERVAL_NS);
    if (service->watchdog_ns)
        loop->ops->timer_set(loop, &service->watchdog_timer, service->watchdog_ns);
}

/* ---- memory ---- */

static void stop_loop_if_done(struct service *service)
{
    if (service->stopped && !service->trimming && service->control_idle)
        obx_uv_loop_stop(service->context.loop);
}

static void trim(struct obx_work *work)
{
    (void)work;
    obx_trim_memory();
}

static void on_trimmed(struct obx_work *work)
{
    struct service *service = OBX_CONTAINER(work, struct service, trim_work);
    service->trimming = false;
    stop_loop_if_done(service);
}

static void on_trim(struct obx_timer *timer)
{
    struct service *service = OBX_CONTAINER(timer, struct service, trim_timer);
    struct obx_loop *loop = service->context.loop;
    if (service->stopping || service->trimming)
        return;
    service->trim_work = (struct obx_work){.work = trim, .done = on_trimmed};
    service->trimming = !loop->ops->offload(loop, &service->trim_work);
}

/* ---- the relays ---- */

struct relay_counts {
    uint32_t all, relaying;
};

static void count_relaying(void *arg, const struct obx_relay_info *info)
{
    struct relay_counts *counts = arg;
    counts->all++;
    counts->relaying += info->state == OUTBOX_STATE_RELAYING;
}

/* Also called when an outbox becomes empty after events, so under load the delay of the trim starts again and again. */
static void on_changed(void *arg)
{
    struct service *service = arg;
    struct obx_loop *loop = service->context.loop;
    struct relay_counts counts = {0};
    char text[64];
    if (!service->relays || service->stopping)
        return;
    obx_relay_set_each(service->relays, count_relaying, &counts);
    snprintf(text, sizeof text, "STATUS=%u of %u relays relaying", counts.relaying, counts.all);
    obx_notify(text);
    loop->ops->timer_set(loop, &service->trim_timer, TRIM_DELAY_NS);
}

static void on_stopped(void *arg)
{
    struct service *service = arg;
    OBX_FAILPOINT(stop, done);
    obx_log_write(service->context.log, OUTBOX_LOG_INFO, "service", "stopped");
    service->stopped = true;
    service->control_idle = obx_control_server_close(service->control);
    stop_loop_if_done(service);
}

/* ---- operators ---- */

static void on_control(void *arg, const char *relay, const struct obx_control_request *request,
                       struct outbox_error *answer)
{
    struct service *service = arg;
    if (service->stopping)
        obx_error_set(answer, OUTBOX_E_AGAIN, "the service stops");
    else
        obx_relay_set_control(service->relays, relay, request, answer);
}

static void on_control_idle(void *arg)
{
    struct service *service = arg;
    service->control_idle = true;
    stop_loop_if_done(service);
}

/* ---- life ---- */

/* False: no memory. */
static bool keep(const char *setting, char **kept)
{
    *kept = setting ? obx_strdup(setting) : NULL;
    return !setting == !*kept;
}

/* A reload frees the settings. */
static int keep_settings(struct service *service, struct outbox_error *error)
{
    const struct obx_service_settings *settings = &service->context.settings;
    service->balance = settings->balance;
    bool kept = keep(settings->listen, &service->listen) && keep(settings->hosts, &service->hosts) &&
                keep(settings->control, &service->control_address);
    return kept ? OUTBOX_OK : obx_error_no_memory(error);
}

static int open_control(struct service *service, struct outbox_error *error)
{
    const struct obx_control_events events = {on_control, on_control_idle, service};
    if (!service->control_address)
        return OUTBOX_OK;
    return obx_control_server_new(service->control_address, service->context.loop, service->context.log, &events,
                                  &service->control, error);
}

static void fill_snapshot(void *arg, struct obx_snapshot *snapshot)
{
    const struct service *service = arg;
    obx_relay_set_fill(service->relays, snapshot);
    snapshot->reloaded = !service->reload_failed;
    snapshot->reloaded_at_s = service->configured_at_s;
}

static int open_service(struct service *service, struct outbox_error *error)
{
    const struct obx_relay_set_events events = {on_changed, on_stopped, service};
    struct obx_context *context = &service->context;
    service->sample_timer.fire = on_sample;
    service->watchdog_timer.fire = on_watchdog;
    service->trim_timer.fire = on_trim;
    note_configured(service);
    int status = keep_settings(service, error);
    if (!status)
        status = obx_relay_set_new(context, &events, &service->relays, error);
    if (!status)
        status = obx_snapshots_new(context->loop, fill_snapshot, service, &service->snapshots, error);
    if (!status)
        status = open_control(service, error);
    if (!status && service->listen)
        status = obx_http_new(service->listen, service->hosts, service->snapshots, context->log, &service->http, error);
    if (!status)
        start_timers(service);
    return status;
}

static void serve(struct service *service)
{
    handle_signals(service, on_terminate, on_reload);
    obx_signals_serving();
    obx_log_write(service->context.log, OUTBOX_LOG_INFO, "service", "started with %s", service->context.path);
    OBX_FAILPOINT(start, relays_made);
    obx_relay_set_start(service->relays);
    obx_relay_set_sample(service->relays);
    obx_notify("READY=1");
    obx_uv_loop_run(service->context.loop);
    handle_signals(service, NULL, NULL);
    obx_signals_ending();
}

static void close_service(struct service *service)
{
    struct obx_loop *loop = service->context.loop;
    obx_http_free(service->http);
    obx_control_server_close(service->control); /* after a failed start; else it is closed */
    obx_control_server_free(service->control);
    obx_snapshots_free(service->snapshots);
    loop->ops->timer_clear(loop, &service->sample_timer);
    loop->ops->timer_clear(loop, &service->watchdog_timer);
    loop->ops->timer_clear(loop, &service->trim_timer);
    obx_relay_set_free(service->relays);
    obx_context_close(&service->context);
    obx_free(service->listen);
    obx_free(service->hosts);
    obx_free(service->control_address);
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
    if (obx_context_open(&service.context, &args, OBX_CONTEXT_SERVICE, &error))
        return obx_exit_report(verb->name, &error);
    OBX_FAILPOINT(start, config_read);
    int status = open_service(&service, &error);
    if (!status)
        serve(&service);
    close_service(&service);
    return status ? obx_exit_report(verb->name, &error) : OBX_EXIT_OK;
}

const struct obx_verb obx_verb_run = {
    "run", "relay until SIGTERM; SIGHUP reloads the configuration", "[-c FILE] [--relay NAME]", NULL, run, false};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/drain.c - outbox drain: relay until the outbox is empty, then exit
 *
 * Unlike run it does not wait for what never worked: a first connection that fails, or another relay that owns the
 * outbox, ends it with the exit code that fits. Once relaying, outages are waited for. When nothing is left but events
 * that are blocked it lists them and exits 65. On a terminal a line on stderr shows how far it is.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "loop/uv_loop.h"
#include "cli/exit_code.h"
#include "daemon/relay_set.h"
#include "cli/oneshot.h"
#include "cli/escape.h"

#define LOOK_NS (50 * OBX_MS)
#define LOOKS_FOR_A_LINE 5u

struct drain {
    struct obx_app app;
    struct obx_relay_set *group;
    struct obx_timer timer; /* a connection that fails changes no state: look again and again */
    uint32_t looks;
    bool on_terminal, ending, drawn, quiet; /* quiet: nothing worked yet, and what fails first is told by us */
    enum obx_exit code;
    uint64_t began_ns;
    int64_t pending; /* when it began; -1: unknown */
    uint64_t settled, blocked, parked;
    bool all_drained;
};

/* ---- what is there to do: asked once, on connections of its own ---- */

static int64_t ask_all_pending(struct obx_app *app)
{
    struct outbox_store_status status;
    struct outbox_error ignored;
    const char *relay;
    int64_t sum = 0;
    for (uint32_t i = 0; (relay = obx_app_relay(app, i)); i++) {
        if (obx_session_status(app, relay, &status, &ignored) || status.pending < 0)
            return -1;
        sum += status.pending;
    }
    return sum;
}

/* ---- progress ---- */

static void sum_up(void *arg, const struct obx_member_info *info)
{
    struct drain *drain = arg;
    struct outbox_stats stats = {.struct_size = sizeof stats};
    obx_relay_stats(info->relay, &stats);
    drain->settled += stats.settled;
    drain->parked += stats.dead_lettered;
    drain->blocked += info->drained ? info->blocked : stats.deferred;
    drain->all_drained &= info->drained;
}

static void look(struct drain *drain)
{
    drain->settled = drain->blocked = drain->parked = 0;
    drain->all_drained = true;
    obx_relay_set_each(drain->group, sum_up, drain);
}

static double seconds_since(struct drain *drain)
{
    return (double)(obx_loop_now(drain->app.loop) - drain->began_ns) / 1e9;
}

static void draw(struct drain *drain)
{
    double seconds = seconds_since(drain);
    look(drain);
    fprintf(stderr, "\r\033[K%" PRIu64 " events, %.0f/s", drain->settled,
            seconds > 0 ? (double)drain->settled / seconds : 0.0);
    if (drain->pending > (int64_t)drain->settled)
        fprintf(stderr, ", %" PRId64 " remain", drain->pending - (int64_t)drain->settled);
    if (drain->blocked)
        fprintf(stderr, ", %" PRIu64 " blocked", drain->blocked);
    drain->drawn = true;
}

static void clear_line(struct drain *drain)
{
    if (drain->drawn)
        fputs("\r\033[K", stderr);
    drain->drawn = false;
}

/* ---- the end ---- */

static void end(struct drain *drain, enum obx_exit code)
{
    if (drain->ending)
        return;
    drain->ending = true;
    drain->code = code;
    obx_relay_set_stop(drain->group, false);
}

static void list_blocked_key(void *arg, const struct obx_blocked_key *key)
{
    fprintf(stderr, "outbox drain: %s: ", (const char *)arg);
    obx_show_text(stderr, key->topic ? key->topic : "");
    putc('/', stderr);
    obx_show_text(stderr, key->key ? key->key : "");
    fprintf(stderr, " is blocked by event %s (row %" PRIu64 ", attempts %u), %" PRIu64 " waiting: ",
            key->event_id ? key->event_id : "", key->position.major, key->attempts, key->events);
    obx_show_text(stderr, key->reason ? key->reason : "unknown");
    putc('\n', stderr);
}

static void list_blocked(void *arg, const struct obx_member_info *info)
{
    char name[64];
    (void)arg;
    snprintf(name, sizeof name, "%s", info->name);
    obx_relay_each_blocked(info->relay, list_blocked_key, name);
}

/* Once it works, outages are waited for, and the log tells of them. */
static void speak_up(struct drain *drain, bool works)
{
    if (!drain->quiet || !works)
        return;
    drain->quiet = false;
    obx_logger_set(drain->app.logger, OUTBOX_LOG_WARN, (enum obx_log_format)drain->app.settings.log_format);
}

/* The first reason to give up, if there is one. */
static void judge(void *arg, const struct obx_member_info *info)
{
    struct drain *drain = arg;
    if (drain->ending)
        return;
    speak_up(drain, info->was_relaying);
    enum obx_exit code = OBX_EXIT_OK;
    const char *why = info->failure->text, *todo = "";
    if (info->state == OUTBOX_STATE_STANDBY && !info->was_relaying) {
        code = OBX_EXIT_AGAIN;
        why = info->failure->code ? why : "another relay owns this outbox";
        todo = "; stop that relay, or let it do the work";
    } else if (info->state == OUTBOX_STATE_HALTED) {
        code = OBX_EXIT_DATA;
    } else if (!info->was_relaying && info->failure->code) {
        code = obx_exit_code(info->failure->code);
    }
    if (!code)
        return;
    clear_line(drain);
    fprintf(stderr, "outbox drain: %s: %s%s\n", info->name, why, todo);
    end(drain, code);
}

static void on_changed(void *arg)
{
    struct drain *drain = arg;
    if (drain->ending || !drain->group)
        return;
    obx_relay_set_each(drain->group, judge, drain);
    look(drain);
    if (drain->ending || !drain->all_drained)
        return;
    clear_line(drain);
    if (drain->blocked) {
        obx_relay_set_each(drain->group, list_blocked, NULL);
        end(drain, OBX_EXIT_DATA);
    } else {
        end(drain, OBX_EXIT_OK);
    }
}

static void on_timer(struct obx_timer *timer)
{
    struct drain *drain = OBX_CONTAINER(timer, struct drain, timer);
    on_changed(drain);
    if (drain->on_terminal && ++drain->looks % LOOKS_FOR_A_LINE == 0)
        draw(drain);
    drain->app.loop->ops->timer_set(drain->app.loop, timer, LOOK_NS);
}

static void on_stopped(void *arg)
{
    struct drain *drain = arg;
    obx_uv_loop_stop(drain->app.loop);
}

static void on_signal(void *arg, int signum)
{
    struct drain *drain = arg;
    (void)signum;
    if (drain->ending)
        obx_relay_set_stop(drain->group, true);
    else
        end(drain, OBX_EXIT_AGAIN);
}

static int work(struct drain *drain, struct outbox_error *error)
{
    const struct obx_relay_set_events events = {on_changed, on_stopped, drain};
    struct obx_loop *loop = drain->app.loop;
    if (drain->app.log->level == OUTBOX_LOG_WARN) {
        drain->quiet = true;
        obx_logger_set(drain->app.logger, OUTBOX_LOG_ERROR, (enum obx_log_format)drain->app.settings.log_format);
    }
    drain->pending = drain->on_terminal ? ask_all_pending(&drain->app) : -1;
    int status = obx_relay_set_new(&drain->app, &events, &drain->group, error);
    if (status)
        return status;
    obx_uv_loop_on_signal(loop, SIGTERM, on_signal, drain);
    obx_uv_loop_on_signal(loop, SIGINT, on_signal, drain);
    drain->began_ns = obx_loop_now(loop);
    drain->timer.fire = on_timer;
    loop->ops->timer_set(loop, &drain->timer, LOOK_NS);
    obx_relay_set_start(drain->group);
    obx_uv_loop_run(loop);
    loop->ops->timer_clear(loop, &drain->timer);
    clear_line(drain);
    look(drain);
    double seconds = seconds_since(drain);
    printf("relayed %" PRIu64 " events in %.1f s\n", drain->settled, seconds);
    if (drain->parked)
        printf("%" PRIu64 " went to the dead letters; see outbox dead list\n", drain->parked);
    obx_relay_set_free(drain->group);
    return OUTBOX_OK;
}

static int run(const struct obx_verb *verb, int argc, char **argv)
{
    static const struct option options[] = {OBX_ARGS_COMMON, {0}};
    struct obx_args args = {.verb = verb, .options = options, .argc = argc, .argv = argv};
    obx_args_next(&args);
    if (obx_args_end(&args))
        return args.exit;

    struct drain drain = {.on_terminal = isatty(STDERR_FILENO) == 1};
    struct outbox_error error = {0};
    if (obx_app_open(&drain.app, &args, OBX_APP_ONE_SHOT, &error))
        return obx_exit_report(verb->name, &error);
    int status = work(&drain, &error);
    obx_app_close(&drain.app);
    return status ? obx_exit_report(verb->name, &error) : drain.code;
}

const struct obx_verb obx_verb_drain = {
    "drain", "relay until the outbox is empty, then exit 0", "[-c FILE] [--relay NAME]", NULL, run, false};

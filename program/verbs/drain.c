/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/drain.c - outbox drain: relay until the outbox is empty, then exit
 *
 * Before a relay has relayed anything, a failed connection or another owner of the outbox ends the verb with the
 * fitting exit code. Afterwards the relays wait for the end of an outage, as in `outbox run`, or for --timeout.
 *
 * The verb gives up when nothing can move any more: each event that is left is behind a blocked key, and the first
 * event of that key was refused, or has failed for at least 10 s and three attempts because its topic is missing or
 * forbidden. It lists these keys and exits with 65. After 0 blocked events the rows are counted once more: rows that
 * the relay could not read are no success. On a terminal, a line on stderr shows the progress.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "cli/escape.h"
#include "cli/exit_code.h"
#include "daemon/relay_set.h"
#include "loop/uv_loop.h"
#include "verbs/drain_left.h"
#include "verbs/verbs.h"

#define POLL_NS (50 * OBX_MS)
#define POLLS_PER_PROGRESS 5u

/* Sums over all relays. */
struct totals {
    uint64_t settled, blocked, dead_lettered;
    bool all_drained;
};

struct drain {
    struct obx_context context;
    struct obx_relay_set *relays;
    struct obx_timer poll_timer; /* a failed connection changes no state, so the relays are polled */
    uint32_t polls;
    bool on_terminal;
    bool ending;         /* the relays are stopping; code is set */
    bool progress_shown; /* there is a progress line to clear */
    bool log_muted;      /* until the first relay works: the verb prints the first failure itself */
    enum obx_exit code;
    uint64_t began_ns;
    const char *timeout; /* as given; NULL: none */
    int64_t timeout_ms;
    int64_t pending; /* rows at the start; -1: unknown */
    struct totals totals;
};

/* ---- progress ---- */

static void add_to_totals(void *arg, const struct obx_relay_info *info)
{
    struct totals *totals = arg;
    struct outbox_stats stats = {.struct_size = sizeof stats};
    obx_relay_stats(info->relay, &stats);
    totals->settled += stats.settled;
    totals->dead_lettered += stats.dead_lettered;
    totals->blocked += info->drained ? info->blocked : stats.blocked_events;
    totals->all_drained &= info->drained;
}

static void update_totals(struct drain *drain)
{
    drain->totals = (struct totals){.all_drained = true};
    obx_relay_set_each(drain->relays, add_to_totals, &drain->totals);
}

static double elapsed_seconds(struct drain *drain)
{
    return (double)(obx_loop_now(drain->context.loop) - drain->began_ns) / 1e9;
}

static void show_progress(struct drain *drain)
{
    double seconds = elapsed_seconds(drain);
    const struct totals *totals = &drain->totals;
    update_totals(drain);
    fprintf(stderr, "\r\033[K%" PRIu64 " events, %.0f/s", totals->settled,
            seconds > 0 ? (double)totals->settled / seconds : 0.0);
    if (drain->pending > (int64_t)totals->settled)
        fprintf(stderr, ", %" PRId64 " remain", drain->pending - (int64_t)totals->settled);
    if (totals->blocked)
        fprintf(stderr, ", %" PRIu64 " blocked", totals->blocked);
    drain->progress_shown = true;
}

static void clear_progress(struct drain *drain)
{
    if (drain->progress_shown)
        fputs("\r\033[K", stderr);
    drain->progress_shown = false;
}

/* ---- the end ---- */

static void end(struct drain *drain, enum obx_exit code)
{
    if (drain->ending)
        return;
    drain->ending = true;
    drain->code = code;
    obx_relay_set_stop(drain->relays, false);
}

/* From the first relaying on, outages are waited for, and the log reports them. */
static void unmute_log(struct drain *drain)
{
    if (!drain->log_muted)
        return;
    drain->log_muted = false;
    obx_logger_set(drain->context.logger, OUTBOX_LOG_WARN, (enum obx_log_format)drain->context.settings.log_format);
}

/* The exit code if this relay cannot go on; OBX_EXIT_OK if it can. */
static enum obx_exit failure_code(const struct obx_relay_info *info)
{
    if (info->state == OUTBOX_STATE_HALTED)
        return OBX_EXIT_DATA;
    if (info->was_relaying)
        return OBX_EXIT_OK;
    if (info->state == OUTBOX_STATE_STANDBY)
        return OBX_EXIT_AGAIN;
    return obx_exit_code(info->failure->code);
}

/* Ends the verb at the first relay that cannot go on. */
static void check_relay(void *arg, const struct obx_relay_info *info)
{
    struct drain *drain = arg;
    if (drain->ending)
        return;
    if (info->was_relaying)
        unmute_log(drain);
    enum obx_exit code = failure_code(info);
    if (!code)
        return;
    bool standby = info->state == OUTBOX_STATE_STANDBY;
    const char *why = standby && !info->failure->code ? "another relay owns this outbox" : info->failure->text;
    clear_progress(drain);
    obx_escape_line(stderr, "outbox drain: %s: %s%s", info->name, why,
                    standby ? "; stop that relay, or let it drain the outbox" : "");
    end(drain, code);
}

static void on_changed(void *arg)
{
    struct drain *drain = arg;
    if (drain->ending || !drain->relays)
        return;
    obx_relay_set_each(drain->relays, check_relay, drain);
    update_totals(drain);
    if (drain->ending || !drain->totals.all_drained)
        return;
    clear_progress(drain);
    obx_drain_print_left(drain->relays);
    end(drain, drain->totals.blocked ? OBX_EXIT_DATA : OBX_EXIT_OK);
}

static void check_timeout(struct drain *drain)
{
    uint64_t limit_ns = (uint64_t)drain->timeout_ms * OBX_MS;
    if (drain->ending || !drain->timeout || obx_loop_now(drain->context.loop) - drain->began_ns < limit_ns)
        return;
    clear_progress(drain);
    end(drain, obx_drain_print_late(drain->relays, drain->timeout));
}

static void on_poll(struct obx_timer *timer)
{
    struct drain *drain = OBX_CONTAINER(timer, struct drain, poll_timer);
    on_changed(drain);
    check_timeout(drain);
    if (drain->on_terminal && ++drain->polls % POLLS_PER_PROGRESS == 0)
        show_progress(drain);
    drain->context.loop->ops->timer_set(drain->context.loop, timer, POLL_NS);
}

static void on_stopped(void *arg)
{
    struct drain *drain = arg;
    obx_uv_loop_stop(drain->context.loop);
}

static void on_signal(void *arg, int signum)
{
    struct drain *drain = arg;
    (void)signum;
    if (drain->ending)
        obx_relay_set_stop(drain->relays, true);
    else
        end(drain, OBX_EXIT_AGAIN);
}

/* ---- the run ---- */

static void mute_log(struct drain *drain)
{
    if (drain->context.log->level != OUTBOX_LOG_WARN)
        return;
    drain->log_muted = true;
    obx_logger_set(drain->context.logger, OUTBOX_LOG_ERROR, (enum obx_log_format)drain->context.settings.log_format);
}

static void relay_until_drained(struct drain *drain)
{
    struct obx_loop *loop = drain->context.loop;
    obx_uv_loop_on_signal(loop, SIGTERM, on_signal, drain);
    obx_uv_loop_on_signal(loop, SIGINT, on_signal, drain);
    drain->began_ns = obx_loop_now(loop);
    drain->poll_timer.fire = on_poll;
    loop->ops->timer_set(loop, &drain->poll_timer, POLL_NS);
    obx_relay_set_start(drain->relays);
    obx_uv_loop_run(loop);
    loop->ops->timer_clear(loop, &drain->poll_timer);
}

/* An outbox in which the relays found no event may have rows that they cannot read. After a drain of many events, the
 * count would read the remains of all their rows: 15 % of the drain's time on Postgres. */
static void check_empty(struct drain *drain)
{
    bool found_none = !drain->code && !drain->totals.settled;
    int64_t rows = found_none ? obx_drain_count_rows(&drain->context) : 0;
    if (rows <= 0)
        return;
    fprintf(stderr,
            "outbox drain: %" PRId64
            " rows are in the outbox: they were added meanwhile, or the relay cannot read them; "
            "drain again, or see outbox check\n",
            rows);
    drain->code = OBX_EXIT_AGAIN;
}

static int work(struct drain *drain, struct outbox_error *error)
{
    const struct obx_relay_set_events events = {on_changed, on_stopped, drain};
    mute_log(drain);
    drain->context.settings.balance = false; /* every outbox is drained here, or the verb ends */
    drain->pending = drain->on_terminal ? obx_drain_count_rows(&drain->context) : -1;
    int status = obx_relay_set_new(&drain->context, &events, &drain->relays, error);
    if (status)
        return status;
    relay_until_drained(drain);
    clear_progress(drain);
    update_totals(drain);
    printf("relayed %" PRIu64 " event%s in %.1f s\n", drain->totals.settled, drain->totals.settled == 1 ? "" : "s",
           elapsed_seconds(drain));
    if (drain->totals.dead_lettered)
        printf("%" PRIu64 " went to the dead letters; see outbox dead list\n", drain->totals.dead_lettered);
    obx_relay_set_free(drain->relays);
    check_empty(drain);
    return OUTBOX_OK;
}

static int run(const struct obx_verb *verb, int argc, char **argv)
{
    static const struct option options[] = {OBX_ARGS_COMMON, {"timeout", required_argument, NULL, 't'}, {0}};
    struct obx_args args = {.verb = verb, .options = options, .argc = argc, .argv = argv};
    struct drain drain = {.on_terminal = isatty(STDERR_FILENO) == 1};
    while (obx_args_next(&args) != -1) {
        drain.timeout = optarg;
        if (!obx_args_duration(optarg, &drain.timeout_ms))
            return obx_args_refuse(verb, "--timeout needs a duration, like 90s or 10m, not '%s'", optarg);
    }
    if (obx_args_end(&args))
        return args.exit;

    struct outbox_error error = {0};
    if (obx_context_open(&drain.context, &args, OBX_CONTEXT_ONESHOT, &error))
        return obx_exit_report(verb->name, &error);
    int status = work(&drain, &error);
    obx_context_close(&drain.context);
    return status ? obx_exit_report(verb->name, &error) : drain.code;
}

const struct obx_verb obx_verb_drain = {
    "drain",
    "relay until the outbox is empty, then exit 0",
    "[-c FILE] [--relay NAME] [--timeout DURATION]",
    "  --timeout DURATION  stop after this time, such as 90s or 10m; default: none\n",
    run,
    false};

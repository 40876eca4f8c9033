/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/drain.c - outbox drain: relay until the outbox is empty, then exit
 *
 * Before a relay has relayed anything, a failed connection or another owner of the outbox ends the verb with the
 * fitting exit code. Afterwards the relays wait for the end of an outage, as in `outbox run`. When only blocked events
 * are left, the verb lists them and exits with 65. On a terminal, a line on stderr shows the progress.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "cli/escape.h"
#include "cli/exit_code.h"
#include "cli/oneshot.h"
#include "daemon/relay_set.h"
#include "loop/uv_loop.h"
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
    int64_t pending; /* rows at the start; -1: unknown */
    struct totals totals;
};

/* Rows in all outboxes; -1: unknown. On connections opened for this. */
static int64_t count_pending(struct obx_context *context)
{
    struct outbox_store_status status;
    struct outbox_error ignored;
    const char *relay;
    int64_t sum = 0;
    for (uint32_t i = 0; (relay = obx_context_relay(context, i)); i++) {
        if (obx_oneshot_store_status(context, relay, &status, &ignored) || status.pending < 0)
            return -1;
        sum += status.pending;
    }
    return sum;
}

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

static void print_blocked_key(void *arg, const struct obx_blocked_key *key)
{
    fprintf(stderr, "outbox drain: %s: ", (const char *)arg);
    obx_escape_text(stderr, key->topic ? key->topic : "");
    putc('/', stderr);
    obx_escape_text(stderr, key->key ? key->key : "");
    fputs(" is blocked by event ", stderr);
    obx_escape_text(stderr, key->event_id ? key->event_id : "");
    fprintf(stderr, " (row %" PRIu64 ", attempts %u), %" PRIu64 " waiting: ", key->position.major, key->attempts,
            key->events);
    obx_escape_text(stderr, key->reason ? key->reason : "unknown");
    putc('\n', stderr);
}

static void print_blocked(void *arg, const struct obx_relay_info *info)
{
    char name[64];
    (void)arg;
    snprintf(name, sizeof name, "%s", info->name);
    obx_relay_each_blocked(info->relay, print_blocked_key, name);
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
    if (drain->totals.blocked)
        obx_relay_set_each(drain->relays, print_blocked, NULL);
    end(drain, drain->totals.blocked ? OBX_EXIT_DATA : OBX_EXIT_OK);
}

static void on_poll(struct obx_timer *timer)
{
    struct drain *drain = OBX_CONTAINER(timer, struct drain, poll_timer);
    on_changed(drain);
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

static int work(struct drain *drain, struct outbox_error *error)
{
    const struct obx_relay_set_events events = {on_changed, on_stopped, drain};
    mute_log(drain);
    drain->pending = drain->on_terminal ? count_pending(&drain->context) : -1;
    int status = obx_relay_set_new(&drain->context, &events, &drain->relays, error);
    if (status)
        return status;
    relay_until_drained(drain);
    clear_progress(drain);
    update_totals(drain);
    printf("relayed %" PRIu64 " events in %.1f s\n", drain->totals.settled, elapsed_seconds(drain));
    if (drain->totals.dead_lettered)
        printf("%" PRIu64 " went to the dead letters; see outbox dead list\n", drain->totals.dead_lettered);
    obx_relay_set_free(drain->relays);
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
    if (obx_context_open(&drain.context, &args, OBX_CONTEXT_ONESHOT, &error))
        return obx_exit_report(verb->name, &error);
    int status = work(&drain, &error);
    obx_context_close(&drain.context);
    return status ? obx_exit_report(verb->name, &error) : drain.code;
}

const struct obx_verb obx_verb_drain = {
    "drain", "relay until the outbox is empty, then exit 0", "[-c FILE] [--relay NAME]", NULL, run, false};

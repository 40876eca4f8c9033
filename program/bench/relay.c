/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/bench/relay.c - the relay that `outbox bench` runs, and waiting for it
 *
 * The same relay as in `outbox run`, on the loop of the verb. It reports each event that the broker confirms; the
 * prefix of the id marks events of this run. A failure before the relay works ends the run, as in `outbox drain`.
 * Afterwards the run waits for the end of an outage, up to a minute without any progress.
 */
#include "bench/run.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/mem.h"
#include "loop/uv_loop.h"

#define TICK_NS (1 * OBX_MS)
#define PROGRESS_INTERVAL_NS (200 * OBX_MS)
#define STALL_TIMEOUT_NS (60000 * OBX_MS)

/* ---- events of the relay ---- */

void obx_bench_set_log_level(struct bench *bench, enum outbox_log_level level)
{
    obx_logger_set(bench->context->logger, level, (enum obx_log_format)bench->context->settings.log_format);
}

static void on_state(void *arg, enum outbox_state state, const char *why)
{
    struct bench *bench = arg;
    (void)why;
    if (state == OUTBOX_STATE_RELAYING && !bench->started) {
        bench->started = true;
        obx_bench_set_log_level(bench, bench->log_level); /* from here on the log reports outages */
        bench->relaying_ns = obx_loop_now(bench->context->loop);
    }
}

static void on_drained(void *arg, uint64_t blocked)
{
    (void)blocked;
    ((struct bench *)arg)->drained = true;
}

static void on_delivered(void *arg, const struct outbox_message *message)
{
    struct bench *bench = arg;
    uint64_t number;
    if (!obx_bench_number(bench->plan->prefix, message->id, &number) || number >= bench->total ||
        bench->delivered[number])
        return;
    bench->delivered[number] = 1;
    bench->delivered_count++;
    if (number >= bench->plan->events)
        bench->deliver_ns[number - bench->plan->events] = obx_loop_now(bench->context->loop);
}

static void on_stopped(void *arg)
{
    ((struct bench *)arg)->stopped = true;
}

struct outbox_stats obx_bench_stats(const struct bench *bench)
{
    struct outbox_stats stats = {.struct_size = sizeof stats};
    obx_relay_stats(bench->relay, &stats);
    return stats;
}

/* ---- waiting ---- */

void obx_bench_show_progress(struct bench *bench, const char *what)
{
    uint64_t now = obx_loop_now(bench->context->loop);
    if (!bench->plan->on_terminal || now - bench->progress_ns < PROGRESS_INTERVAL_NS)
        return;
    fprintf(stderr, "\r\033[K%s: %" PRIu64 " written, %" PRIu64 " delivered of %" PRIu64, what, bench->written,
            bench->delivered_count, bench->total);
    bench->progress_shown = true;
    bench->progress_ns = now;
}

void obx_bench_clear_progress(struct bench *bench)
{
    if (bench->progress_shown)
        fputs("\r\033[K", stderr);
    bench->progress_shown = false;
}

static void on_tick(struct obx_timer *timer)
{
    (void)timer;
}

void obx_bench_turn(struct bench *bench)
{
    struct obx_loop *loop = bench->context->loop;
    bench->tick_timer.fire = on_tick;
    loop->ops->timer_set(loop, &bench->tick_timer, TICK_NS);
    obx_uv_loop_turn(loop);
}

/* Why the relay cannot go on. */
static int check_relay(const struct bench *bench, struct outbox_error *error)
{
    const struct outbox_error *failure = obx_relay_failure(bench->relay);
    enum outbox_state state = obx_relay_state(bench->relay);
    if (state == OUTBOX_STATE_HALTED)
        return obx_error_set(error, OUTBOX_E_REJECTED, "the relay halted: %s", failure->text);
    if (bench->started)
        return OUTBOX_OK;
    if (state == OUTBOX_STATE_STANDBY || failure->code == OUTBOX_E_STANDBY)
        return obx_error_set(
            error, OUTBOX_E_STANDBY,
            "%s; stop that relay, or measure with a separate table: name another table in a copy of the "
            "configuration, and run 'outbox init' with it",
            failure->code ? failure->text : "another relay owns this outbox");
    if (failure->code)
        *error = *failure;
    return failure->code;
}

/* A second signal, or the first one before anything was written. */
static bool is_interrupted(const struct bench *bench, uint32_t signals_before)
{
    return bench->signals > OBX_MAX(signals_before, 1u) || (bench->signals > signals_before && !bench->written);
}

static int report_stall(const struct bench *bench, const char *what, struct outbox_error *error)
{
    struct outbox_stats stats = obx_bench_stats(bench);
    return obx_error_set(error, OUTBOX_E_TIMEOUT, "%s: no progress for one minute: %s", what,
                         stats.last_error[0] ? stats.last_error : "the relay reports no error");
}

int obx_bench_wait(struct bench *bench, const char *what, bool (*done)(const struct bench *bench),
                   struct outbox_error *error)
{
    struct obx_loop *loop = bench->context->loop;
    uint64_t progressed_ns = obx_loop_now(loop), last_settled = 0;
    uint32_t signals = bench->signals;
    while (!done(bench)) {
        int status = check_relay(bench, error);
        if (status)
            return status;
        uint64_t settled = obx_bench_stats(bench).settled;
        if (settled != last_settled)
            progressed_ns = obx_loop_now(loop);
        last_settled = settled;
        if (is_interrupted(bench, signals))
            return obx_error_set(error, OUTBOX_E_CANCELED, "interrupted");
        if (obx_loop_now(loop) - progressed_ns > STALL_TIMEOUT_NS)
            return report_stall(bench, what, error);
        obx_bench_show_progress(bench, what);
        obx_bench_turn(bench);
    }
    return OUTBOX_OK;
}

static bool is_stopped(const struct bench *bench)
{
    return bench->stopped;
}

/* ---- the relay ---- */

void obx_bench_start(struct bench *bench)
{
    bench->started = bench->drained = bench->stopped = false;
    obx_relay_start(bench->relay);
}

void obx_bench_stop(struct bench *bench)
{
    bool now = bench->signals > 1;
    bench->stopped = false;
    obx_relay_stop(bench->relay, now ? 0 : (uint32_t)obx_relay_settings(bench->relay)->stop_timeout_ms, on_stopped,
                   bench);
    while (!is_stopped(bench))
        obx_bench_turn(bench);
}

int obx_bench_open_relay(struct bench *bench, struct outbox_error *error)
{
    struct obx_context *context = bench->context;
    const struct obx_section *section;
    int status = obx_relay_section(context->config, bench->plan->relay, &section, error);
    if (status)
        return status;
    const struct obx_relay_setup setup = {
        .loop = context->loop,
        .registry = context->registry,
        .log = context->log,
        .name = bench->plan->relay,
        .section = section,
        .events = {.state = on_state, .drained = on_drained, .delivered = on_delivered, .arg = bench}};
    return obx_relay_new(&setup, &bench->relay, error);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/bench/bench_relay.c - the relay that `outbox bench` runs, and waiting for it
 *
 * It is the one that `outbox run` has, on the same loop. It tells of each event that the broker confirms; ours are
 * known by their ids. What keeps it from ever beginning is told as by `outbox drain`; once it relays, outages are
 * waited for, up to a minute without any progress.
 */
#include "bench/bench_run.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/mem.h"
#include "loop/uv_loop.h"

#define TICK_NS (1 * OBX_MS)
#define DRAW_NS (200 * OBX_MS)
#define PATIENCE_NS (60000 * OBX_MS)

/* ---- what the relay tells ---- */

void obx_bench_speak(struct bench *bench, enum outbox_log_level level)
{
    obx_logger_set(bench->app->logger, level, (enum obx_log_format)bench->app->settings.log_format);
}

static void on_state(void *arg, enum outbox_state state, const char *why)
{
    struct bench *bench = arg;
    (void)why;
    if (state == OUTBOX_STATE_RELAYING && !bench->started) {
        bench->started = true;
        obx_bench_speak(bench, bench->level); /* once it works, outages are waited for, and the log tells of them */
        bench->relaying_ns = obx_loop_now(bench->app->loop);
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
    if (!obx_bench_number(bench->plan->mark, message->id, &number) || number >= bench->total || bench->seen[number])
        return;
    bench->seen[number] = 1;
    bench->seen_count++;
    if (number >= bench->plan->events)
        bench->deliver_ns[number - bench->plan->events] = obx_loop_now(bench->app->loop);
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

void obx_bench_draw(struct bench *bench, const char *what)
{
    uint64_t now = obx_loop_now(bench->app->loop);
    if (!bench->plan->on_terminal || now - bench->drawn_ns < DRAW_NS)
        return;
    fprintf(stderr, "\r\033[K%s: %" PRIu64 " written, %" PRIu64 " delivered of %" PRIu64, what, bench->written,
            bench->seen_count, bench->total);
    bench->drawn = true;
    bench->drawn_ns = now;
}

void obx_bench_clear_line(struct bench *bench)
{
    if (bench->drawn)
        fputs("\r\033[K", stderr);
    bench->drawn = false;
}

static void on_tick(struct obx_timer *timer)
{
    (void)timer;
}

void obx_bench_turn(struct bench *bench)
{
    struct obx_loop *loop = bench->app->loop;
    bench->ticker.fire = on_tick;
    loop->ops->timer_set(loop, &bench->ticker, TICK_NS);
    obx_uv_loop_turn(loop);
}

/* Why the relay cannot go on, when it never began; as for `outbox drain`. */
static int judge(const struct bench *bench, struct outbox_error *error)
{
    const struct outbox_error *failure = obx_relay_failure(bench->relay);
    enum outbox_state state = obx_relay_state(bench->relay);
    if (state == OUTBOX_STATE_HALTED)
        return obx_error_set(error, OUTBOX_E_REJECTED, "the relay halted: %s", failure->text);
    if (bench->started)
        return OUTBOX_OK;
    if (state == OUTBOX_STATE_STANDBY || failure->code == OUTBOX_E_STANDBY)
        return obx_error_set(error, OUTBOX_E_STANDBY,
                             "%s; stop that relay, or measure beside it with a table of its own: a copy of the "
                             "configuration that names another table, and 'outbox init'",
                             failure->code ? failure->text : "another relay owns this outbox");
    if (failure->code)
        *error = *failure;
    return failure->code;
}

/* Turn the loop until done() says so. A stalled or interrupted wait is an error. */
int obx_bench_wait(struct bench *bench, const char *what, bool (*done)(const struct bench *bench),
                   struct outbox_error *error)
{
    struct obx_loop *loop = bench->app->loop;
    uint64_t moved_ns = obx_loop_now(loop), before = 0;
    uint32_t signals = bench->signals;
    while (!done(bench)) {
        int status = judge(bench, error);
        if (status)
            return status;
        uint64_t settled = obx_bench_stats(bench).settled;
        if (settled != before)
            moved_ns = obx_loop_now(loop);
        before = settled;
        if (bench->signals > OBX_MAX(signals, 1u) || (bench->signals > signals && !bench->written))
            return obx_error_set(error, OUTBOX_E_CANCELED, "interrupted");
        if (obx_loop_now(loop) - moved_ns > PATIENCE_NS)
            return obx_error_set(error, OUTBOX_E_TIMEOUT, "%s: nothing moved for a minute: %s", what,
                                 obx_bench_stats(bench).last_error[0] ? obx_bench_stats(bench).last_error
                                                                      : "no reason is known");
        obx_bench_draw(bench, what);
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
    struct obx_app *app = bench->app;
    const struct obx_section *section;
    int status = obx_app_relay_section(app->config, bench->plan->relay, &section, error);
    if (status)
        return status;
    const struct obx_relay_setup setup = {
        .loop = app->loop,
        .registry = app->registry,
        .log = app->log,
        .name = bench->plan->relay,
        .section = section,
        .events = {.state = on_state, .drained = on_drained, .delivered = on_delivered, .arg = bench}};
    return obx_relay_new(&setup, &bench->relay, error);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/bench/run.c - the run of `outbox bench`
 *
 * - Clear: relay the rows that the outbox already has. This also shows that the outbox can be owned.
 * - Probe: publish one event; a rejection ends the run before anything is written to the outbox.
 * - Drain: write `events` rows while the relay is stopped. Start it, and measure until they are delivered and removed.
 * - Steady: add `rate` events a second for `seconds`, all due ones in one transaction. Measure from its commit to the
 *   broker's confirmation.
 *
 * Events of applications that arrive meanwhile are relayed as usual. A signal ends the writing; written events are
 * delivered. After a second signal, or a minute without progress, the rest stays in the outbox for the next relay.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/error.h"
#include "base/mem.h"
#include "loop/uv_loop.h"
#include "bench/run.h"

static bool is_drained(const struct bench *bench)
{
    return bench->started && bench->drained;
}

static bool is_delivered(const struct bench *bench)
{
    return bench->started && bench->delivered_count >= bench->written;
}

static bool is_removed(const struct bench *bench)
{
    struct outbox_stats stats = obx_bench_stats(bench);
    uint64_t gone = stats.settled + stats.dead_lettered - bench->before.settled - bench->before.dead_lettered;
    return bench->drained || gone >= bench->claimed - bench->before.claimed;
}

/* ---- writing ---- */

static int add(struct bench *bench, uint32_t count, struct outbox_error *error)
{
    const struct outbox_event *events[OBX_ADD_BATCH];
    const struct obx_bench_plan *plan = bench->plan;
    for (uint32_t i = 0; i < count; i++) {
        obx_bench_event(&bench->events[i], plan->prefix, bench->written + i, plan->keys,
                        bench->payloads + (size_t)i * plan->bytes, plan->bytes);
        events[i] = &bench->events[i].event;
    }
    uint64_t began = obx_loop_now(bench->context->loop);
    int status = obx_add_events(&bench->store, events, count, error);
    if (status)
        return status;
    uint64_t now = obx_loop_now(bench->context->loop);
    for (uint32_t i = 0; i < count; i++)
        if (bench->written + i >= plan->events)
            bench->commit_ns[bench->written + i - plan->events] = now;
    if (bench->written >= plan->events)
        bench->transaction_ns[bench->transactions++] = now - began;
    bench->written += count;
    return OUTBOX_OK;
}

static int write_backlog(struct bench *bench, struct outbox_error *error)
{
    uint64_t began = obx_loop_now(bench->context->loop);
    int status = OUTBOX_OK;
    while (!status && bench->written < bench->plan->events && !bench->signals) {
        uint64_t left = bench->plan->events - bench->written;
        status = add(bench, (uint32_t)OBX_MIN(left, (uint64_t)bench->per_add), error);
        obx_bench_show_progress(bench, "write");
    }
    bench->result->written = bench->written;
    bench->result->write_seconds = (double)(obx_loop_now(bench->context->loop) - began) / 1e9;
    return status;
}

/* ---- the parts ---- */

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int clear(struct bench *bench, struct outbox_error *error)
{
    obx_bench_start(bench);
    int status = obx_bench_wait(bench, "relay what is in the outbox already", is_drained, error);
    obx_bench_stop(bench);
    return status;
}

/* Wait also until the rows are removed: all that were claimed by the time of the last delivery. */
static int finish_drain(struct bench *bench, struct outbox_error *error)
{
    int status = obx_bench_wait(bench, "drain", is_delivered, error);
    bench->claimed = obx_bench_stats(bench).claimed;
    return status ? status : obx_bench_wait(bench, "drain", is_removed, error);
}

static int drain(struct bench *bench, struct outbox_error *error)
{
    int status = bench->plan->events ? write_backlog(bench, error) : OUTBOX_OK;
    double cpu = cpu_seconds();
    bench->before = obx_bench_stats(bench);
    obx_bench_start(bench);
    if (!status)
        status = finish_drain(bench, error);
    if (!bench->plan->events) /* it started the relay for the steady part only */
        return status;
    bench->result->drained = obx_bench_stats(bench).settled - bench->before.settled;
    bench->result->drain_seconds = (double)(obx_loop_now(bench->context->loop) - bench->relaying_ns) / 1e9;
    bench->result->drain_cpu_seconds = cpu_seconds() - cpu;
    return status;
}

/* An open loop: due times are fixed in advance, so a slow transaction does not delay the next ones. */
static int keep_rate(struct bench *bench, struct outbox_error *error)
{
    const struct obx_bench_plan *plan = bench->plan;
    uint64_t count = (uint64_t)plan->rate * plan->seconds, began = obx_loop_now(bench->context->loop), done = 0;
    int status = OUTBOX_OK;
    while (!status && done < count && !bench->signals) {
        uint64_t due = (obx_loop_now(bench->context->loop) - began) * plan->rate / 1000000000u + 1;
        uint64_t open = OBX_MIN(due, count) - done;
        if (open) {
            uint32_t count_now = (uint32_t)OBX_MIN(open, (uint64_t)bench->per_add);
            status = add(bench, count_now, error);
            done += status ? 0 : count_now;
        } else {
            obx_bench_turn(bench);
        }
        obx_bench_show_progress(bench, "steady");
    }
    bench->result->steady_seconds = (double)(obx_loop_now(bench->context->loop) - began) / 1e9;
    return status;
}

static void compute_latencies(struct bench *bench)
{
    static const uint32_t percentiles[] = {50, 99, 100};
    struct obx_bench_result *result = bench->result;
    uint64_t count = 0, *latency = bench->commit_ns;
    for (uint64_t i = 0; bench->plan->events + i < bench->written; i++)
        if (bench->deliver_ns[i]) /* the confirmation may arrive before commit() returns */
            latency[count++] =
                bench->deliver_ns[i] > bench->commit_ns[i] ? bench->deliver_ns[i] - bench->commit_ns[i] : 0;
    result->steady = count;
    for (size_t i = 0; i < OBX_COUNT(percentiles); i++) {
        result->latency_ns[i] = obx_bench_percentile(latency, count, percentiles[i]);
        result->commit_ns[i] = obx_bench_percentile(bench->transaction_ns, bench->transactions, percentiles[i]);
    }
}

static int run_steady(struct bench *bench, struct outbox_error *error)
{
    double cpu = cpu_seconds();
    int status = keep_rate(bench, error);
    bench->result->steady_cpu_seconds = cpu_seconds() - cpu;
    if (!status)
        status = obx_bench_wait(bench, "wait for the last deliveries", is_delivered, error);
    return status;
}

/* -1: the kernel has no smaps_rollup. */
static long private_dirty_kilobytes(void)
{
    char line[128];
    long kilobytes = -1;
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, "Private_Dirty:", 14)) {
            kilobytes = strtol(line + 14, NULL, 10);
            break;
        }
    if (file)
        fclose(file);
    return kilobytes;
}

static void fill_result(struct bench *bench, uint64_t cleared)
{
    struct obx_bench_result *result = bench->result;
    struct outbox_stats stats = obx_bench_stats(bench);
    uint64_t own_and_cleared = cleared + bench->delivered_count;
    result->other_events = cleared + (stats.settled > own_and_cleared ? stats.settled - own_and_cleared : 0);
    result->resent = stats.resent;
    result->retried = stats.retried;
    result->private_dirty_kilobytes = private_dirty_kilobytes();
    result->undelivered = bench->written - bench->delivered_count;
    compute_latencies(bench);
}

static int measure(struct bench *bench, struct outbox_error *error)
{
    int status = clear(bench, error);
    uint64_t cleared = obx_bench_stats(bench).settled;
    if (!status)
        status = obx_bench_probe(bench->context, bench->plan, error);
    if (status)
        return status;
    status = drain(bench, error);
    if (!status && bench->plan->rate && !bench->signals)
        status = run_steady(bench, error);
    obx_bench_stop(bench);
    fill_result(bench, cleared);
    return status;
}

/* ---- life ---- */

static void on_signal(void *arg, int signum)
{
    struct bench *bench = arg;
    (void)signum;
    bench->signals++;
    bench->result->interrupted = true;
}

static int allocate(struct bench *bench, struct outbox_error *error)
{
    const struct obx_bench_plan *plan = bench->plan;
    size_t steady = (size_t)plan->rate * plan->seconds + 1;
    bench->total = plan->events + (uint64_t)plan->rate * plan->seconds;
    bench->per_add = OBX_MAX(1u, OBX_MIN(OBX_ADD_BATCH, OBX_ADD_BATCH_BYTES / plan->bytes));
    bench->delivered = obx_alloc(bench->total + 1);
    bench->commit_ns = obx_alloc(steady * sizeof *bench->commit_ns);
    bench->deliver_ns = obx_alloc(steady * sizeof *bench->deliver_ns);
    bench->transaction_ns = obx_alloc(steady * sizeof *bench->transaction_ns);
    bench->payloads = obx_alloc((size_t)bench->per_add * plan->bytes);
    if (!bench->delivered || !bench->commit_ns || !bench->deliver_ns || !bench->transaction_ns || !bench->payloads)
        return obx_error_no_memory(error);
    return OUTBOX_OK;
}

static int open_store(struct bench *bench, struct outbox_error *error)
{
    int status = obx_oneshot_open(&bench->store, bench->context, bench->plan->relay, OUTBOX_STORE, error);
    if (!status)
        status = obx_oneshot_require(&bench->store, OUTBOX_CAP_ADMIN, "add events", error);
    return status ? status : obx_oneshot_start(&bench->store, OUTBOX_STORE, error);
}

static void handle_signals(struct bench *bench, void (*then)(void *arg, int signum))
{
    obx_uv_loop_on_signal(bench->context->loop, SIGINT, then, bench);
    obx_uv_loop_on_signal(bench->context->loop, SIGTERM, then, bench);
}

static void free_bench(struct bench *bench)
{
    obx_relay_free(bench->relay);
    if (bench->store.instance)
        obx_oneshot_close(&bench->store);
    obx_free(bench->delivered);
    obx_free(bench->commit_ns);
    obx_free(bench->deliver_ns);
    obx_free(bench->transaction_ns);
    obx_free(bench->payloads);
    obx_free(bench);
}

static int run(struct bench *bench, struct outbox_error *error)
{
    int status = allocate(bench, error);
    if (!status)
        status = open_store(bench, error);
    if (!status)
        status = obx_bench_open_relay(bench, error);
    return status ? status : measure(bench, error);
}

int obx_bench_run(struct obx_context *context, const struct obx_bench_plan *plan, struct obx_bench_result *result,
                  struct outbox_error *error)
{
    struct rusage usage;
    *result = (struct obx_bench_result){0};
    struct bench *bench = obx_alloc(sizeof *bench);
    if (!bench)
        return obx_error_no_memory(error);
    bench->context = context;
    bench->plan = plan;
    bench->result = result;
    bench->log_level = context->log->level;
    obx_bench_set_log_level(bench, bench->log_level == OUTBOX_LOG_WARN ? OUTBOX_LOG_ERROR : bench->log_level);
    handle_signals(bench, on_signal);
    int status = run(bench, error);
    obx_bench_clear_progress(bench);
    context->loop->ops->timer_clear(context->loop, &bench->tick_timer);
    handle_signals(bench, NULL);
    free_bench(bench);
    getrusage(RUSAGE_SELF, &usage);
    result->peak_kilobytes = usage.ru_maxrss;
    return status;
}

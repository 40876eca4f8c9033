/*
 * core/service/bench.c - the run of `outbox bench`
 *
 *     clear    relay what is in the outbox already, as `outbox run` would; so it is also known that it can be owned
 *     probe    one event straight to the broker; a refusal ends the run with nothing written
 *     drain    with the relay stopped write `events` rows, start it, and take the time until they are delivered and
 * removed steady   add `rate` events a second for `seconds`, what is due in one transaction, and take the time from its
 *              commit to the broker's confirmation
 *
 * The relay is the one that `outbox run` has, in this process; events of applications that come meanwhile are relayed
 * as ever. A signal ends the writing; what was written is delivered. A second one, or a minute without progress, leaves
 * the rest to the next relay.
 */
#include "service/bench.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "loop/uv_loop.h"
#include "relay/relay.h"
#include "service/add_lines.h"

#define TICK_NS (1 * OBX_MS)
#define DRAW_NS (200 * OBX_MS)
#define PATIENCE_NS (60000 * OBX_MS)

struct bench {
    struct obx_app *app;
    const struct obx_bench_plan *plan;
    struct obx_bench_result *result;
    struct obx_session store; /* for adding */
    struct obx_relay *relay;
    struct obx_timer ticker;     /* ends a turn of the loop every millisecond while something is waited for */
    enum outbox_log_level level; /* of the log, once the relay works; what fails before is told by the verb */
    uint32_t signals;
    bool started, relaying, drained, stopped, drawn;
    uint64_t relaying_ns, drawn_ns;
    struct outbox_stats before; /* the drain; */
    uint64_t claimed;           /* when the last of ours was delivered */
    uint64_t total;             /* numbers of events: those of the drain, then the steady ones */
    uint64_t written;           /* numbers below this are in the outbox */
    uint8_t *seen;              /* delivered, by number */
    uint64_t seen_count;
    uint64_t *commit_ns;  /* by steady number: when its transaction had committed; */
    uint64_t *deliver_ns; /* when it was confirmed */
    uint64_t *took_ns;    /* of each transaction */
    uint64_t transactions;
    char *payloads; /* of one transaction */
    struct obx_bench_event events[OBX_ADD_BATCH];
    uint32_t per_add; /* events of one transaction at most */
};

/* ---- what the relay tells ---- */

static void speak(struct bench *bench, enum outbox_log_level level)
{
    obx_logger_set(bench->app->logger, level, (enum obx_log_format)bench->app->settings.log_format);
}

static void on_state(void *arg, enum outbox_state state, const char *why)
{
    struct bench *bench = arg;
    (void)why;
    bench->relaying = state == OUTBOX_STATE_RELAYING;
    if (bench->relaying && !bench->started) {
        bench->started = true;
        speak(bench, bench->level); /* once it works, outages are waited for, and the log tells of them */
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

static struct outbox_stats stats_of(const struct bench *bench)
{
    struct outbox_stats stats = {.struct_size = sizeof stats};
    obx_relay_stats(bench->relay, &stats);
    return stats;
}

/* ---- waiting ---- */

static void draw(struct bench *bench, const char *what)
{
    uint64_t now = obx_loop_now(bench->app->loop);
    if (!bench->plan->on_terminal || now - bench->drawn_ns < DRAW_NS)
        return;
    fprintf(stderr, "\r\033[K%s: %" PRIu64 " written, %" PRIu64 " delivered of %" PRIu64, what, bench->written,
            bench->seen_count, bench->total);
    bench->drawn = true;
    bench->drawn_ns = now;
}

static void clear_line(struct bench *bench)
{
    if (bench->drawn)
        fputs("\r\033[K", stderr);
    bench->drawn = false;
}

static void on_tick(struct obx_timer *timer)
{
    (void)timer;
}

static void turn(struct bench *bench)
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
static int wait_for(struct bench *bench, const char *what, bool (*done)(const struct bench *bench),
                    struct outbox_error *error)
{
    struct obx_loop *loop = bench->app->loop;
    uint64_t moved_ns = obx_loop_now(loop), before = 0;
    uint32_t signals = bench->signals;
    while (!done(bench)) {
        int status = judge(bench, error);
        if (status)
            return status;
        uint64_t settled = stats_of(bench).settled;
        if (settled != before)
            moved_ns = obx_loop_now(loop);
        before = settled;
        if (bench->signals > OBX_MAX(signals, 1u) || (bench->signals > signals && !bench->written))
            return obx_error_set(error, OUTBOX_E_CANCELED, "interrupted");
        if (obx_loop_now(loop) - moved_ns > PATIENCE_NS)
            return obx_error_set(error, OUTBOX_E_TIMEOUT, "%s: nothing moved for a minute: %s", what,
                                 stats_of(bench).last_error[0] ? stats_of(bench).last_error : "no reason is known");
        draw(bench, what);
        turn(bench);
    }
    return OUTBOX_OK;
}

static bool is_drained(const struct bench *bench)
{
    return bench->started && bench->drained;
}

static bool is_delivered(const struct bench *bench)
{
    return bench->started && bench->seen_count >= bench->written;
}

static bool is_removed(const struct bench *bench)
{
    struct outbox_stats stats = stats_of(bench);
    uint64_t gone = stats.settled + stats.parked - bench->before.settled - bench->before.parked;
    return bench->drained || gone >= bench->claimed - bench->before.claimed;
}

static bool is_stopped(const struct bench *bench)
{
    return bench->stopped;
}

/* ---- the relay ---- */

static void start(struct bench *bench)
{
    bench->started = bench->relaying = bench->drained = bench->stopped = false;
    obx_relay_start(bench->relay);
}

static void stop(struct bench *bench)
{
    bool now = bench->signals > 1;
    bench->stopped = false;
    obx_relay_stop(bench->relay, now ? 0 : (uint32_t)obx_relay_settings(bench->relay)->stop_ms, on_stopped, bench);
    while (!is_stopped(bench))
        turn(bench);
}

/* ---- writing ---- */

static int add(struct bench *bench, uint32_t count, struct outbox_error *error)
{
    const struct outbox_event *events[OBX_ADD_BATCH];
    const struct obx_bench_plan *plan = bench->plan;
    for (uint32_t i = 0; i < count; i++) {
        obx_bench_event(&bench->events[i], plan->mark, bench->written + i, plan->keys,
                        bench->payloads + (size_t)i * plan->bytes, plan->bytes);
        events[i] = &bench->events[i].event;
    }
    uint64_t began = obx_loop_now(bench->app->loop);
    int status = obx_add_events(&bench->store, events, count, error);
    if (status)
        return status;
    uint64_t now = obx_loop_now(bench->app->loop);
    for (uint32_t i = 0; i < count; i++)
        if (bench->written + i >= plan->events)
            bench->commit_ns[bench->written + i - plan->events] = now;
    if (bench->written >= plan->events)
        bench->took_ns[bench->transactions++] = now - began;
    bench->written += count;
    return OUTBOX_OK;
}

static int write_backlog(struct bench *bench, struct outbox_error *error)
{
    uint64_t began = obx_loop_now(bench->app->loop);
    int status = OUTBOX_OK;
    while (!status && bench->written < bench->plan->events && !bench->signals) {
        uint64_t left = bench->plan->events - bench->written;
        status = add(bench, (uint32_t)OBX_MIN(left, (uint64_t)bench->per_add), error);
        draw(bench, "write");
    }
    bench->result->written = bench->written;
    bench->result->write_seconds = (double)(obx_loop_now(bench->app->loop) - began) / 1e9;
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
    start(bench);
    int status = wait_for(bench, "relay what is in the outbox already", is_drained, error);
    stop(bench);
    return status;
}

/* Until the rows are gone, too: whatever was claimed by the time of the last delivery is removed. */
static int finish_drain(struct bench *bench, struct outbox_error *error)
{
    int status = wait_for(bench, "drain", is_delivered, error);
    bench->claimed = stats_of(bench).claimed;
    return status ? status : wait_for(bench, "drain", is_removed, error);
}

static int drain(struct bench *bench, struct outbox_error *error)
{
    int status = bench->plan->events ? write_backlog(bench, error) : OUTBOX_OK;
    double cpu = cpu_seconds();
    bench->before = stats_of(bench);
    start(bench);
    if (!status)
        status = finish_drain(bench, error);
    if (!bench->plan->events) /* it only started the relay for the steady part */
        return status;
    bench->result->drained = stats_of(bench).settled - bench->before.settled;
    bench->result->drain_seconds = (double)(obx_loop_now(bench->app->loop) - bench->relaying_ns) / 1e9;
    bench->result->drain_cpu_seconds = cpu_seconds() - cpu;
    return status;
}

/* An open loop: what is due at a time is fixed beforehand, and a slow transaction does not put off the next. */
static int keep_rate(struct bench *bench, struct outbox_error *error)
{
    const struct obx_bench_plan *plan = bench->plan;
    uint64_t count = (uint64_t)plan->rate * plan->seconds, began = obx_loop_now(bench->app->loop), done = 0;
    int status = OUTBOX_OK;
    while (!status && done < count && !bench->signals) {
        uint64_t due = (obx_loop_now(bench->app->loop) - began) * plan->rate / 1000000000u + 1;
        uint64_t now_due = OBX_MIN(due, count) - done;
        if (now_due) {
            uint32_t some = (uint32_t)OBX_MIN(now_due, (uint64_t)bench->per_add);
            status = add(bench, some, error);
            done += status ? 0 : some;
        } else {
            turn(bench);
        }
        draw(bench, "steady");
    }
    bench->result->steady_seconds = (double)(obx_loop_now(bench->app->loop) - began) / 1e9;
    return status;
}

static void sum_up(struct bench *bench)
{
    static const uint32_t percentiles[] = {50, 99, 100};
    struct obx_bench_result *result = bench->result;
    uint64_t count = 0, *latency = bench->commit_ns;
    for (uint64_t i = 0; bench->plan->events + i < bench->written; i++)
        if (bench->deliver_ns[i]) /* a confirmation may be seen before our own commit is */
            latency[count++] =
                bench->deliver_ns[i] > bench->commit_ns[i] ? bench->deliver_ns[i] - bench->commit_ns[i] : 0;
    result->steady = count;
    for (size_t i = 0; i < OBX_COUNT(percentiles); i++) {
        result->latency_ns[i] = obx_bench_percentile(latency, count, percentiles[i]);
        result->commit_ns[i] = obx_bench_percentile(bench->took_ns, bench->transactions, percentiles[i]);
    }
}

static int hold_steady(struct bench *bench, struct outbox_error *error)
{
    double cpu = cpu_seconds();
    int status = keep_rate(bench, error);
    bench->result->steady_cpu_seconds = cpu_seconds() - cpu;
    if (!status)
        status = wait_for(bench, "wait for the last ones", is_delivered, error);
    return status;
}

static int measure(struct bench *bench, struct outbox_error *error)
{
    char topic[256];
    int status = clear(bench, error);
    uint64_t others = stats_of(bench).settled;
    if (!status)
        status = obx_bench_probe(bench->app, bench->plan, topic, sizeof topic, error);
    if (status)
        return status;
    status = drain(bench, error);
    if (!status && bench->plan->rate && !bench->signals)
        status = hold_steady(bench, error);
    stop(bench);
    struct outbox_stats stats = stats_of(bench);
    bench->result->others =
        others + (stats.settled > others + bench->seen_count ? stats.settled - others - bench->seen_count : 0);
    bench->result->resent = stats.resent;
    bench->result->retried = stats.retried;
    bench->result->left = bench->written - bench->seen_count;
    sum_up(bench);
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
    bench->seen = obx_alloc(bench->total + 1);
    bench->commit_ns = obx_alloc(steady * sizeof *bench->commit_ns);
    bench->deliver_ns = obx_alloc(steady * sizeof *bench->deliver_ns);
    bench->took_ns = obx_alloc(steady * sizeof *bench->took_ns);
    bench->payloads = obx_alloc((size_t)bench->per_add * plan->bytes);
    if (!bench->seen || !bench->commit_ns || !bench->deliver_ns || !bench->took_ns || !bench->payloads)
        return obx_error_no_memory(error);
    return OUTBOX_OK;
}

static int open_relay(struct bench *bench, struct outbox_error *error)
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

static int open_store(struct bench *bench, struct outbox_error *error)
{
    int status = obx_session_open(&bench->store, bench->app, bench->plan->relay, OUTBOX_STORE, error);
    if (!status)
        status = obx_session_needs(&bench->store, OUTBOX_CAP_ADMIN, "add events", error);
    return status ? status : obx_session_start(&bench->store, OUTBOX_STORE, error);
}

int obx_bench_run(struct obx_app *app, const struct obx_bench_plan *plan, struct obx_bench_result *result,
                  struct outbox_error *error)
{
    struct rusage usage;
    *result = (struct obx_bench_result){0};
    struct bench *bench = obx_alloc(sizeof *bench);
    if (!bench)
        return obx_error_no_memory(error);
    bench->app = app;
    bench->plan = plan;
    bench->result = result;
    bench->level = app->log->level;
    speak(bench, bench->level == OUTBOX_LOG_WARN ? OUTBOX_LOG_ERROR : bench->level);
    obx_uv_loop_on_signal(app->loop, SIGINT, on_signal, bench);
    obx_uv_loop_on_signal(app->loop, SIGTERM, on_signal, bench);
    int status = allocate(bench, error);
    if (!status)
        status = open_store(bench, error);
    if (!status)
        status = open_relay(bench, error);
    if (!status)
        status = measure(bench, error);
    clear_line(bench);
    app->loop->ops->timer_clear(app->loop, &bench->ticker);
    obx_uv_loop_on_signal(app->loop, SIGINT, NULL, NULL);
    obx_uv_loop_on_signal(app->loop, SIGTERM, NULL, NULL);
    obx_relay_free(bench->relay);
    if (bench->store.instance)
        obx_session_close(&bench->store);
    obx_free(bench->seen);
    obx_free(bench->commit_ns);
    obx_free(bench->deliver_ns);
    obx_free(bench->took_ns);
    obx_free(bench->payloads);
    obx_free(bench);
    getrusage(RUSAGE_SELF, &usage);
    result->peak_kilobytes = usage.ru_maxrss;
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/bench.c - outbox bench: how fast is this deployment?
 *
 * It publishes: so without --yes it only says what it would do. What it does is in bench.c; here are the command line
 * and what is printed, for people or as JSON.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "bench/bench.h"
#include "cli/exit_code.h"

enum { EVENTS = 1, BYTES, KEYS, RATE, SECONDS, YES, JSON };
#define MOST_STEADY 1000000u

struct request {
    struct obx_bench_plan plan;
    bool yes, json;
    char store[32], broker[32], topic[256];
};

/* ---- the plan ---- */

static int name_plugin(struct obx_app *app, const char *relay, enum outbox_kind kind, char *name, size_t size,
                       struct outbox_error *error)
{
    struct obx_session session;
    int status = obx_session_open(&session, app, relay, kind, error);
    if (status)
        return status;
    snprintf(name, size, "%s", obx_instance_name(session.instance));
    obx_session_close(&session);
    return OUTBOX_OK;
}

/* What it will act on; nothing is connected to yet. */
static int prepare(struct obx_app *app, struct request *request, struct outbox_error *error)
{
    struct obx_bench_plan *plan = &request->plan;
    int status = obx_app_one_relay(app, &plan->relay, error);
    obx_bench_mark(plan->mark, app->loop->ops->random(app->loop), app->loop->ops->random(app->loop));
    if (!status)
        status = name_plugin(app, plan->relay, OUTBOX_STORE, request->store, sizeof request->store, error);
    if (!status)
        status = name_plugin(app, plan->relay, OUTBOX_BROKER, request->broker, sizeof request->broker, error);
    if (!status)
        status = obx_bench_topic(app, plan, request->topic, sizeof request->topic, error);
    return status;
}

static void print_plan(const struct request *request)
{
    const struct obx_bench_plan *plan = &request->plan;
    printf("%s: would relay what is in the outbox, then\n", plan->relay);
    if (plan->events)
        printf("  write %" PRIu64 " events of %" PRIu32 " bytes with %" PRIu32
               " keys to the outbox (%s), and relay them\n",
               plan->events, plan->bytes, plan->keys, request->store);
    if (plan->rate)
        printf("  write %" PRIu32 " more a second for %" PRIu32 " s, and relay them meanwhile\n", plan->rate,
               plan->seconds);
    printf("They are published (%s) to topic %s, aggregate type " OBX_BENCH_AGGREGATE_TYPE ", about %.1f MB;\n"
           "whoever reads that topic sees them. Nothing was done yet; --yes does it\n",
           request->broker, request->topic,
           (double)plan->bytes * (double)(plan->events + (uint64_t)plan->rate * plan->seconds) / 1e6);
}

/* ---- the result ---- */

static double per(double amount, double what)
{
    return what > 0 ? amount / what : 0;
}

static double drain_rate(const struct obx_bench_result *result)
{
    return per((double)result->drained, result->drain_seconds);
}

static double cpu_us(const struct obx_bench_result *result)
{
    return per(result->drain_cpu_seconds * 1e6, (double)result->drained);
}

static void print_steady(const struct obx_bench_result *result)
{
    printf("  %-10s %" PRIu64 " events in %.1f s, %.0f/s; %.1f %% of a core, writing included\n", "steady",
           result->steady, result->steady_seconds, per((double)result->steady, result->steady_seconds),
           per(result->steady_cpu_seconds, result->steady_seconds) * 100);
    printf("  %-10s p50 %.2f ms, p99 %.2f ms, max %.2f ms from commit to confirmed\n", "latency",
           (double)result->latency_ns[0] / 1e6, (double)result->latency_ns[1] / 1e6,
           (double)result->latency_ns[2] / 1e6);
    printf("  %-10s p50 %.2f ms, p99 %.2f ms, max %.2f ms for a writer's transaction\n", "commit",
           (double)result->commit_ns[0] / 1e6, (double)result->commit_ns[1] / 1e6, (double)result->commit_ns[2] / 1e6);
}

static void print_result(const struct request *request, const struct obx_bench_result *result)
{
    printf("%s: %s to %s, %" PRIu32 " bytes, %" PRIu32 " keys, topic %s\n", request->plan.relay, request->store,
           request->broker, request->plan.bytes, request->plan.keys, request->topic);
    if (result->written)
        printf("  %-10s %" PRIu64 " events in %.2f s, %.0f/s\n", "written", result->written, result->write_seconds,
               per((double)result->written, result->write_seconds));
    if (result->written)
        printf("  %-10s %" PRIu64 " events in %.2f s, %.0f/s; %.2f us CPU of the relay each\n", "drained",
               result->drained, result->drain_seconds, drain_rate(result), cpu_us(result));
    if (result->steady)
        print_steady(result);
    printf("  %-10s %.1f MB at most\n", "memory", (double)result->peak_kilobytes / 1024);
    if (result->resent || result->retried)
        printf("  %-10s %" PRIu64 " sent again after an outage, %" PRIu64 " attempts failed\n", "trouble",
               result->resent, result->retried);
    if (result->others)
        printf("  %-10s %" PRIu64 " events of applications were relayed as well\n", "others", result->others);
    if (result->left)
        printf("  %-10s %" PRIu64 " events of this run may be in the outbox still; the next relay publishes them\n",
               "left", result->left);
}

static json_t *milliseconds(const uint64_t ns[3])
{
    return json_pack("{s:f, s:f, s:f}", "p50", (double)ns[0] / 1e6, "p99", (double)ns[1] / 1e6, "max",
                     (double)ns[2] / 1e6);
}

static json_t *to_json(const struct request *request, const struct obx_bench_result *result)
{
    const struct obx_bench_plan *plan = &request->plan;
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "relay", plan->relay, "store", request->store,
                               "broker", request->broker, "topic", request->topic, "bytes", (json_int_t)plan->bytes,
                               "keys", (json_int_t)plan->keys);
    json_object_set_new(
        object, "written",
        json_pack("{s:I, s:f}", "events", (json_int_t)result->written, "seconds", result->write_seconds));
    json_object_set_new(object, "drained",
                        json_pack("{s:I, s:f, s:f, s:f}", "events", (json_int_t)result->drained, "seconds",
                                  result->drain_seconds, "rate", drain_rate(result), "cpu_us", cpu_us(result)));
    json_object_set_new(object, "steady",
                        json_pack("{s:I, s:f, s:f, s:o, s:o}", "events", (json_int_t)result->steady, "seconds",
                                  result->steady_seconds, "cpu_seconds", result->steady_cpu_seconds, "latency_ms",
                                  milliseconds(result->latency_ns), "commit_ms", milliseconds(result->commit_ns)));
    json_object_set_new(object, "peak_kilobytes", json_integer(result->peak_kilobytes));
    json_object_set_new(object, "resent", json_integer((json_int_t)result->resent));
    json_object_set_new(object, "retried", json_integer((json_int_t)result->retried));
    json_object_set_new(object, "others", json_integer((json_int_t)result->others));
    json_object_set_new(object, "left", json_integer((json_int_t)result->left));
    json_object_set_new(object, "interrupted", json_boolean(result->interrupted));
    return object;
}

static void show(const struct request *request, const struct obx_bench_result *result)
{
    if (!request->json) {
        print_result(request, result);
        return;
    }
    json_t *object = to_json(request, result);
    json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)), putchar('\n');
    json_decref(object);
}

static int bench(struct obx_app *app, void *arg, struct outbox_error *error)
{
    struct request *request = arg;
    struct obx_bench_result result;
    int status = prepare(app, request, error);
    if (status)
        return status;
    if (!request->yes) {
        print_plan(request);
        error->code = OUTBOX_OK;
        return OBX_EXIT_USAGE;
    }
    status = obx_bench_run(app, &request->plan, &result, error);
    if (!status || result.written || result.steady)
        show(request, &result);
    if (status)
        return status;
    error->code = OUTBOX_OK;
    return result.interrupted ? OBX_EXIT_AGAIN : OBX_EXIT_OK;
}

/* ---- the command line ---- */

/* 0, or the exit code after saying what is wrong. */
static int take(const struct obx_verb *verb, struct request *request, int option)
{
    static const struct {
        const char *name;
        uint64_t min, max;
    } bounds[] = {[EVENTS] = {"--events", 0, 10000000},
                  [BYTES] = {"--bytes", OBX_BENCH_LEAST_BYTES, 1 << 20},
                  [KEYS] = {"--keys", 1, 1000000},
                  [RATE] = {"--rate", 0, 100000},
                  [SECONDS] = {"--seconds", 1, 3600}};
    uint64_t number;
    request->yes |= option == YES;
    request->json |= option == JSON;
    if (option >= (int)OBX_COUNT(bounds))
        return 0;
    if (!obx_args_number(optarg, bounds[option].min, bounds[option].max, &number))
        return obx_args_refuse(verb, "%s needs a number from %" PRIu64 " to %" PRIu64 ", not '%s'", bounds[option].name,
                               bounds[option].min, bounds[option].max, optarg);
    if (option == EVENTS)
        request->plan.events = number;
    else if (option == BYTES)
        request->plan.bytes = (uint32_t)number;
    else if (option == KEYS)
        request->plan.keys = (uint32_t)number;
    else if (option == RATE)
        request->plan.rate = (uint32_t)number;
    else
        request->plan.seconds = (uint32_t)number;
    return 0;
}

static int judge(const struct obx_verb *verb, const struct obx_bench_plan *plan)
{
    if (!plan->events && !plan->rate)
        return obx_args_refuse(verb, "--events 0 and --rate 0 leave nothing to do");
    if ((uint64_t)plan->rate * plan->seconds > MOST_STEADY)
        return obx_args_refuse(verb, "--rate times --seconds is more than %u events; shorten it", MOST_STEADY);
    return 0;
}

static int run(const struct obx_verb *verb, int argc, char **argv)
{
    static const struct option options[] = {OBX_ARGS_COMMON,
                                            {"events", required_argument, NULL, EVENTS},
                                            {"bytes", required_argument, NULL, BYTES},
                                            {"keys", required_argument, NULL, KEYS},
                                            {"rate", required_argument, NULL, RATE},
                                            {"seconds", required_argument, NULL, SECONDS},
                                            {"yes", no_argument, NULL, YES},
                                            {"json", no_argument, NULL, JSON},
                                            {0}};
    struct obx_args args = {.verb = verb, .options = options, .argc = argc, .argv = argv};
    struct request request = {.plan = {.events = 10000,
                                       .bytes = 256,
                                       .keys = 100,
                                       .rate = 500,
                                       .seconds = 10,
                                       .on_terminal = isatty(STDERR_FILENO) == 1}};
    int found, refused;
    while ((found = obx_args_next(&args)) != -1)
        if ((refused = take(verb, &request, found)))
            return refused;
    if (obx_args_end(&args))
        return args.exit;
    if ((refused = judge(verb, &request.plan)))
        return refused;
    return obx_app_do(&args, bench, &request);
}

const struct obx_verb obx_verb_bench = {
    "bench",
    "measure this deployment with events of its own",
    "[-c FILE] [--relay NAME] [--events N] [--bytes N] [--keys N] [--rate N] [--seconds N] [--json] --yes",
    "Relays what is in the outbox, tries whether the broker takes an event of this kind, then writes\n"
    "events of aggregate type " OBX_BENCH_AGGREGATE_TYPE
    " to the outbox of the configuration and relays them. They are\n"
    "published: whoever reads their topic sees them. The relay that runs must be stopped meanwhile;\n"
    "to measure beside it, name another table in a copy of the configuration, and `outbox init` it.\n"
    "SIGINT ends the writing; what was written is delivered.\n\n"
    "  --events N          written while the relay rests, then drained: the rate (default 10000; 0: not)\n"
    "  --rate N            then so many a second: the latency (default 500; 0: not)\n"
    "  --seconds N         for so long (default 10)\n"
    "  --bytes N           of a payload, which is JSON (default 256)\n"
    "  --keys N            different aggregate ids (default 100)\n"
    "  --json              as one JSON object\n"
    "  --yes               do it; without it only what would be done is said, and the exit code is 64\n",
    run,
    false};

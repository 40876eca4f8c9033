/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/bench.c - outbox bench: how fast is this deployment?
 *
 * It publishes events, so without --yes it only prints what it would do. Here is the command line; bench/ has the rest.
 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "bench/bench.h"
#include "cli/exit_code.h"
#include "verbs/verbs.h"

enum { EVENTS = 1, BYTES, KEYS, RATE, SECONDS, YES, JSON };
#define MAX_STEADY_EVENTS 1000000u

struct request {
    struct obx_bench_plan plan;
    bool yes, json;
};

static int name_plugin(struct obx_context *context, const char *relay, enum outbox_kind kind, char *name, size_t size,
                       struct outbox_error *error)
{
    struct obx_oneshot oneshot;
    int status = obx_oneshot_open(&oneshot, context, relay, kind, error);
    if (status)
        return status;
    snprintf(name, size, "%s", obx_instance_name(oneshot.instance));
    obx_oneshot_close(&oneshot);
    return OUTBOX_OK;
}

/* Complete the plan; connects to nothing. */
static int prepare(struct obx_context *context, struct obx_bench_plan *plan, struct outbox_error *error)
{
    int status = obx_context_single_relay(context, &plan->relay, error);
    obx_bench_prefix(plan->prefix, context->loop->ops->random(context->loop),
                     context->loop->ops->random(context->loop));
    if (!status)
        status = name_plugin(context, plan->relay, OUTBOX_STORE, plan->store, sizeof plan->store, error);
    if (!status)
        status = name_plugin(context, plan->relay, OUTBOX_BROKER, plan->broker, sizeof plan->broker, error);
    return status ? status : obx_bench_topic(context, plan, plan->topic, sizeof plan->topic, error);
}

static int bench(struct obx_context *context, void *arg, struct outbox_error *error)
{
    struct request *request = arg;
    struct obx_bench_plan *plan = &request->plan;
    struct obx_bench_result result;
    int status = prepare(context, plan, error);
    if (status)
        return status;
    if (!request->yes) {
        obx_bench_print_plan(plan);
        error->code = OUTBOX_OK;
        return OBX_EXIT_USAGE;
    }
    status = obx_bench_run(context, plan, &result, error);
    if (!status || result.written || result.steady)
        (request->json ? obx_bench_print_json : obx_bench_print_result)(plan, &result);
    if (status)
        return status;
    error->code = OUTBOX_OK;
    return result.interrupted ? OBX_EXIT_AGAIN : OBX_EXIT_OK;
}

/* ---- the command line ---- */

static void set_number(struct obx_bench_plan *plan, int option, uint64_t number)
{
    switch (option) {
    case EVENTS:
        plan->events = number;
        break;
    case BYTES:
        plan->bytes = (uint32_t)number;
        break;
    case KEYS:
        plan->keys = (uint32_t)number;
        break;
    case RATE:
        plan->rate = (uint32_t)number;
        break;
    default:
        plan->seconds = (uint32_t)number;
    }
}

/* 0, or the exit code after printing what is wrong. */
static int set_option(const struct obx_verb *verb, struct request *request, int option)
{
    static const struct {
        const char *name;
        uint64_t min, max;
    } bounds[] = {[EVENTS] = {"--events", 0, 10000000},
                  [BYTES] = {"--bytes", OBX_BENCH_MIN_BYTES, 1 << 20},
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
    set_number(&request->plan, option, number);
    return 0;
}

static int check_plan(const struct obx_verb *verb, const struct obx_bench_plan *plan)
{
    if (!plan->events && !plan->rate)
        return obx_args_refuse(verb, "--events 0 and --rate 0 leave nothing to do");
    if ((uint64_t)plan->rate * plan->seconds > MAX_STEADY_EVENTS)
        return obx_args_refuse(verb, "--rate times --seconds is more than %u events; reduce one of them",
                               MAX_STEADY_EVENTS);
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
        if ((refused = set_option(verb, &request, found)))
            return refused;
    if (obx_args_end(&args))
        return args.exit;
    if ((refused = check_plan(verb, &request.plan)))
        return refused;
    return obx_context_run(&args, bench, &request);
}

const struct obx_verb obx_verb_bench = {
    "bench",
    "measure this deployment by publishing test events",
    "[-c FILE] [--relay NAME] [--events N] [--bytes N] [--keys N] [--rate N] [--seconds N] [--json] --yes",
    "Relays the rows that the outbox already has and publishes one event of aggregate type\n" OBX_BENCH_AGGREGATE_TYPE
    ". If the broker accepts it, writes such events to the outbox of the configuration and\n"
    "relays them. Consumers of their topic receive them. Stop the running relay first; to measure\n"
    "while it runs, name another table in a copy of the configuration, and run `outbox init` with it.\n"
    "SIGINT ends the writing; written events are delivered.\n\n"
    "  --events N          events written before the relay starts: the drain rate (default 10000; 0: skip)\n"
    "  --rate N            events per second after the drain: the latency (default 500; 0: skip)\n"
    "  --seconds N         duration of the steady rate (default 10)\n"
    "  --bytes N           size of a payload, which is JSON (default 256)\n"
    "  --keys N            number of distinct aggregate ids (default 100)\n"
    "  --json              print one JSON object\n"
    "  --yes               run it; without it, only print what would be done, and exit with 64\n",
    run,
    false};

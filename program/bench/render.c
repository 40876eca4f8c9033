/* SPDX-License-Identifier: Apache-2.0 */
/* program/bench/render.c - the plan and the result of `outbox bench` as text, and the result as JSON */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "bench/bench.h"

void obx_bench_print_plan(const struct obx_bench_plan *plan)
{
    printf("%s: would relay the rows that the outbox already has, then\n", plan->relay);
    if (plan->events)
        printf("  write %" PRIu64 " events of %" PRIu32 " bytes with %" PRIu32
               " keys to the outbox (%s), and relay them\n",
               plan->events, plan->bytes, plan->keys, plan->store);
    if (plan->rate)
        printf("  write %" PRIu32 " more a second for %" PRIu32 " s, and relay them meanwhile\n", plan->rate,
               plan->seconds);
    printf("They are published (%s) to topic %s, aggregate type " OBX_BENCH_AGGREGATE_TYPE ", about %.1f MB.\n"
           "Consumers of that topic receive them. Nothing was done yet; add --yes to run it\n",
           plan->broker, plan->topic,
           (double)plan->bytes * (double)(plan->events + (uint64_t)plan->rate * plan->seconds) / 1e6);
}

static double per(double amount, double unit)
{
    return unit > 0 ? amount / unit : 0;
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

void obx_bench_print_result(const struct obx_bench_plan *plan, const struct obx_bench_result *result)
{
    printf("%s: %s to %s, %" PRIu32 " bytes, %" PRIu32 " keys, topic %s\n", plan->relay, plan->store, plan->broker,
           plan->bytes, plan->keys, plan->topic);
    if (result->written)
        printf("  %-10s %" PRIu64 " events in %.2f s, %.0f/s\n", "written", result->written, result->write_seconds,
               per((double)result->written, result->write_seconds));
    if (result->written)
        printf("  %-10s %" PRIu64 " events in %.2f s, %.0f/s; %.2f us CPU of the relay per event\n", "drained",
               result->drained, result->drain_seconds, drain_rate(result), cpu_us(result));
    if (result->steady)
        print_steady(result);
    printf("  %-10s %.1f MB private dirty at the end, %.1f MB resident at most\n", "memory",
           (double)result->private_dirty_kilobytes / 1024, (double)result->peak_kilobytes / 1024);
    if (result->resent || result->retried)
        printf("  %-10s %" PRIu64 " sent again after an outage, %" PRIu64 " attempts failed\n", "failures",
               result->resent, result->retried);
    if (result->other_events)
        printf("  %-10s %" PRIu64 " events of applications were relayed as well\n", "others", result->other_events);
    if (result->undelivered)
        printf("  %-10s %" PRIu64 " events of this run may still be in the outbox; the next relay publishes them\n",
               "pending", result->undelivered);
}

static json_t *milliseconds(const uint64_t ns[3])
{
    return json_pack("{s:f, s:f, s:f}", "p50", (double)ns[0] / 1e6, "p99", (double)ns[1] / 1e6, "max",
                     (double)ns[2] / 1e6);
}

static json_t *to_json(const struct obx_bench_plan *plan, const struct obx_bench_result *result)
{
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "relay", plan->relay, "store", plan->store, "broker", plan->broker,
                  "topic", plan->topic, "bytes", (json_int_t)plan->bytes, "keys", (json_int_t)plan->keys);
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
    json_object_set_new(object, "private_dirty_kilobytes", json_integer(result->private_dirty_kilobytes));
    json_object_set_new(object, "resent", json_integer((json_int_t)result->resent));
    json_object_set_new(object, "retried", json_integer((json_int_t)result->retried));
    json_object_set_new(object, "other_events", json_integer((json_int_t)result->other_events));
    json_object_set_new(object, "undelivered", json_integer((json_int_t)result->undelivered));
    json_object_set_new(object, "interrupted", json_boolean(result->interrupted));
    return object;
}

void obx_bench_print_json(const struct obx_bench_plan *plan, const struct obx_bench_result *result)
{
    json_t *object = to_json(plan, result);
    json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(object);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/bench/bench.h - measures a deployment: its own database, broker and configuration
 *
 * run.c     the run: write, drain, then a steady rate
 * probe.c   publishes one event before anything is written to the outbox
 * relay.c   the relay of the run, and waiting for it
 * event.c   the events
 * render.c  the result as text and JSON
 * verbs/bench.c has the command line.
 */
#ifndef OBX_PROGRAM_BENCH_BENCH_H
#define OBX_PROGRAM_BENCH_BENCH_H

#include "bench/event.h"
#include "cli/oneshot.h"

struct obx_bench_plan {
    const char *relay;
    uint64_t events;                        /* of the drain; 0: none */
    uint32_t bytes;                         /* of a payload */
    uint32_t keys;                          /* distinct aggregate ids */
    uint32_t rate, seconds;                 /* of the steady part; either 0: none */
    bool on_terminal;                       /* show progress */
    char prefix[OBX_BENCH_PREFIX_SIZE + 1]; /* of the event ids */
    char store[32], broker[32], topic[256]; /* for the output: plugin names, where events go */
};

struct obx_bench_result {
    uint64_t written; /* before the drain */
    double write_seconds;
    uint64_t drained; /* rows removed meanwhile, including events of applications */
    double drain_seconds, drain_cpu_seconds;
    uint64_t steady; /* delivered events of the steady part */
    double steady_seconds, steady_cpu_seconds;
    uint64_t latency_ns[3], commit_ns[3]; /* p50, p99, max */
    uint64_t other_events;                /* events of applications, relayed meanwhile */
    uint64_t resent, retried;
    uint64_t undelivered;         /* events of this run */
    long peak_kilobytes;          /* resident set, at its largest */
    long private_dirty_kilobytes; /* at the end; -1: the kernel does not report it */
    bool interrupted;
};

/* Publish one event as the configuration defines, without the outbox. Errors: the broker's. */
int obx_bench_probe(struct obx_context *context, const struct obx_bench_plan *plan, struct outbox_error *error);
/* The topic of such an event; no I/O. */
int obx_bench_topic(struct obx_context *context, const struct obx_bench_plan *plan, char *topic, size_t size,
                    struct outbox_error *error);

/* The result is filled also on failure. */
int obx_bench_run(struct obx_context *context, const struct obx_bench_plan *plan, struct obx_bench_result *result,
                  struct outbox_error *error);

/* On stdout. The plan: what --yes would do. */
void obx_bench_print_plan(const struct obx_bench_plan *plan);
void obx_bench_print_result(const struct obx_bench_plan *plan, const struct obx_bench_result *result);
void obx_bench_print_json(const struct obx_bench_plan *plan, const struct obx_bench_result *result);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/bench/bench.h - measuring a deployment: its own database, its own broker, its own configuration
 *
 * bench_probe.c  may such events be published at all? Tried with one, before anything is written to the outbox
 * bench.c        the run: write, drain, then a steady rate
 * bench_relay.c  the relay that it runs, and waiting for it
 * bench_event.c  the events
 * verb_bench.c   the command line and what is printed
 */
#ifndef OBX_PROGRAM_BENCH_BENCH_H
#define OBX_PROGRAM_BENCH_BENCH_H

#include "bench/bench_event.h"
#include "cli/oneshot.h"

struct obx_bench_plan {
    const char *relay;
    uint64_t events;        /* of the drain; 0: none */
    uint32_t bytes;         /* of a payload */
    uint32_t keys;          /* aggregate ids */
    uint32_t rate, seconds; /* of the steady part; either 0: none */
    bool on_terminal;       /* show how far it is */
    char mark[OBX_BENCH_MARK + 1];
};

struct obx_bench_result {
    uint64_t written; /* before the drain */
    double write_seconds;
    uint64_t drained; /* rows removed meanwhile, others' included */
    double drain_seconds, drain_cpu_seconds;
    uint64_t steady; /* events of the steady part whose delivery was seen */
    double steady_seconds, steady_cpu_seconds;
    uint64_t latency_ns[3], commit_ns[3]; /* p50, p99, max */
    uint64_t others;                      /* events that are not ours, relayed meanwhile */
    uint64_t resent, retried;
    uint64_t left; /* ours that were not delivered when it ended */
    long peak_kilobytes;
    bool interrupted;
};

/* Publish one event as the configuration says, without the outbox. topic: where it went. */
int obx_bench_probe(struct obx_app *app, const struct obx_bench_plan *plan, char *topic, size_t size,
                    struct outbox_error *error);
/* Where it would go; no I/O. */
int obx_bench_topic(struct obx_app *app, const struct obx_bench_plan *plan, char *topic, size_t size,
                    struct outbox_error *error);

/* The result is filled also when it fails. */
int obx_bench_run(struct obx_app *app, const struct obx_bench_plan *plan, struct obx_bench_result *result,
                  struct outbox_error *error);

#endif

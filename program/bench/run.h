/* SPDX-License-Identifier: Apache-2.0 */
/* program/bench/run.h - the state of a run of `outbox bench`, for run.c and relay.c only */
#ifndef OBX_PROGRAM_BENCH_RUN_H
#define OBX_PROGRAM_BENCH_RUN_H

#include "relay/relay.h"
#include "cli/add_lines.h"
#include "bench/bench.h"

struct bench {
    struct obx_context *context;
    const struct obx_bench_plan *plan;
    struct obx_bench_result *result;
    struct obx_oneshot store; /* for adding events */
    struct obx_relay *relay;
    struct obx_timer tick_timer;     /* ends a turn of the loop every millisecond */
    enum outbox_log_level log_level; /* once the relay works; before, the verb reports failures itself */
    uint32_t signals;
    bool started; /* the relay is relaying, or was since its start */
    bool drained, stopped, progress_shown;
    uint64_t relaying_ns, progress_ns;
    struct outbox_stats before; /* at the start of the drain */
    uint64_t claimed;           /* when the last event of the drain was delivered */
    uint64_t total;             /* event numbers: first those of the drain, then the steady ones */
    uint64_t written;           /* event numbers below this are committed */
    uint8_t *delivered;         /* by number */
    uint64_t delivered_count;
    uint64_t *commit_ns;      /* by steady number: when its transaction had committed */
    uint64_t *deliver_ns;     /* by steady number: when the broker confirmed it */
    uint64_t *transaction_ns; /* duration of each transaction */
    uint64_t transactions;
    char *payloads; /* of one transaction */
    struct obx_bench_event events[OBX_ADD_BATCH];
    uint32_t per_add; /* maximum events of one transaction */
};

/* Make the relay; no I/O. */
int obx_bench_open_relay(struct bench *bench, struct outbox_error *error);
void obx_bench_start(struct bench *bench);
void obx_bench_stop(struct bench *bench); /* within its stop_timeout; at once after a second signal */
struct outbox_stats obx_bench_stats(const struct bench *bench);
void obx_bench_set_log_level(struct bench *bench, enum outbox_log_level level);

/* One turn of the loop; it ends after 1 ms if nothing happens. */
void obx_bench_turn(struct bench *bench);
/* Turn the loop until done(). A relay that cannot work, a wait without progress and a signal are errors. */
int obx_bench_wait(struct bench *bench, const char *what, bool (*done)(const struct bench *bench),
                   struct outbox_error *error);
/* A progress line, on a terminal, at most every 200 ms. */
void obx_bench_show_progress(struct bench *bench, const char *what);
void obx_bench_clear_progress(struct bench *bench);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* program/bench/bench_run.h - the state of a run of `outbox bench`, shared by bench.c and bench_relay.c alone */
#ifndef OBX_PROGRAM_BENCH_BENCH_RUN_H
#define OBX_PROGRAM_BENCH_BENCH_RUN_H

#include "relay/relay.h"
#include "cli/add_lines.h"
#include "bench/bench.h"

struct bench {
    struct obx_app *app;
    const struct obx_bench_plan *plan;
    struct obx_bench_result *result;
    struct obx_session store; /* for adding */
    struct obx_relay *relay;
    struct obx_timer ticker;     /* ends a turn of the loop every millisecond while something is waited for */
    enum outbox_log_level level; /* of the log, once the relay works; what fails before is told by the verb */
    uint32_t signals;
    bool started, drained, stopped, drawn; /* started: it relays, or has since its start */
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

/* Make the relay; no I/O. */
int obx_bench_open_relay(struct bench *bench, struct outbox_error *error);
void obx_bench_start(struct bench *bench);
void obx_bench_stop(struct bench *bench); /* within the relay's own deadline; at once after a second signal */
struct outbox_stats obx_bench_stats(const struct bench *bench);
void obx_bench_speak(struct bench *bench, enum outbox_log_level level); /* the log, from this level on */

/* One turn of the loop, which ends within a millisecond when nothing happens. */
void obx_bench_turn(struct bench *bench);
/* Turn the loop until done() says so. The relay that cannot work, a stalled or an interrupted wait are errors. */
int obx_bench_wait(struct bench *bench, const char *what, bool (*done)(const struct bench *bench),
                   struct outbox_error *error);
/* How far it is, on a terminal, now and then. */
void obx_bench_draw(struct bench *bench, const char *what);
void obx_bench_clear_line(struct bench *bench);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/store.h - the store plugin of the simulation: a client of the database server
 *
 *   store.c    the plugin: operations, losing the connection, canceling, stopping
 *   request.c  one operation on its way to the server and back, and what the server does
 *   rows.c     claims: the selection of rows, and their batches
 *
 * An operation is sent to the server as a request, which belongs to the world: the server executes it even if the
 * client no longer waits, or has crashed. The answer arrives through the loop of the client's process.
 */
#ifndef OBX_TESTS_SIMULATION_STORE_H
#define OBX_TESTS_SIMULATION_STORE_H

#include <outbox/plugin.h>

#include "db.h"
#include "node.h"
#include "sql/gaps/gaps.h"
#include "sql/gaps/id_ranges.h"

enum sim_operation {
    SIM_OPERATION_START,
    SIM_OPERATION_ACQUIRE,
    SIM_OPERATION_RENEW,
    SIM_OPERATION_CLAIM,
    SIM_OPERATION_SETTLE,
    SIM_OPERATION_SPOOL,
    SIM_OPERATION_DEAD_LETTER,
    SIM_OPERATION_DEAD
};

/* The server's answer to a claim. */
struct sim_rows {
    uint32_t *numbers; /* of events */
    int64_t *ids;
    uint32_t count;
    bool more;
    uint64_t active[SIM_TXNS];
    struct obx_sql_snapshot snapshot;
    bool inspected;
    struct obx_sql_writer holders[SIM_TXNS];
    uint32_t holder_count;
    /* of a log */
    bool spooled, ended; /* rows of the spool; it has no more */
    uint32_t result, percent;
};

struct sim_request {
    struct obx_list link;     /* in store->requests, while the client waits */
    struct obx_timer inspect; /* in the world, like the next: at the server */
    struct obx_timer arrive;
    struct obx_timer answer; /* in the client's loop */
    struct sim_store *store; /* NULL: the client waits no more */
    struct sim_node *node;
    uint32_t life;
    struct sim_session *session;
    enum sim_operation operation;
    outbox_op_t op;
    void *args;                   /* the core's; only while the client waits */
    int code;                     /* of the answer */
    bool breaks;                  /* the connection is gone with the answer */
    bool waits;                   /* at the server, for a lock */
    struct obx_sql_range *ranges; /* of a settle, of a dead-letter move */
    uint32_t range_count;
    int64_t low; /* of a settle and of a spool */
    struct sim_rows rows;
};

struct sim_store {
    const struct outbox_host *host;
    struct sim_node *node;
    struct sim_session *session; /* NULL: not connected */
    bool cut;                    /* the network drops everything */
    bool broken;                 /* the client knows, or learns with its next request, that the connection is lost */
    bool wakeup_armed, owned;
    uint32_t known_epoch;
    struct obx_list requests;
    struct obx_timer stop_timer, lost_timer, wakeup_timer;
    outbox_op_t stop_op;
    uint32_t column_count;
    char columns[12][24];
    /* plain tracking: rows returned since the last rewind */
    uint8_t *returned;
    int64_t returned_room;
    /* of a log, where `returned` are the rows that are settled: the last rows that were returned */
    int64_t spool_at, log_at; /* spool_at INT64_MAX: no more; log_at 0: the stored position */
    /* tracking by backends/sql */
    struct obx_sql_gaps gaps;
    struct obx_sql_ranges runs;
    uint64_t inspected_ns;
    uint32_t borrowed;
    struct outbox_position *staying; /* owned: rows that settles did not remove */
    uint32_t staying_room;
};

extern struct outbox_plugin sim_store_plugin;
void sim_store_shape(void); /* as the plan wants it; before it is registered */

void sim_store_crash(struct sim_node *node);
uint32_t sim_store_lent(const struct sim_node *node);
bool sim_store_owns(const struct sim_node *node); /* and nothing is wrong with its session */
void sim_store_notify(void);                      /* something was committed: wakes the relay that armed its wake-up */
void sim_store_lose(struct sim_node *node);       /* the connection breaks, the server does not know yet */
void sim_store_cut(struct sim_node *node);        /* it goes silent */

/* request.c */
struct sim_request *sim_request_new(struct sim_store *store, enum sim_operation operation, outbox_op_t op, void *args);
void sim_request_send(struct sim_request *request);
void sim_request_complete(struct sim_request *request, int code); /* at the client, which no longer waits */
void sim_store_break(struct sim_store *store, int code);          /* all requests fail, the session has ended */

/* rows.c */
void sim_rows_inspect(struct sim_request *request);                  /* at the server */
void sim_rows_select(struct sim_request *request);                   /* at the server */
void sim_rows_answer(struct sim_request *request);                   /* at the client; completes or asks again */
bool sim_rows_note(struct sim_store *store, int64_t lo, int64_t hi); /* `returned`; false: no memory */
void sim_rows_rewind(struct sim_store *store);
void sim_rows_release(void *self, struct outbox_batch *batch);

#endif

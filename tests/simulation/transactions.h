/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/transactions.h - a broker plugin with OUTBOX_CAP_EXACTLY_ONCE, and the coordinator that it talks to
 *
 *   transactions.c  the plugin, as brokers/kafka does it: one open transaction, the record of brokers/kafka/progress.c,
 *                   a new producer after each end that is not a commit with one EndTxn
 *   coordinator.c   the cluster: epochs, what a transaction has written, requests that arrive late and twice
 *
 * A transaction is written in two requests; the second one carries the record. EndTxn follows their answer. Without an
 * answer the client sends it again, after which either copy may arrive at any time, also in the next transaction: the
 * coordinator then ends what is open. A commit may succeed without an answer. A new producer has a higher epoch, ends
 * what its predecessor left open, and fences it; so does the time-out of a transaction.
 */
#ifndef OBX_TESTS_SIMULATION_TRANSACTIONS_H
#define OBX_TESTS_SIMULATION_TRANSACTIONS_H

#include <outbox/plugin.h>

#include "../../brokers/kafka/progress.h"
#include "node.h"
#include "producer.h"

struct sim_once;

/* A producer from start to stop. Owned by the world. */
struct sim_client {
    struct sim_node *node;
    struct sim_once *plugin; /* NULL: it has died, or was closed */
    uint32_t epoch;
};

enum sim_answer { SIM_WRITTEN, SIM_COMMITTED_TXN, SIM_FENCED };

extern const struct outbox_plugin sim_once_plugin;
void sim_once_crash(struct sim_node *node);
void sim_once_lose(struct sim_node *node);

/* coordinator.c; all in the world */
void sim_coordinator_init(void);
uint32_t sim_coordinator_fence(void);                           /* a new producer: what is open is aborted; its epoch */
const struct kafka_progress_list *sim_coordinator_record(void); /* the last committed one */
/* Copies the records. With `record` it is the second request. */
void sim_coordinator_write(struct sim_client *client, const struct sim_record *records, uint32_t count,
                           const struct kafka_progress_list *record);
void sim_coordinator_end(struct sim_client *client);

/* transactions.c: an answer has come, in the loop of the node */
void sim_once_answered(struct sim_client *client, enum sim_answer answer);

#endif

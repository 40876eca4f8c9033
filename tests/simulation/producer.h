/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/producer.h - the broker plugin of the simulation, and the cluster that it sends to
 *
 *   producer.c  the plugin: publishing, outcomes, stopping; and the order that OUTBOX_CAP_ORDERED promises
 *   cluster.c   flights of messages to the cluster and back, and their fate there
 *   leader.c    partitions without a leader, and the log of the next leader
 *
 * A flight belongs to the simulated network: it arrives and is appended even if its producer has died. With order there
 * is one flight at a time for each partition; without, each publish is torn into flights that overtake each other.
 *
 * ORDER. When a message of a lane (a key, or a partition) is reported as not delivered, messages of the lane that were
 * submitted before that report are refused. Later ones are not: from then on the host keeps the order.
 *
 * ROOM. The producer accepts as many messages as its queue has room for, like librdkafka. The others wait in the order
 * of their publishes, and are accepted as reports arrive.
 */
#ifndef OBX_TESTS_SIMULATION_PRODUCER_H
#define OBX_TESTS_SIMULATION_PRODUCER_H

#include <outbox/plugin.h>

#include "db.h"
#include "node.h"
#include "window.h"

#define SIM_PARTITIONS 8
#define SIM_FLIGHT 64 /* messages */

struct sim_publish {
    struct obx_list link;
    struct sim_producer *producer;
    outbox_op_t op;
    uint64_t number;
    const struct outbox_publish *args; /* the core's; until it is completed */
    uint32_t untold;
};

/* A message in a log, or on its way there; hashes, for the verdict. */
struct sim_record {
    uint32_t event;
    uint64_t payload, content;
    struct window_mark mark;
};

struct sim_message {
    struct obx_list link;
    struct sim_publish *publish;
    uint32_t index;
    uint32_t partition, lane;
    uint32_t generation; /* of ownership, when it was submitted */
    uint64_t queued_ns;
    struct outbox_error error;
    uint8_t outcome;
    struct sim_record record;
    bool refused; /* when it was sent, its lane was blocked */
};

struct sim_flight {
    struct obx_list link;          /* in producer->flights, while somebody waits for it */
    struct sim_producer *producer; /* NULL: its reports are ignored */
    uint32_t partition;            /* SIM_PARTITIONS: of several, in any order */
    struct sim_message *messages[SIM_FLIGHT];
    uint32_t count;
    struct obx_timer arrive, report;
    /* leader.c: written to the log of a leader that was lost, unconfirmed; and what of that the next one has */
    struct obx_list tail;
    struct sim_record written[SIM_FLIGHT];
    uint32_t written_count, kept;
};

/* A connection to the cluster, from start to stop. Owned by the world. */
struct sim_producer {
    struct sim_node *node;
    uint32_t life;
    struct sim_broker *broker; /* NULL: gone */
    bool broken, failed;
    uint64_t submitted;
    struct obx_list queues[SIM_PARTITIONS]; /* of messages not sent yet */
    bool flying[SIM_PARTITIONS];
    struct obx_timer send[SIM_PARTITIONS];
    struct obx_list line; /* of messages that there is no room for */
    uint32_t taken;       /* messages in queues and flights */
    struct obx_list flights, publishes;
    uint32_t in_flight[SIM_MAX_KEYS + 1]; /* events of each key, for a concurrent broker */
    uint64_t barriers[SIM_MAX_KEYS + 1];  /* of each lane: publishes up to this number are refused */
};

struct sim_broker {
    const struct outbox_host *host;
    struct sim_node *node;
    struct sim_producer *producer; /* NULL: not started */
    outbox_op_t start_op, stop_op; /* in flight */
    struct obx_timer start_timer, stop_timer, lost_timer;
    uint32_t failures; /* starts and producers that failed since something was delivered */
    uint64_t failed_ns;
};

extern struct outbox_plugin sim_broker_plugin;
int sim_broker_admit(void *self, const struct outbox_message *message, struct outbox_error *error);
void sim_broker_shape(void); /* as the plan wants it; before it is registered */

void sim_producer_crash(struct sim_node *node);
void sim_producer_lose(struct sim_node *node); /* it fails for good */

/* producer.c, for flights */
/* With `order: none`, a broker that blocks everything after a permanently failing event would never finish. */
bool sim_order_kept(void);
bool sim_lane_refuses(const struct sim_producer *producer, const struct sim_message *message);
/* All messages of the flight have an outcome: report, complete, and send waiting messages. */
void sim_producer_land(struct sim_producer *producer, struct sim_message **messages, uint32_t count);
void sim_message_fail(struct sim_message *message, enum outbox_outcome outcome, int code);

/* cluster.c */
struct sim_partition {
    bool leaderless;
    struct obx_timer elect;
    struct obx_list tail; /* of flights: written to the old leader, in this order */
};
struct sim_cluster {
    bool down[SIM_PARTITIONS];
    uint64_t long_down_until_ns;
    struct sim_partition partitions[SIM_PARTITIONS];
};
void sim_cluster_init(void);
void sim_cluster_append(const struct sim_record *record);
void sim_producer_pump(struct sim_producer *producer, uint32_t partition);
void sim_flight_shuffled(struct sim_producer *producer, struct sim_message **messages, uint32_t count);
uint32_t sim_flight_partition(const struct sim_flight *flight);
bool sim_event_fails_now(const struct sim_event *event);

/* leader.c */
void sim_leader_lose(uint32_t partition, uint64_t ns);
void sim_leaders_elect(void); /* all that are missing */
/* There is no leader: the flight has to be sent again. It may have reached the old one. */
bool sim_leader_missed(struct sim_flight *flight);

#endif

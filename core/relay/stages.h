/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/stages.h - the stages of a relay, and the direction of their calls
 *
 * A stage is an opaque structure of its own file. Other files call its functions; none sees its fields. A file calls
 * only files that stand above it in this list, so there is no circle (tests/unit/relay/layers checks it):
 *
 *   causes          which causes of failures the log has, and since when
 *   skips           events that an operator wants out of the way
 *   timings         histograms of durations
 *   context         time, ticks, settings, counters
 *   failures        an operation that fails and is tried again
 *   progress        the first event of a start, and totals now and then, in the log
 *   batch           a claimed batch and the state of each of its rows
 *   keys, key_set   blocked keys with their events; keys that have dead letters
 *   low_mark        of stores that read a log: up to where it is not needed any more
 *   order           may this row go now? the decision tables
 *   link            one connection: started, up, lost, stopped
 *   retry_claim     which blocked events are claimed again, by position
 *   pipeline        where each batch is: READY, IN_FLIGHT, DONE, SETTLING
 *   dead_letter_rows  the rows that wait to become dead letters
 *   dead_letter_move  moves them, in operations of the store
 *   dead_letter_keys  which keys have dead letters, and the rows that follow these
 *   dead_letter     the three of them for the other stages
 *   reject          on_reject: what happens to an event that can never go
 *   stall_watchdog  a broker that reports no outcome
 *   key_pauses      how long a key that failed waits
 *   outcome         IN_FLIGHT -> DONE or READY, or rows wait for their key
 *   transform_jobs  routes READY batches and transforms them on workers
 *   prepare         a row becomes a message that may go: route, order, admit
 *   publish         READY -> IN_FLIGHT, one publish for a batch
 *   lanes           which keys have an event in flight, and the rows that wait for their turn
 *   lane_send       one publish for the rows of a batch whose turn it is
 *   lane_publish    READY -> IN_FLIGHT -> DONE or READY for concurrent brokers: one event of a key in flight
 *   poll_schedule   when the outbox is polled next
 *   log_room        how much of the log may still be kept
 *   backlog         since when rows are left in the outbox, and about how many
 *   claim_limits    how much the next claim may return
 *   record          delivery: exactly-once: what the record of the broker may forget
 *   position_header  route.position: the mark below which nothing is published any more
 *   claim_answer    rows of the store -> READY, or why there are none
 *   claim           when to claim, and what: polls, and retries
 *   settle          DONE -> SETTLING -> released
 *   spool           rows of the log that wait -> the spool
 *   ownership       the store's connection, the ownership of the outbox and its renewal
 *   exactly_once    delivery: exactly-once: the capability, and when the broker may start
 *   broker_link     the broker's connection
 *   control         pause, resume, retry, skip
 *   stop            the end of a relay
 *   status          state, drained, statistics
 *   relay_new       the parts of a relay, and how it is put together
 *   relay           the tick, which runs a step of every stage
 */
#ifndef OBX_RELAY_STAGES_H
#define OBX_RELAY_STAGES_H

#include "relay/context.h"
#include "relay/events.h"

struct obx_progress;
struct obx_keys;
struct obx_key_set;
struct obx_route;
struct obx_transforms;
struct obx_low_mark;
struct obx_log_room;
struct obx_link;
struct obx_retry_claim;
struct obx_pipeline;
struct obx_dead_letters;
struct obx_stall_watchdog;
struct obx_publisher;
struct obx_lane_publisher;
struct obx_record;
struct obx_position_header;
struct obx_claimer;
struct obx_settler;
struct obx_spool;
struct obx_ownership;

/* What may be in flight, by the capabilities of the broker and the order of the relay. */
enum obx_publish_mode {
    OBX_PUBLISH_ONE,        /* one publish, with one event of each key */
    OBX_PUBLISH_CONCURRENT, /* many publishes, with one event of each key over all of them */
    OBX_PUBLISH_PIPELINED   /* many publishes, with many events of each key */
};

/* Made once by relay_new.c, which owns them all; each pointer stays. */
struct obx_stages {
    struct obx_relay_context context;
    struct obx_relay_events events;
    struct obx_progress *progress;
    struct obx_keys *keys;
    struct obx_key_set *dead_letter_keys;
    struct obx_route *route;
    struct obx_transforms *transforms;
    struct obx_low_mark *low_mark;
    struct obx_log_room *log_room;
    struct obx_link *store, *broker;
    struct obx_retry_claim *retry_claim;
    struct obx_pipeline *pipeline;
    struct obx_dead_letters *dead_letters;
    struct obx_stall_watchdog *stall_watchdog;
    enum obx_publish_mode publish_mode;
    struct obx_publisher *publisher;
    struct obx_lane_publisher *lane_publisher;
    struct obx_record *record;
    struct obx_position_header *position_header;
    struct obx_claimer *claimer;
    struct obx_settler *settler;
    struct obx_spool *spool;
    struct obx_ownership *ownership;
};

#endif

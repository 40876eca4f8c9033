/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/transaction.h - delivery: exactly-once: one open transaction at a time
 *
 *     OPEN        messages are handed over; their reports are kept back
 *     COMMITTING  a worker writes the progress record and commits; nothing is handed over
 *     PAUSED      the coordinator completes the commit; nothing is handed over
 *
 * Happy path: the interval is over, or KAFKA_TRANSACTION_ROWS are in it, or nothing has come for 10 ms -> COMMITTING ->
 * committed: what was kept back is reported as DELIVERED -> PAUSED, see pause.h -> the next transaction is OPEN.
 *
 * When nothing comes for a second after a commit, a transaction of a record alone follows: without the events that have
 * left the outbox since. So the record of an idle relay names none.
 *
 * A message that may fail is alone in its transaction: one of a topic that has not taken any with this producer, or has
 * refused one. So its failure, which no transaction survives, holds up no other event for ever.
 *
 * The rules that keep events from being lost or doubled (docs/decisions/043-exactly-once-into-kafka.md):
 *  - A producer goes on only after a commit that succeeded with EndTxn sent exactly once. After any other end it is
 *    thrown away, unaborted: a delayed EndTxn would end the next transaction of the same producer.
 *  - An unknown outcome of a commit is resolved by the next start alone: init_transactions, then the progress record.
 *  - Fenced: the host makes sure that it owns the outbox before the next start.
 *
 * A message without an answer ends its transaction, too. The first time the broker is taken for the cause, since a
 * broker that was just started is slow: all events are sent again in order, and no key is blocked. The next time,
 * without a committed transaction in between, the topic is taken for the cause.
 */
#ifndef OBX_BROKERS_KAFKA_TRANSACTION_H
#define OBX_BROKERS_KAFKA_TRANSACTION_H

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

#include "pause.h"
#include "progress.h"

#define KAFKA_TRANSACTION_ROWS 20000u
#define KAFKA_SLICE_MS 200 /* of a call that waits for a broker: how often the worker checks whether to end */

struct kafka_publish;

enum kafka_transaction_state { KAFKA_TRANSACTION_OPEN, KAFKA_TRANSACTION_COMMITTING, KAFKA_TRANSACTION_PAUSED };

struct kafka_transaction {
    struct outbox_timer *timer;
    enum kafka_transaction_state state;
    bool full;         /* it is to be committed now, and takes no more */
    bool broken;       /* it is never committed: its events are reported as not delivered */
    uint32_t rows;     /* handed over */
    uint32_t silences; /* producers in a row that were given up because no broker answered */
    uint64_t began_at; /* host->now() of the first row, and of the last */
    uint64_t last_at;
    uint64_t ended_at;               /* of the start, and then of the last commit */
    struct kafka_publish *publishes; /* with messages in it */
    struct kafka_progress progress;
    struct kafka_pause pause;
    uint64_t sequence;  /* of the last record */
    uint64_t epoch;     /* of start(), like the next */
    uint64_t fenced_by; /* sequence of the last record that a start found to be of a later owner; 0: none */
    char outbox[96];
    char written_outbox[96]; /* what the last record that this instance wrote has there; "": none */
    rd_kafka_topic_t *topic; /* of the progress records; NULL: not made */

    /* the worker's result */
    bool attempted; /* the commit was called: its outcome may be unknown */
    bool committed;
    atomic_bool cancel; /* any thread: the worker ends soon */
    atomic_uint ends;   /* any thread: EndTxn requests that this producer has sent */
    atomic_uint up;     /* any thread: brokers that this producer is connected to */
    void *buffer;       /* of KAFKA_PROGRESS_BYTES; NULL before the first commit */
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/failpoint.h - named places where a test build can be made to die, to fail or to wait; not installed
 *
 *     OUTBOX_FAILPOINT(host, kafka, produced);                              die or wait here
 *     code = OUTBOX_FAILPOINT_ERROR(host, sqlite, before_begin, &error);    or fail as this step fails
 *
 * The environment variable OUTBOX_FAILPOINTS sets the action of each place: docs/FAILPOINTS.md. This list has every
 * name; a name that is not in it does not compile. Without the build option `failpoints` the macros expand to nothing
 * (or 0), and the binary contains no names. Plugins call their host's table; the core has macros in
 * core/base/failpoint.h.
 */
#ifndef OUTBOX_FAILPOINT_H
#define OUTBOX_FAILPOINT_H

#include <outbox/plugin.h>

/* X(group, step, error, where): error is what a failure is at that place: NONE, it can only die or wait; ERRNO, of
 * the system call; CODE, of outbox/error.h. Names are GROUP.STEP. */
#define OUTBOX_FAILPOINTS(X)                                                                                         \
    X(start, config_read, NONE, "the configuration was read, nothing else was done")                                 \
    X(start, relays_made, NONE, "the relays are made, none was started")                                             \
    X(reload, begin, NONE, "SIGHUP has come")                                                                        \
    X(reload, config_read, NONE, "the new configuration was read, the old relays run")                               \
    X(reload, relays_made, CODE, "the new relays are made, the old ones run")                                        \
    X(reload, relays_replaced, NONE, "the old relays are stopping")                                                  \
    X(stop, begin, NONE, "SIGTERM has come")                                                                         \
    X(stop, before_broker, NONE, "nothing is in flight, the broker is to be stopped")                                \
    X(stop, before_store, NONE, "all is settled, the store is to be stopped")                                        \
    X(stop, done, NONE, "every relay has stopped")                                                                   \
    X(relay, before_store_start, NONE, "the store is to be started")                                                 \
    X(relay, after_store_start, NONE, "the store has answered to its start")                                         \
    X(relay, before_acquire, NONE, "the ownership is to be acquired")                                                \
    X(relay, after_acquire, NONE, "the store has answered to the acquire")                                           \
    X(relay, before_broker_start, NONE, "the broker is to be started")                                               \
    X(relay, after_broker_start, NONE, "the broker has answered to its start")                                       \
    X(relay, before_claim, NONE, "rows are to be claimed")                                                           \
    X(relay, after_claim, NONE, "the store has answered to a claim")                                                 \
    X(relay, admit, CODE, "an event is to be published; error: the broker refuses it")                               \
    X(relay, before_publish, NONE, "a batch is routed and not handed to the broker")                                 \
    X(relay, published, NONE, "a batch is handed to the broker")                                                     \
    X(relay, outcomes_reported, NONE, "the broker reports outcomes, nothing is noted")                               \
    X(relay, after_publish, NONE, "a publish is complete, its outcomes are noted, nothing is decided")               \
    X(relay, before_settle, NONE, "delivered rows are to be settled")                                                \
    X(relay, after_settle, NONE, "the store has answered to a settle")                                               \
    X(relay, before_spool, NONE, "rows of a log are to be copied to the spool")                                      \
    X(relay, after_spool, NONE, "the store has answered to a copy to the spool")                                     \
    X(relay, before_release, NONE, "a batch is finished and is to be released")                                      \
    X(relay, before_dead_letter, NONE, "rejected rows are to be moved to the dead letters")                          \
    X(relay, after_dead_letter, NONE, "the store has answered to that")                                              \
    X(relay, before_renew, NONE, "the ownership is to be renewed")                                                   \
    X(relay, after_renew, NONE, "the store has answered to that")                                                    \
    X(relay, connection_lost, NONE, "a connection is lost and is to be stopped and started")                         \
    X(sqlite, before_open, CODE, "worker: the database is to be opened")                                             \
    X(sqlite, before_acquire, CODE, "worker: neither lock nor epoch was touched")                                    \
    X(sqlite, epoch_raised, CODE, "worker: lock and epoch are acquired, but no heartbeat is written")                \
    X(sqlite, before_claim, CODE, "worker: rows are to be read")                                                     \
    X(sqlite, after_claim, NONE, "worker: rows were read")                                                           \
    X(sqlite, before_begin, CODE, "worker: a write transaction is to begin")                                         \
    X(sqlite, before_commit, CODE, "worker: rows were removed or parked, in a transaction that is open")             \
    X(sqlite, after_commit, NONE, "worker: they are gone for good")                                                  \
    X(sqlite, before_checkpoint, NONE, "worker: the log is to be written back")                                      \
    X(sqlite, after_checkpoint, NONE, "worker: it was")                                                              \
    X(sqlite, before_give_up, NONE, "worker: the ownership is to be given back")                                     \
    X(postgres, before_connect, CODE, "a server is to be connected to")                                              \
    X(postgres, connected, NONE, "both sessions are there and set up")                                               \
    X(postgres, before_acquire, CODE, "before the request for the lock")                                             \
    X(postgres, after_acquire, NONE, "the server has answered, maybe the lock is ours")                              \
    X(postgres, before_claim, CODE, "rows are to be claimed")                                                        \
    X(postgres, after_claim, NONE, "rows have come, none was taken over")                                            \
    X(postgres, before_settle, CODE, "the delete is to be sent")                                                     \
    X(postgres, settle_sent, NONE, "the delete was sent, it may be committed or not")                                \
    X(postgres, after_settle, NONE, "the delete is committed")                                                       \
    X(postgres, dead_letter_sent, NONE, "the move to the dead letters was sent")                                     \
    X(mysql, before_connect, CODE, "a server is to be connected to")                                                 \
    X(mysql, connected, NONE, "both sessions are there and set up")                                                  \
    X(mysql, before_acquire, CODE, "before the request for the lock")                                                \
    X(mysql, before_epoch, CODE, "the lock is ours, the epoch is not raised")                                        \
    X(mysql, after_acquire, NONE, "the epoch is raised")                                                             \
    X(mysql, before_claim, CODE, "rows are to be claimed")                                                           \
    X(mysql, after_claim, NONE, "rows have come, none was taken over")                                               \
    X(mysql, before_settle, CODE, "the deletes are to be sent")                                                      \
    X(mysql, settle_sent, NONE, "the deletes were sent, they may be committed or not")                               \
    X(mysql, after_settle, NONE, "the deletes are committed")                                                        \
    X(mysql, dead_letter_sent, NONE, "the move to the dead letters was sent")                                        \
    X(capture, log_opened, NONE, "the server is to send its log")                                                    \
    X(capture, before_record, CODE, "the position is to be recorded")                                                \
    X(capture, recorded, NONE, "the position is committed")                                                          \
    X(capture, before_spool, CODE, "events are to be copied to the spool")                                           \
    X(capture, spooled, NONE, "events are in the spool, the position does not pass them yet")                        \
    X(file, before_open, ERRNO, "worker: the file is to be opened")                                                  \
    X(file, before_cut, ERRNO, "worker: a torn end is to be cut off")                                                \
    X(file, after_cut, NONE, "worker: it was")                                                                       \
    X(file, before_write, ERRNO, "worker: lines are to be written")                                                  \
    X(file, short_write, ERRNO, "worker: the same; error: only half of the bytes are taken")                         \
    X(file, after_write, NONE, "worker: bytes were written, nothing is synced")                                      \
    X(file, before_sync, ERRNO, "worker: the file is to be synced")                                                  \
    X(file, after_sync, NONE, "worker: the file is synced, not yet reported")                                        \
    X(file, before_rename, ERRNO, "worker: a full and synced file is to be renamed")                                 \
    X(file, after_rename, NONE, "worker: it was, the directory is not synced")                                       \
    X(file, before_dir_sync, ERRNO, "worker: the directory is to be synced")                                         \
    X(file, after_dir_sync, NONE, "worker: it was")                                                                  \
    X(file, after_create, NONE,                                                                                      \
      "worker: a new file has taken the place of the renamed one, the directory is not synced")                      \
    X(file, before_close, NONE, "worker: the file is to be closed")                                                  \
    X(kafka, before_connect, CODE, "worker: a producer is to be made")                                               \
    X(kafka, connected, NONE, "a broker has answered")                                                               \
    X(kafka, before_produce, CODE, "a message is to be handed to librdkafka; error: the event is reported as RETRY") \
    X(kafka, produced, NONE, "a message was handed to librdkafka")                                                   \
    X(kafka, report_read, NONE, "a delivery report has come, nothing is noted")                                      \
    X(kafka, before_report, NONE, "reports are noted, the host does not know")                                       \
    X(kafka, reported, NONE, "the host knows")                                                                       \
    X(kafka, before_close, NONE, "the producer is to be destroyed")                                                  \
    X(kafka_transaction, before_init, CODE, "worker: the transactional producer is to be started")                   \
    X(kafka_transaction, before_commit, CODE, "worker: a transaction is to be ended; error: it is not committed")    \
    X(kafka_transaction, in_commit, NONE, "worker: the progress record was handed over, the commit is to be sent")   \
    X(kafka_transaction, committed, NONE, "worker: a transaction is committed, the host does not know")

#ifdef OUTBOX_WITH_FAILPOINTS

enum outbox_failpoint {
#define OUTBOX_FAILPOINT_ENUM(group, step, error, where) OUTBOX_FP_##group##_##step,
    OUTBOX_FAILPOINTS(OUTBOX_FAILPOINT_ENUM)
#undef OUTBOX_FAILPOINT_ENUM
        OUTBOX_FP_COUNT
};

/* The name goes over the ABI, not the number: a module may be of another build. */
static inline int outbox_failpoint(const struct outbox_host *host, const char *name, struct outbox_error *error)
{
    bool there = host->struct_size > offsetof(struct outbox_host, failpoint) && host->failpoint;
    return there ? host->failpoint(host, name, error) : 0;
}

#define OUTBOX_FAILPOINT_NAME(group, step) ((void)OUTBOX_FP_##group##_##step, #group "." #step)
#define OUTBOX_FAILPOINT(host, group, step) ((void)outbox_failpoint((host), OUTBOX_FAILPOINT_NAME(group, step), NULL))
/* 0: go on; else fail with that errno, or with that code, which is in *error too. */
#define OUTBOX_FAILPOINT_ERROR(host, group, step, error) \
    outbox_failpoint((host), OUTBOX_FAILPOINT_NAME(group, step), (error))

#else
#define OUTBOX_FAILPOINT(host, group, step) ((void)0)
#define OUTBOX_FAILPOINT_ERROR(host, group, step, error) 0
#endif

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/broker.h - the instance, and what each of its files offers to those above it
 *
 * librdkafka owns the threads and sockets. This plugin runs on the loop thread: it hands messages over, never waits,
 * and reads delivery reports from one event queue per client, which signal an eventfd. Functions that run on another
 * thread are marked "worker" or "any thread".
 *
 * A message is pending (its publish waits in `pending`, or is partly handed over: `cursor`), then in flight (in
 * librdkafka; its opaque pointer names the slot of its publish and its index), then reported (the host has its
 * outcome). A publish completes when all of its messages are reported.
 *
 * Layers, lowest first; a file calls only files of lower layers:
 *
 *     error loopback topic topic_limits limits_text         plain data: no I/O, no callbacks
 *     progress progress_format pause
 *     topic_state
 *     blocked_keys
 *     connection outcomes clients outage                    state of the connection; outcomes; the two clients
 *     result record partition_batching limits_request       one report; one message; order; settings of topics
 *     transactional progress_read commit                    delivery: exactly-once, on a worker
 *     verify                                                delivery: exactly-once: can a topic be written?
 *     heartbeat connect                                     does a broker respond?
 *     send reports transaction lifecycle                    messages out, reports in; commits; start, stop, cancel
 *     turn                                                  publish; one round of reports, sending, completing
 *     plugin admit check check_brokers check_topics check_missing check_progress         the descriptor, and what it
 * needs once configure
 */
#ifndef OBX_BROKERS_KAFKA_BROKER_H
#define OBX_BROKERS_KAFKA_BROKER_H

#include <stdatomic.h>

#include "blocked_keys.h"
#include "topic.h"
#include "transaction.h"

#define KAFKA_ERRSTR 512
#define KAFKA_INDEX_BITS (sizeof(void *) * 4u) /* of a message's opaque: its index; the rest is the slot */

/* ---- publishes --------------------------------------------------------------------------------------------------- */

/* The scratch memory of a publish op. */
struct kafka_publish {
    outbox_op_t op;
    const struct outbox_publish *args; /* borrowed until op_done */
    struct kafka_publish *next;        /* pending */
    struct kafka_publish *next_changed;
    struct kafka_publish *next_in_transaction;
    uint64_t number; /* of submission */
    uint32_t slot;
    uint32_t cursor;    /* messages before it, in the slot's order, were passed to librdkafka or reported */
    uint32_t reported;  /* outcomes that the host has */
    uint32_t delivered; /* messages to report as delivered: in the slot's indexes */
    bool changed;
    bool in_transaction; /* what is delivered is not reported before the commit */
    bool has_failure;    /* an event got RETRY or REJECTED */
};

struct kafka_slot {
    struct kafka_publish *publish; /* NULL: free */
    uint32_t *indexes;             /* kept for the next user of the slot, like the next */
    uint32_t *order;               /* in which its messages are handed over */
    uint32_t room;
    uint32_t next_free;
};

/* ---- the instance ------------------------------------------------------------------------------------------------ */

enum kafka_state {
    KAFKA_IDLE,
    KAFKA_STARTING, /* a worker makes the producer and waits for a broker */
    KAFKA_RUNNING,
    KAFKA_BROKEN,   /* the host makes a new producer; nothing is sent any more */
    KAFKA_STOPPING, /* what is in flight finishes */
    KAFKA_CLOSING,  /* a worker destroys the clients */
    KAFKA_STATES
};

/* One of the two librdkafka clients. */
struct kafka_connection {
    rd_kafka_t *rk; /* NULL: not made */
    rd_kafka_queue_t *queue;
};

/* A job on a worker thread. */
struct kafka_job {
    struct outbox_work work; /* first */
    outbox_op_t op;
    struct outbox_error error;
    void *findings; /* of check */
    bool running;
};

enum kafka_out_of_range { KAFKA_REJECT_TIMESTAMP, KAFKA_CLAMP_TIMESTAMP };

struct kafka_outage {
    struct outbox_timer *timer;
    uint64_t began_at;    /* host->now(), like the next three */
    uint64_t progress_at; /* a message was delivered, or the first one submitted */
    uint64_t reason_at;
    uint64_t suspected_at;
    bool suspected;            /* all connections were lost, and nothing was delivered since */
    bool logged;               /* events wait for it */
    char reason[KAFKA_ERRSTR]; /* of the last connection failure */
};

/* Checks that a broker still answers on an idle connection (heartbeat.c). */
struct kafka_heartbeat {
    struct outbox_timer *timer;
    struct kafka_job job;
    rd_kafka_topic_t *topic; /* of the request; may be NULL */
    uint64_t requested_at;   /* host->now() */
    bool answered;           /* the worker's result */
    uint32_t failures;       /* in a row */
};

/* Checks that a topic can be written (verify.c). */
struct kafka_verify {
    struct kafka_job job;
    struct kafka_topic *topic;
    rd_kafka_topic_t *handle; /* of the request */
    bool all;                 /* of the topics with messages in flight: the next one follows */
    bool answered;            /* the worker's result, and what it found */
    rd_kafka_resp_err_t err;
};

struct kafka_broker {
    /* options */
    const char *bootstrap;
    struct outbox_map options;
    const char *client_id;
    const char *transactional_id;
    const char *progress_topic;
    int64_t progress_partition;
    int64_t transaction_ms;
    int64_t out_of_range; /* enum kafka_out_of_range */
    bool insecure;
    bool unsafe;
    bool require_key;

    const struct outbox_host *host;
    const char *relay;
    bool exactly_once;     /* the relay has delivery: exactly-once */
    uint32_t order;        /* enum outbox_order of the start */
    bool probing;          /* only check() follows the start */
    rd_kafka_conf_t *conf; /* complete; each client gets a copy */
    uint64_t message_max;  /* message.max.bytes */
    uint64_t queue_max;    /* queue.buffering.max.kbytes, in bytes */
    bool compressed;       /* the size of a batch on the wire is not known before it is sent */

    enum kafka_state state;
    struct kafka_connection clients[KAFKA_CLIENTS];
    int notify_fd; /* eventfd that both queues signal; -1: none */
    struct outbox_watch *watch;
    struct outbox_timer *purge_timer;  /* of stop() */
    struct outbox_timer *answer_timer; /* for messages that were sent alone */
    bool answer_timer_set;
    struct outbox_task turn;         /* a round of reports, sending and completing */
    struct outbox_task blocked_turn; /* of the blocked keys */
    struct kafka_outage outage;
    struct kafka_heartbeat heartbeat;
    struct kafka_verify verify;
    uint64_t connected_logged_ns; /* 0: never */
    char cluster[64];             /* id of the cluster that answered last; "": none did */

    struct kafka_topics topics;
    struct kafka_blocked_keys blocked;
    struct kafka_slot *slots;
    uint32_t slot_count;
    uint32_t free_slot; /* index + 1; 0: none */
    struct kafka_publish *pending, **pending_end;
    struct kafka_publish *changed; /* with outcomes to report, or to complete */
    uint64_t submitted;            /* publishes so far */
    uint32_t in_flight;            /* messages in librdkafka */
    bool order_broken;             /* some topic's is */
    bool refusals_seen;            /* the broker refused some event: limits are requested, and first messages probe */
    bool limits_due;               /* some topic's are */

    outbox_op_t stop_op;
    struct kafka_transaction transaction; /* used with exactly_once */
    struct kafka_job connect, disconnect, check, commit;
    atomic_bool cancel_workers; /* any thread: they end soon */
};

/* ---- connection.c: the state, and requests for a new producer ---------------------------------------------------- */

void kafka_move(struct kafka_broker *self, enum kafka_state state);
bool kafka_is_sending(const struct kafka_broker *self);
bool kafka_has_clients(const struct kafka_broker *self);
/* Number of the first publish that is not sent yet; UINT64_MAX: none. */
uint64_t kafka_oldest_pending(const struct kafka_broker *self);
/* Would the topic's broker take the message? Requests the settings again when they are old. Fills error unless
 * KAFKA_ADMITTED. */
enum kafka_admission kafka_admit_to_topic(struct kafka_broker *self, struct kafka_topic *topic,
                                          const struct outbox_message *message, struct outbox_error *error);
/* Nothing more is sent with this producer: the host stops and starts this broker. */
void kafka_replace_producer(struct kafka_broker *self, const struct outbox_error *error);
void kafka_request_turn(struct kafka_broker *self);
/* Run a job on a worker; without one done() is called at once, with job->error set. */
void kafka_run_job(struct kafka_broker *self, struct kafka_job *job, void (*work)(struct outbox_work *),
                   void (*done)(struct outbox_work *));

/* ---- outcomes.c: reporting outcomes, completing publishes -------------------------------------------------------- */

int kafka_open_slot(struct kafka_broker *self, struct kafka_publish *publish);
void kafka_free_slots(struct kafka_broker *self);
/* Reported in bulk by kafka_complete_publishes(). */
void kafka_note_delivered(struct kafka_broker *self, struct kafka_publish *publish, uint32_t index);
void kafka_report(struct kafka_broker *self, struct kafka_publish *publish, const uint32_t *indexes, uint32_t count,
                  uint32_t outcome, const struct outbox_error *error);
/* One event failed: reports it, and blocks its key. With NOT_CONNECTED the producer is replaced, which blocks all. */
void kafka_report_failure(struct kafka_broker *self, const struct kafka_topic *topic, struct kafka_publish *publish,
                          uint32_t index, uint32_t outcome, const struct outbox_error *error);
/* kafka_complete_publishes() looks at it. */
void kafka_publish_changed(struct kafka_broker *self, struct kafka_publish *publish);
/* Call with no publish in hand: completed ones are gone. */
void kafka_complete_publishes(struct kafka_broker *self);

/* ---- clients.c: the main producer and the probe producer --------------------------------------------------------- */

/* Worker: no other thread uses the clients. */
int kafka_open_main(struct kafka_broker *self, struct outbox_error *error);
void kafka_destroy_clients(struct kafka_broker *self);
/* The handle for the topic's next message, and the client that it belongs to. NULL: there is none. */
rd_kafka_topic_t *kafka_topic_handle(struct kafka_broker *self, struct kafka_topic *topic, bool alone, rd_kafka_t **rk);
/* Worker: reads the errors of a queue so far. Gives the last error with the reason why no broker responds
 * (ALL_BROKERS_DOWN has none), with its text; `known` and an unchanged text if there is none. */
rd_kafka_resp_err_t kafka_read_reason(rd_kafka_queue_t *queue, rd_kafka_resp_err_t known, char *text, size_t size);
bool kafka_broker_answers(struct kafka_broker *self, rd_kafka_topic_t *topic, int within_ms); /* worker; blocks */
void kafka_notify(rd_kafka_queue_t *queue, int fd);                                           /* -1: no more */
void kafka_close_topics(struct kafka_broker *self); /* before the clients are destroyed */
void kafka_purge(struct kafka_broker *self, int flags);
rd_kafka_resp_err_t kafka_fatal_error(const struct kafka_broker *self, char *text, size_t size);

/* ---- record.c: one message as librdkafka takes it ---------------------------------------------------------------- */

rd_kafka_resp_err_t kafka_enqueue(struct kafka_broker *self, const struct outbox_message *message,
                                  struct kafka_topic *topic, bool alone, void *opaque);

/* ---- result.c: what became of one message ------------------------------------------------------------------------ */

struct kafka_result {
    struct kafka_topic *topic;
    struct kafka_publish *publish;
    uint32_t index;
    rd_kafka_resp_err_t err;
    rd_kafka_msg_status_t status;
    bool alone; /* no other message shared its batch */
    bool local; /* librdkafka did not take it: the transaction is not affected */
};

void kafka_on_result(struct kafka_broker *self, const struct kafka_result *result);
/* None of its messages can be written now. Logged once for each reason. */
void kafka_topic_trouble(struct kafka_broker *self, struct kafka_topic *topic, rd_kafka_resp_err_t err,
                         const struct kafka_verdict *verdict);
/* Messages that were sent alone were not reported in time. */
void kafka_on_no_answer(struct kafka_broker *self, struct kafka_topic *topic);
/* All reports of this turn were seen. */
void kafka_check_order(struct kafka_broker *self);

/* ---- partition_batching.c: in which order the messages of a publish are handed over ------------------------------ */

void kafka_order_by_partition(struct kafka_broker *self, struct kafka_publish *publish);
void kafka_learn_partitions(struct kafka_topic *topic, const rd_kafka_message_t *message);

/* ---- limits_request.c: requests for the settings of topics ------------------------------------------------------- */

void kafka_request_limits(struct kafka_broker *self, struct kafka_topic *topic);
void kafka_request_due_limits(struct kafka_broker *self);
void kafka_on_limits(struct kafka_broker *self, rd_kafka_event_t *event);

/* ---- transactional.c, progress_read.c, commit.c: on a worker, which alone uses the producer and the lists of the
 * progress that are not the loop thread's ---- */

/* NULL: text has the reason. */
rd_kafka_conf_t *kafka_transactional_conf(struct kafka_broker *self, char *text, size_t size);
/* Fences earlier producers, reads the progress record, begins the first transaction. */
int kafka_transactions_open(struct kafka_broker *self, struct outbox_error *error);
int kafka_transaction_begin(struct kafka_broker *self, struct outbox_error *error);
/* Fills error with what failed, and destroys cause. Gives the code: FENCED, PERMISSION, CONFIG, NOT_CONNECTED. */
int kafka_transaction_error(struct kafka_broker *self, const char *what, rd_kafka_error_t *cause,
                            struct outbox_error *error);
int kafka_progress_read(struct kafka_broker *self, struct outbox_error *error);
void kafka_commit_work(struct outbox_work *work);

/* ---- transaction.c: all do nothing without exactly_once ---------------------------------------------------------- */

void kafka_transaction_start(struct kafka_broker *self, const struct outbox_broker_start *start);
void kafka_transaction_close(struct kafka_broker *self);
bool kafka_transaction_takes(const struct kafka_broker *self); /* may a message be handed over now? */
/* May one that may fail? Only as the first; with others in the transaction that is committed now. */
bool kafka_transaction_takes_alone(struct kafka_broker *self);
void kafka_transaction_fill(struct kafka_broker *self); /* that one is in it */
/* Before a look-up in the record: that is current, and has room for a message. False: no memory, and the producer is
 * replaced. */
bool kafka_transaction_reserve(struct kafka_broker *self);
void kafka_transaction_sent(struct kafka_broker *self, struct kafka_publish *publish,
                            const struct outbox_message *message);
/* A message was taken, and its transaction has ended without it. */
void kafka_transaction_report_late(struct kafka_broker *self, struct kafka_publish *publish, uint32_t index);
/* Counts that a message of this topic had no answer in time. True: the topic is the cause, and its events wait; false:
 * a new producer sends all of the transaction again. */
bool kafka_transaction_note_silence(struct kafka_broker *self, const struct kafka_topic *topic);
void kafka_transaction_break(struct kafka_broker *self);  /* an open transaction is not committed any more */
void kafka_transaction_cancel(struct kafka_broker *self); /* the same, and a commit under way is given up */
void kafka_transaction_step(struct kafka_broker *self);   /* call with no publish in hand */
bool kafka_transaction_idle(const struct kafka_broker *self);
void kafka_transaction_due(void *plugin);
void kafka_record(void *plugin, const struct outbox_record *record);

/* ---- verify.c ---------------------------------------------------------------------------------------------------- */

/* May the first message of a topic be handed over? Requests the metadata if that is not known. */
enum kafka_gate kafka_verify_gate(struct kafka_broker *self, struct kafka_topic *topic);
void kafka_verify_hanging(struct kafka_broker *self); /* now and then */

/* ---- outage.c, heartbeat.c: is a broker there? ------------------------------------------------------------------- */

void kafka_outage_reset(struct kafka_broker *self);
void kafka_outage_suspect(struct kafka_broker *self, const char *text);     /* no connection is left */
bool kafka_outage_lasts(const struct kafka_broker *self);                   /* no broker answers, as far as is known */
void kafka_outage_note_reason(struct kafka_broker *self, const char *text); /* one connection failed */
void kafka_outage_note_progress(struct kafka_broker *self);                 /* a broker answered */
void kafka_outage_events_wait(struct kafka_broker *self);                   /* a publish was submitted */
void kafka_outage_check_progress(struct kafka_broker *self);                /* now and then */
const char *kafka_outage_reason(const struct kafka_broker *self);           /* "" if none is known */
void kafka_outage_due(void *plugin);

void kafka_heartbeat_start(struct kafka_broker *self);
void kafka_note_cluster(struct kafka_broker *self);   /* a broker answered: logs another cluster than before */
void kafka_heartbeat_stop(struct kafka_broker *self); /* kafka_heartbeat.job.running may remain set for a moment */
void kafka_heartbeat_due(void *plugin);

/* ---- send.c, reports.c ------------------------------------------------------------------------------------------- */

void kafka_send_pending(struct kafka_broker *self);
void kafka_answer_due(void *plugin);
void kafka_read_reports(struct kafka_broker *self);

/* ---- lifecycle.c ------------------------------------------------------------------------------------------------- */

void kafka_start(void *plugin, outbox_op_t op, const struct outbox_broker_start *start);
void kafka_stop(void *plugin, outbox_op_t op);
void kafka_cancel(void *plugin, outbox_op_t op);
void kafka_purge_due(void *plugin);
void kafka_advance_stop(struct kafka_broker *self); /* closes the producer when nothing is in flight */

/* ---- turn.c ------------------------------------------------------------------------------------------------------ */

void kafka_turn(struct outbox_task *task);
void kafka_blocked_turn(struct outbox_task *task);
void kafka_publish(void *plugin, outbox_op_t op, const struct outbox_publish *args);

/* ---- once -------------------------------------------------------------------------------------------------------- */

int kafka_configure(struct kafka_broker *self, struct outbox_error *error);
void kafka_connect_work(struct outbox_work *work); /* worker */
int kafka_admit(void *plugin, const struct outbox_message *message, struct outbox_error *error);
/* Could Kafka have a topic of this name? REJECTED, with the reason. Any thread. */
int kafka_topic_name_validate(struct outbox_bytes topic, struct outbox_error *error);
void kafka_check(void *plugin, outbox_op_t op, const struct outbox_check *check);

#endif

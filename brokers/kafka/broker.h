/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/broker.h - what the files of the Kafka broker share
 *
 * librdkafka owns the threads and sockets; this plugin runs on the loop thread, hands it messages that it never
 * waits for, and hears what became of them through one event queue whose doorbell is an eventfd. The one thing
 * that other threads touch is marked "worker" or "any thread".
 *
 * Life of a message: pending (its publish waits in `pending`, or is partly handed over: `cursor`) -> in flight (in
 * librdkafka; its opaque names the slot of its publish and its index) -> told (outcome given to the host). A publish
 * completes when all of its messages are told.
 */
#ifndef OBX_BROKERS_KAFKA_BROKER_H
#define OBX_BROKERS_KAFKA_BROKER_H

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

#include <outbox/failpoint.h>

#define KAFKA_ERRSTR 512
#define KAFKA_INDEX_BITS (sizeof(void *) * 4u) /* of a message's opaque: its index; the rest is the slot */
#define KAFKA_SCRAM_VERSION 0x020601ff         /* the first librdkafka whose SCRAM newer brokers take */

/* ---- what an error means (error.c) ------------------------------------------------------------------------------ */

enum kafka_scope {
    KAFKA_EVENT,   /* this event's own fault */
    KAFKA_BATCH,   /* some event's of the batch that the broker refused as a whole */
    KAFKA_TOPIC,   /* the topic's: nothing of it goes for now */
    KAFKA_PRODUCER /* the producer has to be replaced */
};

struct kafka_verdict {
    uint32_t outcome; /* enum outbox_outcome */
    int32_t code;     /* enum outbox_status; 0 with OUTBOX_DELIVERED */
    enum kafka_scope scope;
};

struct kafka_verdict kafka_judge(rd_kafka_resp_err_t err, rd_kafka_msg_status_t status);
int kafka_connect_code(rd_kafka_resp_err_t err); /* of an error that kept the producer from connecting */
int kafka_error(struct outbox_error *error, int code, rd_kafka_resp_err_t native, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- topics (topic.c) ------------------------------------------------------------------------------------------- */

/*
 * The gate of a topic keeps order when a topic fails. A topic that has not delivered yet, or whose batches were
 * refused, has one message in flight at a time; see docs/decisions/040-order-after-a-failure-in-kafka.md.
 */
struct kafka_topic {
    struct kafka_topic *next;    /* in its bucket */
    rd_kafka_topic_t *rkt;       /* NULL: not used with this producer yet */
    rd_kafka_topic_t *scout_rkt; /* the same with the scout */
    uint64_t hash;
    uint64_t barrier;          /* nothing of a publish up to this number may be sent any more */
    uint32_t in_flight;        /* messages in librdkafka */
    uint32_t together;         /* messages handed over since in_flight was 0 last */
    uint32_t careful;          /* so many more deliveries one at a time */
    int32_t partitions;        /* as many have been seen */
    uint32_t outcome;          /* of the last failure: what the messages behind it are told */
    bool proven;               /* delivered since the producer started, and not failed since */
    bool failing;              /* nothing but one message at a time is tried */
    bool sick;                 /* failed while more of it was in flight, which could overtake what failed */
    struct outbox_error error; /* of the last failure */
    size_t size;
    char name[]; /* NUL-terminated */
};

struct kafka_topics {
    struct kafka_topic **buckets;
    uint32_t room; /* a power of two, or 0 */
    uint32_t count;
    struct kafka_topic *last; /* found last */
};

/* ---- publishes --------------------------------------------------------------------------------------------------- */

/* The scratch memory of a publish op. */
struct kafka_publish {
    outbox_op_t op;
    const struct outbox_publish *args; /* borrowed until op_done */
    struct kafka_publish *next;        /* pending */
    struct kafka_publish *next_touched;
    uint64_t number; /* of submission */
    uint32_t slot;
    uint32_t cursor; /* messages before it, in the slot's order, were handed over or told */
    uint32_t told;
    uint32_t fresh; /* delivered, in the slot's indexes, not told yet */
    bool touched;
    bool failing; /* an event was told RETRY or REJECTED */
};

struct kafka_slot {
    struct kafka_publish *publish; /* NULL: free */
    uint32_t *indexes;             /* kept for the next user of the slot, like the next */
    uint32_t *order;               /* in which its messages are handed over */
    uint32_t room;
    uint32_t next_free;
};

/* ---- held keys (held.c) ------------------------------------------------------------------------------------------ */

struct kafka_held_key {
    uint64_t hash;   /* of topic and key; 0: free */
    uint64_t number; /* of the last publish that holds it */
};

struct kafka_failing {
    uint64_t number; /* of a publish with an event that was not taken */
    uint64_t until;  /* the last publish that was submitted before the host knew of it; 0: it does not know */
    uint32_t turns;  /* of the loop until the host knows; 0: not completed */
};

struct kafka_held {
    struct kafka_held_key *keys;
    uint32_t room, used;
    struct kafka_failing *failing;
    uint32_t failing_count, failing_room;
    struct outbox_task notice;
};

/* A job on a worker thread: connecting, disconnecting or checking. */
struct kafka_job {
    struct outbox_work work; /* first */
    outbox_op_t op;
    struct outbox_error error;
    void *found; /* of check */
};

enum kafka_state { KAFKA_IDLE, KAFKA_STARTING, KAFKA_RUNNING, KAFKA_STOPPING, KAFKA_CLOSING };

struct kafka_broker {
    /* options */
    const char *bootstrap;
    struct outbox_map options;
    const char *client_id;
    bool insecure;
    bool unsafe;
    bool require_key;

    const struct outbox_host *host;
    const char *relay;
    rd_kafka_conf_t *conf; /* complete; each producer gets a copy */
    uint64_t message_max;  /* message.max.bytes */

    enum kafka_state state;
    bool broken;                 /* host->lost() was called; nothing is sent any more */
    bool suspected;              /* all connections were lost, and nothing was delivered since */
    bool down;                   /* events wait for that: said once */
    struct outbox_timer *outage; /* before it is said that events wait */
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    rd_kafka_t *scout; /* scout.c; NULL until it is needed */
    rd_kafka_queue_t *scout_queue;
    int doorbell; /* eventfd that both queues ring; -1: none */
    struct outbox_watch *watch;
    struct outbox_timer *grace;    /* of stop() */
    struct outbox_timer *patience; /* with the topic that the line waits for */
    struct kafka_topic *awaited;
    struct outbox_task resume; /* continue where a turn's budget ended */
    char reason[KAFKA_ERRSTR]; /* of the last connection failure */

    struct kafka_topics topics;
    struct kafka_held held;
    struct kafka_slot *slots;
    uint32_t slot_count;
    uint32_t free_slot; /* index + 1; 0: none */
    struct kafka_publish *pending, **pending_end;
    struct kafka_publish *touched;
    uint64_t submitted; /* publishes so far */
    uint32_t in_flight; /* messages in librdkafka */
    bool sick;          /* a topic is */

    outbox_op_t stop_op;
    struct kafka_job connect, disconnect, check;
    atomic_bool give_up; /* any thread: workers end soon */
};

/* configure.c */
int kafka_configure(struct kafka_broker *self, struct outbox_error *error);

/* connect.c; worker */
void kafka_connect_work(struct outbox_work *work);
void kafka_destroy(struct kafka_broker *self);

/* producer.c */
void kafka_start(void *plugin, outbox_op_t op, const struct outbox_broker_start *start);
void kafka_stop(void *plugin, outbox_op_t op);
void kafka_cancel(void *plugin, outbox_op_t op);
void kafka_offload(struct kafka_broker *self, struct kafka_job *job, void (*work)(struct outbox_work *),
                   void (*done)(struct outbox_work *));
void kafka_break(struct kafka_broker *self, const struct outbox_error *error);
void kafka_purge_all(void *plugin);
void kafka_quiet(struct kafka_broker *self); /* after reports: go on with stop() when nothing is in flight */

/* produce.c */
void kafka_produce(void *plugin, outbox_op_t op, const struct outbox_publish *publish);
void kafka_pump(struct kafka_broker *self);
void kafka_lose_patience(void *plugin);

/* group.c */
void kafka_group(struct kafka_broker *self, struct kafka_publish *publish);
void kafka_group_learn(struct kafka_topic *topic, const rd_kafka_message_t *message);

/* tell.c */
int kafka_open_slot(struct kafka_broker *self, struct kafka_publish *publish);
void kafka_tell_delivered(struct kafka_broker *self, struct kafka_publish *publish, uint32_t index);
void kafka_tell(struct kafka_broker *self, struct kafka_publish *publish, const uint32_t *indexes, uint32_t count,
                uint32_t outcome, const struct outbox_error *error);
void kafka_tell_flush(struct kafka_broker *self);
void kafka_free_slots(struct kafka_broker *self);

/* reports.c */
void kafka_outage(void *plugin);
void kafka_reports_ready(void *plugin, uint32_t events);
void kafka_reports_drain(struct kafka_broker *self);

/* topic.c */
struct kafka_topic *kafka_topic_get(struct kafka_broker *self, struct outbox_bytes name);
/* May this publish send another message to the topic: now, later (after reports), or not at all? */
enum kafka_gate { KAFKA_GO, KAFKA_WAIT, KAFKA_REFUSE };
enum kafka_gate kafka_topic_gate(const struct kafka_topic *topic, uint64_t number);
/* What became of a message. alone: no other message shared its batch. */
void kafka_topic_report(struct kafka_broker *self, struct kafka_topic *topic, struct kafka_publish *publish,
                        uint32_t index, rd_kafka_resp_err_t err, rd_kafka_msg_status_t status, bool alone);
/* Tell that an event was not taken, and hold its key; with NOT_CONNECTED the whole producer is given up instead. */
void kafka_topic_refuse(struct kafka_broker *self, struct kafka_topic *topic, struct kafka_publish *publish,
                        uint32_t index, uint32_t outcome, const struct outbox_error *error);
void kafka_topic_mute(struct kafka_broker *self, struct kafka_topic *topic); /* no report for too long */
void kafka_topics_settle(struct kafka_broker *self);                         /* all reports of this turn were seen */
void kafka_topics_close(struct kafka_broker *self);                          /* the producer goes */
void kafka_topics_free(struct kafka_broker *self);

/* held.c */
int kafka_hold(struct kafka_broker *self, const struct kafka_topic *topic, struct kafka_publish *publish,
               uint32_t index);
bool kafka_is_held(const struct kafka_broker *self, const struct kafka_topic *topic, struct outbox_bytes key,
                   uint64_t number);
void kafka_held_forget(struct kafka_broker *self);
void kafka_held_completed(struct kafka_broker *self, uint64_t number);
void kafka_held_notice(struct outbox_task *task);
void kafka_held_free(struct kafka_broker *self);

/* scout.c */
void kafka_ring(rd_kafka_queue_t *queue, int doorbell); /* -1: no more */
rd_kafka_topic_t *kafka_handle(struct kafka_broker *self, struct kafka_topic *topic, rd_kafka_t **rk);
void kafka_scout_destroy(struct kafka_broker *self); /* worker, when nobody else uses it */

/* admit.c */
int kafka_admit(void *plugin, const struct outbox_message *message, struct outbox_error *error);

/* check.c */
void kafka_check(void *plugin, outbox_op_t op, const struct outbox_check *check);

#endif

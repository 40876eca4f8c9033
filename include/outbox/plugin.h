/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/plugin.h - the plugin ABI: how a broker, a transform or a store is written
 *
 * The author of a broker or of a transform reads this file and no other. The author of a store also reads store.h.
 * A plugin is one const data symbol, struct outbox_plugin, with its options and its functions. It is loaded as a module
 * (outbox-KIND-NAME.so in a plugin directory) or built in, from the same source. A plugin links nothing of outbox: the
 * host passes a table of functions. A module is never unloaded. docs/PLUGINS.md is the guide.
 *
 * THE COMPLETION CONTRACT
 *  1. A function that takes an outbox_op_t returns nothing. The plugin reports its success or failure by
 *     host->op_done(), exactly once for every op.
 *  2. Both sides call the functions of this header on the loop thread, unless a comment names "any thread" or "worker".
 *     No function of a plugin may block; blocking work goes through host->offload().
 *  3. A plugin may complete an op inside the call that submitted it. The host delivers the completion after the
 *     caller's stack has unwound.
 *  4. Arguments are borrowed until the op completes. Workers may read them until then.
 *  5. The host owns the timeouts; a publish has no timeout. The host calls cancel() at most once for an op. The plugin
 *     still completes that op soon, with OUTBOX_E_CANCELED, or with the real result if that came first.
 *  6. Between the call of stop() and its completion the host submits no op. The plugin completes the ops in flight,
 *     then stop(). After that the host may call start() again: this is how it reconnects.
 *  7. The host counts and ignores double, late and foreign completions. An op that never completes delays stop().
 *  8. op_done() reports the result of the operation; host->outcomes() reports the outcome of each event of a publish.
 *     A plugin has no retry policy: it reports, and the host decides.
 *
 * VERSIONS. Within one OUTBOX_ABI_MAJOR structures only grow at the end. The side that makes a structure sets its
 * struct_size, and the other side reads no further. A function pointer that is absent is NULL.
 */
#ifndef OUTBOX_PLUGIN_H
#define OUTBOX_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <outbox/error.h>
#include <outbox/event.h>
#include <outbox/finding.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OUTBOX_ABI_MAJOR 1u

typedef uint64_t outbox_op_t; /* identifies one operation in flight; 0: none */

struct outbox_host;

/* ---- messages -------------------------------------------------------------------------------------------------- */

/* The place of a row in its outbox. Rows compare by major, then by minor. SQL stores put the id into major; a log
 * reader puts the log position into major and the index within it into minor. */
struct outbox_position {
    uint64_t major;
    uint64_t minor;
};

struct outbox_header {
    struct outbox_bytes name;
    struct outbox_bytes value; /* may be null */
};

/* One event as the broker receives it. Everything is borrowed until the publish completes. Its key, in the sense of
 * order, is the pair of topic and key. Messages with a null key have no order. */
struct outbox_message {
    struct outbox_bytes topic;
    struct outbox_bytes key;   /* null: no key */
    struct outbox_bytes value; /* null: a tombstone */
    const struct outbox_header *headers;
    uint32_t header_count;
    int32_t partition;        /* -1: by the key */
    int64_t timestamp_us;     /* since 1970-01-01 UTC; INT64_MIN: none */
    struct outbox_bytes id;   /* the event id as text; equal in every re-send */
    struct outbox_bytes type; /* the event type; null: none */
    int64_t created_us;       /* created_at of the row; INT64_MIN: none */
    struct outbox_position
        position; /* of the row; a position names one event only together with the outbox and epoch */
};

/* The outcome of one event. Zero is deliberately no outcome. */
enum outbox_outcome {
    OUTBOX_DELIVERED = 1, /* durable at the broker: acks=all, or fdatasync returned */
    OUTBOX_RETRY = 2,     /* failed, certainly not delivered, may succeed later. Its key waits. It costs the event an
                             attempt, unless the error names another cause: AGAIN (throttled, or an earlier event of
                             its key failed), PERMISSION or NOT_FOUND (of the topic), NO_MEMORY */
    OUTBOX_REJECTED = 3,  /* this event can never be delivered as it is */
    OUTBOX_UNKNOWN = 4,   /* it may have been delivered, and the connection is not usable: the host restarts */
    OUTBOX_NOT_CONNECTED = 5, /* certainly not delivered; the cause is not this event: the host restarts */
    OUTBOX_RETRY_UNKNOWN = 6  /* it may have been delivered, and the broker works: one request timed out. As RETRY: its
                                 key waits, an attempt is counted, the broker is not restarted */
};

/* ---- options --------------------------------------------------------------------------------------------------- */

enum outbox_option_type {
    OUTBOX_OPT_STRING = 1, /* const char *            */
    OUTBOX_OPT_BOOL,       /* bool                    */
    OUTBOX_OPT_INT,        /* int64_t                 */
    OUTBOX_OPT_SIZE,       /* int64_t, bytes; "16MiB" */
    OUTBOX_OPT_DURATION,   /* int64_t, milliseconds; "10s" */
    OUTBOX_OPT_ENUM,       /* int64_t, index into choices; if the first is "off": false is the first, true the second */
    OUTBOX_OPT_MAP         /* struct outbox_map       */
};

struct outbox_pair {
    const char *name;
    const char *value;
};
struct outbox_map {
    const struct outbox_pair *items;
    uint32_t count;
};

#define OUTBOX_OPT_REQUIRED 1u
#define OUTBOX_OPT_SECRET 2u /* redacted wherever it is printed */
#define OUTBOX_OPT_RELOADABLE 4u
#define OUTBOX_OPT_VERBATIM \
    8u /* ${...} is passed to the plugin; without this flag the host expands it from the environment */
/* Identifies the outbox, or a target that allows one writer. Not for maps. Two relays of one process with equal values
 * of all such options are refused. */
#define OUTBOX_OPT_IDENTITY 16u
/* Transforms, STRING with VERBATIM: a template with ${column}. The host renders it for each event. */
#define OUTBOX_OPT_TEMPLATE 32u
/* STRING: a connection string of libpq. What ${...} stands for is quoted or percent-encoded at its place. */
#define OUTBOX_OPT_CONNINFO 64u

/* One key of the plugin's section in the configuration. The host parses and checks the value, and writes it to `offset`
 * of the instance before init(). Strings and maps live as long as the instance. */
struct outbox_option {
    const char *name;
    uint32_t type;  /* enum outbox_option_type */
    uint32_t flags; /* OUTBOX_OPT_* */
    size_t offset;
    const char *default_value;  /* as it would be written in the file; NULL: zero bytes */
    int64_t min, max;           /* for numbers; both 0: no bound */
    const char *const *choices; /* for ENUM, ends with NULL; for MAP the keys whose values may be shown, NULL: all but
                                   those that are called like secrets */
    const char *help;           /* one sentence, lower case */
};

/* ---- the host --------------------------------------------------------------------------------------------------- */

enum outbox_log_level { OUTBOX_LOG_ERROR = 0, OUTBOX_LOG_WARN, OUTBOX_LOG_INFO, OUTBOX_LOG_DEBUG, OUTBOX_LOG_TRACE };

struct outbox_watch; /* a watched file descriptor */
struct outbox_timer;
#define OUTBOX_READABLE 1u
#define OUTBOX_WRITABLE 2u

/* Work for later, or for another thread. Owned by the caller; must stay in place until it has run. Zero it first. */
struct outbox_task {
    void (*run)(struct outbox_task *task);
    void *arg;
    void *host_private[4];
};
struct outbox_work {
    void (*work)(struct outbox_work *work); /* worker thread; may block */
    void (*done)(struct outbox_work *work); /* loop thread */
    void *arg;
    void *host_private[20];
};

/* The same outcome for many messages of one publish: `count` of them from `first`, or those listed in indexes. */
struct outbox_outcomes {
    uint32_t struct_size;
    uint32_t outcome;        /* enum outbox_outcome */
    const uint32_t *indexes; /* NULL: the range first .. first + count - 1 */
    uint32_t first;
    uint32_t count;
    const struct outbox_error *error; /* why, for all but DELIVERED */
    uint32_t retry_after_ms;          /* with RETRY and RETRY_UNKNOWN: the server requests this pause; 0: it does not */
    uint32_t flags;                   /* OUTBOX_OUTCOME_* */
};
#define OUTBOX_OUTCOME_ALREADY 1u /* with DELIVERED: an earlier start had delivered it; nothing was sent now */

/* For decorators: the completions and outcomes of an op of the inner plugin. A NULL function forwards them to the
 * parent. */
struct outbox_child {
    uint32_t struct_size;
    void (*done)(void *arg, outbox_op_t child, const struct outbox_error *error); /* error is NULL on success */
    void (*outcomes)(void *arg, outbox_op_t child, const struct outbox_outcomes *outcomes);
    void *arg;
};

/*
 * The functions of the host. The table belongs to one instance: `host` is the pointer that init() received.
 * Functions that return int return OUTBOX_OK or an error code, such as OUTBOX_E_NO_MEMORY.
 */
struct outbox_host {
    uint32_t struct_size;
    uint32_t abi_major;

    /* Monotonic nanoseconds; any thread. */
    uint64_t (*now)(const struct outbox_host *host);
    /* Uniform random bits, for jitter; any thread. */
    uint64_t (*random)(const struct outbox_host *host);

    /* printf-like; any thread. The host adds the instance's identity. log_enabled() first where arguments cost. */
    void (*log)(const struct outbox_host *host, enum outbox_log_level level, const char *format, ...)
#if defined(__GNUC__)
        __attribute__((format(printf, 3, 4)))
#endif
        ;
    bool (*log_enabled)(const struct outbox_host *host, enum outbox_log_level level);

    /* Zeroed memory; any thread. NULL: no memory. resize() keeps the contents and does not zero the added bytes. */
    void *(*alloc)(const struct outbox_host *host, size_t size);
    void *(*resize)(const struct outbox_host *host, void *memory, size_t size);
    void (*release)(const struct outbox_host *host, void *memory);

    /* A descriptor, waited for once at a time: arm() again after each call of ready(). One watch per descriptor;
     * close the watch before closing the descriptor, and make a new one when the client library changes it. */
    int (*watch_open)(const struct outbox_host *host, int fd, void (*ready)(void *arg, uint32_t events), void *arg,
                      struct outbox_watch **watch);
    void (*watch_arm)(struct outbox_watch *watch, uint32_t events); /* 0 disarms */
    void (*watch_close)(struct outbox_watch *watch);                /* NULL is fine; ready() is not called again */

    int (*timer_open)(const struct outbox_host *host, void (*fire)(void *arg), void *arg, struct outbox_timer **timer);
    void (*timer_set)(struct outbox_timer *timer, uint64_t delay_us); /* one shot; setting again moves it */
    void (*timer_clear)(struct outbox_timer *timer);
    void (*timer_close)(struct outbox_timer *timer); /* NULL is fine */

    /* Run task->run on the loop thread, soon. Any thread. Posting a task that is queued already has no effect: let the
     * task empty a queue, and do not count calls. */
    void (*post)(const struct outbox_host *host, struct outbox_task *task);

    /* Run work->work on a worker thread, then work->done on the loop thread. After a failure neither runs. */
    int (*offload)(const struct outbox_host *host, struct outbox_work *work);

    /* The plugin's memory of this op: op_size bytes, zeroed at submission. NULL: the op is not in flight. */
    void *(*op_scratch)(const struct outbox_host *host, outbox_op_t op);
    /* Complete an op. error == NULL or error->code == 0 is success; the error is copied. */
    void (*op_done)(const struct outbox_host *host, outbox_op_t op, const struct outbox_error *error);
    /* Report outcomes of messages of a publish in flight: each message once, before op_done(). A message without a
     * report counts as UNKNOWN. May be called inside publish(). */
    void (*outcomes)(const struct outbox_host *host, outbox_op_t op, const struct outbox_outcomes *outcomes);

    /* Store: there may be new rows. Cheap; several calls become one. */
    void (*wake)(const struct outbox_host *host);
    /* The connection is lost, outside of any op. The host calls stop() and start(). */
    void (*lost)(const struct outbox_host *host, const struct outbox_error *error);

    /* The plugin's memory of the messages of a publish in flight: an array with `message_size` bytes for each, rounded
     * up to a multiple of 16, zeroed at submission. NULL: not a publish in flight, or message_size is 0. */
    void *(*op_messages)(const struct outbox_host *host, outbox_op_t op);

    /* Decorators only: an op of the inner plugin that works for `parent`. 0: no memory. */
    outbox_op_t (*op_child)(const struct outbox_host *host, outbox_op_t parent, const struct outbox_child *child);

    /* Any thread. In test builds: a named place was reached (outbox/failpoint.h). NULL in all other builds. */
    int (*failpoint)(const struct outbox_host *host, const char *name, struct outbox_error *error);
    /* Counted. The connection was lost and is back, by the client library's own work: no op failed. Loop thread. */
    void (*reconnected)(const struct outbox_host *host);
    /* Counted. Exactly once: a transaction is committed, or given up; then it may be committed as well. Loop thread. */
    void (*transaction_ended)(const struct outbox_host *host, int committed);
};

/* ---- common arguments -------------------------------------------------------------------------------------------- */

/* The plugin that a decorator wraps (OUTBOX_CAP_DECORATOR). ops: outbox_store_ops or outbox_broker_ops of the host; a
 * function that no plugin inside has is NULL. */
struct outbox_inner {
    uint32_t struct_size;
    void *self;
    const void *ops;
    uint64_t caps;
    const char *name;
};

#define OUTBOX_INIT_EXACTLY_ONCE 1u /* the relay has delivery: exactly-once; see OUTBOX_CAP_EXACTLY_ONCE */
struct outbox_init {
    uint32_t struct_size;
    uint32_t flags;                   /* OUTBOX_INIT_* */
    const struct outbox_host *host;   /* lives as long as the instance */
    const char *relay;                /* the relay's name in the configuration */
    const struct outbox_inner *inner; /* NULL but for decorators; lives as long as the instance */
};

#define OUTBOX_CHECK_TIMESTAMP 1u /* store: the route takes the time of events from created_at */
#define OUTBOX_CHECK_ROWS 2u      /* store: only rows that cannot be read, published or removed, or are locked: by id */
struct outbox_check {
    uint32_t struct_size;
    void (*report)(void *arg, const struct outbox_finding *finding);
    void *arg;
    /* broker: each list ends with NULL, and may be NULL; no topic is in both. outbox_check_topic() reads them. */
    const char *const *topics;         /* that the configuration names */
    const char *const *pending_topics; /* of events that wait in the outbox */
    /* store: report by row() each distinct combination of the texts that these columns have in pending rows; at least
     * in the first 10,000 rows. The list ends with NULL, and may be NULL. A null has no data. */
    const char *const *columns; /* logical names, as in struct outbox_column */
    void (*row)(void *row_arg, const struct outbox_bytes *texts);
    void *row_arg;
    uint32_t flags; /* OUTBOX_CHECK_* */
};

/* ---- brokers ----------------------------------------------------------------------------------------------------- */

enum outbox_order { OUTBOX_ORDER_KEY = 0, OUTBOX_ORDER_GLOBAL, OUTBOX_ORDER_NONE };

/* A standby starts no broker. */
struct outbox_broker_start {
    uint32_t struct_size;
    uint32_t flags;     /* OUTBOX_START_* */
    uint32_t order;     /* enum outbox_order: which events the relay keeps in order */
    uint32_t reserved;  /* 0 */
    uint64_t epoch;     /* raised by each change of the owner; 0: the store has none */
    const char *outbox; /* identifies the outbox: another text, another outbox, so that positions mean other rows. The
                           same for each start, of each relay. "": the store cannot tell. Borrowed */
};
/* Probe: only check() follows. Connect; create, lock and modify nothing. Another writer is not an error. */
#define OUTBOX_START_PROBE (1u << 0)

static inline bool outbox_broker_start_probes(const struct outbox_broker_start *start)
{
    return start->struct_size >= 2 * sizeof(uint32_t) && (start->flags & OUTBOX_START_PROBE);
}

struct outbox_publish {
    uint32_t struct_size;
    uint32_t count;
    const struct outbox_message *messages; /* read through outbox_message_at() */
    uint32_t stride;                       /* sizeof(struct outbox_message) of the host */
    uint32_t flags;                        /* 0; a plugin ignores bits that it does not know */
};

static inline const struct outbox_message *outbox_message_at(const struct outbox_publish *publish, uint32_t index)
{
    return (const struct outbox_message *)(const void *)((const char *)publish->messages +
                                                         (size_t)index * publish->stride);
}

/* SETTLED: they left the outbox for good. From REWIND to COMPLETE all events in the outbox are named PRESENT. */
enum outbox_record_what { OUTBOX_RECORD_SETTLED, OUTBOX_RECORD_REWIND, OUTBOX_RECORD_PRESENT, OUTBOX_RECORD_COMPLETE };
struct outbox_record {
    uint32_t struct_size;
    uint32_t what;  /* enum outbox_record_what; a plugin ignores values that it does not know */
    uint32_t count; /* 0 but for SETTLED and PRESENT */
    const struct outbox_position *positions; /* in any order */
};

/* How many publishes are in flight, by capability:
 *   none        one, with at most one event of each key
 *   CONCURRENT  many; at most one event of each key in flight, over all of them. After the outcome of an event the host
 *               sends the next one of its key in another publish, also while the first publish is incomplete. So report
 *               each outcome as soon as it is certain. Right for servers that answer each message by itself.
 *   ORDERED     many, with many events of each key. Messages of one key are appended in submission order. When a
 *               message ends RETRY, RETRY_UNKNOWN, UNKNOWN or NOT_CONNECTED, no later message of its key that was
 *               submitted before that report may be appended, unless the failed one was: report these RETRY with
 *               OUTBOX_E_AGAIN, or NOT_CONNECTED. After the report the host submits no publish until the publish with
 *               the failure has completed. Right only if the server or the protocol guarantees it: a server that can
 *               refuse one message and take the next, which was sent already, breaks the promise.
 *   GLOBAL_ORDER  with ORDERED: the same promise over all messages, if start said OUTBOX_ORDER_GLOBAL. Without it the
 *               host has one event in flight when the relay has order: global.
 */
struct outbox_broker_ops {
    uint32_t struct_size;

    int (*init)(void *self, const struct outbox_init *init, struct outbox_error *error);
    void (*fini)(void *self);

    void (*start)(void *self, outbox_op_t op, const struct outbox_broker_start *start);
    void (*stop)(void *self, outbox_op_t op);
    void (*cancel)(void *self, outbox_op_t op); /* optional */

    /* Send messages, report the outcome of each when it is certain, then complete. The op's own error is about the
     * operation: a publish whose messages were all rejected succeeds. */
    void (*publish)(void *self, outbox_op_t op, const struct outbox_publish *publish);

    /* Optional, OUTBOX_CAP_ADMIT: OUTBOX_OK, or in error why this message can never be sent. The host calls it on a
     * started broker before publish(), so that a message that is too large, or has an invalid topic, blocks its key
     * before a later message overtakes it. Fast, no I/O; it may read what start() learned. */
    int (*admit)(void *self, const struct outbox_message *message, struct outbox_error *error);

    void (*check)(void *self, outbox_op_t op, const struct outbox_check *check); /* optional; on a started broker */

    /* Optional, OUTBOX_CAP_EXACTLY_ONCE: a record may forget what is SETTLED, or at COMPLETE not PRESENT. No I/O. */
    void (*record)(void *self, const struct outbox_record *record);
};

/* ---- transforms -------------------------------------------------------------------------------------------------- */

/* One event between route and admit. alloc() gives memory that lives as long as the message; NULL: no memory. */
struct outbox_transform {
    uint32_t struct_size;
    uint32_t value_count;
    struct outbox_message *message;    /* in and out: all but topic, key, id, partition and position may be changed */
    const struct outbox_bytes *values; /* the options with OUTBOX_OPT_TEMPLATE, rendered, in order of the table */
    void *(*alloc)(const struct outbox_transform *transform, size_t size);
    void *arena; /* of the host */
};

struct outbox_transform_ops {
    uint32_t struct_size;

    int (*init)(void *self, const struct outbox_init *init, struct outbox_error *error);
    void (*fini)(void *self);

    /* Worker threads, several at a time; may block. OUTBOX_OK; OUTBOX_E_REJECTED: this event can never be transformed,
     * on_reject applies; any other code: it is tried again later, and its key waits. The host keeps the order. */
    int (*transform)(void *self, const struct outbox_transform *transform, struct outbox_error *error);

    void (*check)(void *self, outbox_op_t op, const struct outbox_check *check); /* optional */
    void (*cancel)(void *self, outbox_op_t op);                                  /* optional; of check */
};

/* ---- stores ------------------------------------------------------------------------------------------------------ */

#ifdef __cplusplus
}
#endif
#include <outbox/store.h>
#ifdef __cplusplus
extern "C" {
#endif

/* ---- the descriptor ---------------------------------------------------------------------------------------------- */

enum outbox_kind { OUTBOX_STORE = 1, OUTBOX_BROKER = 2, OUTBOX_TRANSFORM = 3 };

/* Capabilities; each requires the functions named. Other bits are reserved and refused. */
#define OUTBOX_CAP_DECORATOR (1ull << 0)    /* wraps another plugin of its kind: section `wraps:` */
#define OUTBOX_CAP_WAKE (1ull << 1)         /* store: calls host->wake(); the host sleeps longer when idle */
#define OUTBOX_CAP_DEAD_LETTERS (1ull << 2) /* store: dead_letter and dead */
#define OUTBOX_CAP_ORDERED (1ull << 3)      /* broker: see struct outbox_broker_ops */
#define OUTBOX_CAP_ADMIT (1ull << 4)        /* broker: admit */
#define OUTBOX_CAP_ADMIN (1ull << 5)        /* store: setup, print, check, status and add */
#define OUTBOX_CAP_INBOX (1ull << 6)        /* store: setup_inbox, and print of an inbox */
#define OUTBOX_CAP_CONCURRENT (1ull << 7)   /* broker: see struct outbox_broker_ops; not with ORDERED */
#define OUTBOX_CAP_GLOBAL_ORDER (1ull << 8) /* broker: see struct outbox_broker_ops; only with ORDERED */
/* Broker: record. With OUTBOX_INIT_EXACTLY_ONCE events and a record of their positions are one transaction at a time:
 * with ORDERED, order: global holds, too. start() reads the record; publish() reports events in it DELIVERED, with
 * OUTBOX_OUTCOME_ALREADY. The host starts it only while the outbox is owned, and again after each acquire. */
#define OUTBOX_CAP_EXACTLY_ONCE (1ull << 9)
#define OUTBOX_CAP_LOG (1ull << 10)      /* store: positions of a log; spool. See store.h */
#define OUTBOX_CAP_DEAD_SET (1ull << 11) /* store: a replay of dead letters can set a column */
#define OUTBOX_CAP_AHEAD (1ull << 12)    /* store: a claim with OUTBOX_CLAIM_MEASURE estimates how many rows follow */

struct outbox_plugin {
    uint32_t abi_major;   /* OUTBOX_ABI_MAJOR; always the first field */
    uint32_t struct_size; /* sizeof(struct outbox_plugin) */
    uint32_t kind;        /* enum outbox_kind */
    uint32_t option_size; /* sizeof(struct outbox_option) */
    uint64_t caps;        /* OUTBOX_CAP_* */
    const char *name;     /* [a-z][a-z0-9_-]*, at most 31 */
    const char *version;
    const char *description; /* one sentence, lower case */
    size_t instance_size;    /* the host allocates instances, zeroed, and passes them as `self` */
    size_t op_size;          /* bytes of memory for each op; 0: none */
    const struct outbox_option *options;
    uint32_t option_count;
    uint32_t message_size;        /* bytes of memory for each message of a publish: op_messages(); 0: none */
    const void *ops;              /* struct outbox_store_ops, outbox_broker_ops or outbox_transform_ops */
    const char *(*library)(void); /* optional: client library and version in use, as "libpq 15.6"; static */
};

#define OUTBOX_PLUGIN_SYMBOL "outbox_plugin"
#if defined(__GNUC__)
#define OUTBOX_EXPORT __attribute__((visibility("default")))
#else
#define OUTBOX_EXPORT
#endif

#ifdef __cplusplus
#define OUTBOX_PLUGIN_EXTERN extern "C"
#else
#define OUTBOX_PLUGIN_EXTERN extern
#endif

/* OUTBOX_PLUGIN(store, sqlite) = { ... }; as a module this exports outbox_plugin, built in outbox_store_sqlite. */
#ifdef OUTBOX_BUILTIN
#define OUTBOX_PLUGIN(kind, name)                                           \
    OUTBOX_PLUGIN_EXTERN const struct outbox_plugin outbox_##kind##_##name; \
    const struct outbox_plugin outbox_##kind##_##name
#else
#define OUTBOX_PLUGIN(kind, name)                                                \
    OUTBOX_PLUGIN_EXTERN OUTBOX_EXPORT const struct outbox_plugin outbox_plugin; \
    const struct outbox_plugin outbox_plugin
#endif

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/plugin.h - the plugin ABI: how a storage or broker backend is written
 *
 * A plugin is one const data symbol, struct outbox_plugin, that names its options and its functions. It may be
 * loaded as a module (outbox-store-NAME.so, outbox-broker-NAME.so in the plugin directory) or be built in; the
 * source is the same. A plugin links nothing of outbox: what it needs of the host it gets as a table of functions.
 * docs/PLUGINS.md tells the story with an example; plugins/template/ is there to be copied.
 *
 * THE COMPLETION CONTRACT
 *  1. Functions that take an outbox_op_t return nothing. Success and failure travel the same way: through
 *     host->op_done(), exactly once for every op.
 *  2. Everything in this header is called, and must be called, on the loop thread, save where a line says "any
 *     thread" or "worker". No function of a plugin may block; what blocks goes through host->offload().
 *  3. A plugin may complete an op inside the call that submitted it: the host delivers the completion only after
 *     the caller's stack has unwound.
 *  4. Arguments are borrowed until the op completes, and may be read by a worker until then.
 *  5. Timeouts are the host's; a publish has none. It calls cancel() at most once for an op; the plugin still
 *     completes that op, soon, with OUTBOX_E_CANCELED or with the real result if that came first.
 *  6. After stop() was called no new op comes before its completion. stop() first completes the ops still in
 *     flight, then itself. start() may be called again after that: this is how the host reconnects.
 *  7. Double, late and foreign completions are counted and ignored; an op that never completes holds up stop().
 *  8. The result of an op says what became of the operation; what became of each event of a publish is told by
 *     host->outcomes(). A plugin holds no retry policy: it reports, the host decides.
 *
 * VERSIONS. Within one OUTBOX_ABI_MAJOR structures only grow at the end. The side that made a structure writes its
 * struct_size; the other side reads no further. A function pointer that is absent is NULL.
 */
#ifndef OUTBOX_PLUGIN_H
#define OUTBOX_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <outbox/error.h>
#include <outbox/event.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OUTBOX_ABI_MAJOR 1u

typedef uint64_t outbox_op_t; /* names one operation in flight; 0 names none */

struct outbox_host;

/* ---- values, rows, messages ---------------------------------------------------------------------------------- */

enum outbox_type {
    OUTBOX_NULL = 0,
    OUTBOX_TEXT,  /* data, size: UTF-8 as the database gave it */
    OUTBOX_BYTES, /* data, size */
    OUTBOX_INT,   /* integer */
    OUTBOX_FLOAT, /* real */
    OUTBOX_BOOL,  /* integer, 0 or 1 */
    OUTBOX_UUID,  /* data: 16 bytes in network order, size 16 */
    OUTBOX_TIME   /* integer: microseconds since 1970-01-01 UTC */
};

struct outbox_value {
    union {
        const void *data;
        int64_t integer;
        double real;
    } as;
    uint32_t size;
    uint32_t type; /* enum outbox_type */
};

/* Where a row stands in its outbox. Rows compare by major, then by minor. SQL stores put the id into major;
 * a log reader puts the log position there and the index within it into minor. */
struct outbox_position {
    uint64_t major;
    uint64_t minor;
};

/* A column that the routes need. name is the logical name (event_id, aggregatetype, aggregateid, type, payload,
 * headers, created_at) or, for all others, the column's own name. */
#define OUTBOX_COLUMN_OPTIONAL 1u /* a table without it is fine: its values are null */
struct outbox_column {
    const char *name;
    uint32_t flags;
};

/*
 * Rows handed over by one claim, in position order. Owned by the store, borrowed by the host until it calls
 * release(), which may come after stop() and after another start(). Values point into the client library's own
 * result; nothing is copied.
 */
struct outbox_batch {
    uint32_t struct_size;
    uint32_t rows;
    uint32_t columns;                        /* as many as the store was started with */
    uint32_t flags;                          /* OUTBOX_BATCH_* */
    const struct outbox_position *positions; /* one for each row, strictly ascending */
    const struct outbox_value *values;       /* rows x columns, row by row */
    uint64_t bytes;                          /* memory that this batch keeps alive */
};
#define OUTBOX_BATCH_MORE 1u /* a limit was reached: there is probably more to claim at once */

struct outbox_header {
    struct outbox_bytes name;
    struct outbox_bytes value; /* may be null */
};

/* One event as the broker gets it. Everything is borrowed until the publish completes. */
struct outbox_message {
    struct outbox_bytes topic;
    struct outbox_bytes key;   /* null: no key */
    struct outbox_bytes value; /* null: a tombstone */
    const struct outbox_header *headers;
    uint32_t header_count;
    int32_t partition;        /* -1: by the key */
    int64_t timestamp_us;     /* since 1970-01-01 UTC; INT64_MIN: none */
    struct outbox_bytes id;   /* the event id as text: the same at every re-send */
    struct outbox_bytes type; /* the event type; null: none */
    int64_t created_us;       /* created_at of the row; INT64_MIN: none */
};

/* What became of one event. Zero is deliberately no outcome. */
enum outbox_outcome {
    OUTBOX_DELIVERED = 1,    /* durable at the broker: acks=all, or fdatasync returned */
    OUTBOX_RETRY = 2,        /* this event failed, certainly not delivered, and may go later. Its key waits. It costs
                                the event an attempt, unless the error says that the trouble is not its own: AGAIN
                                (held back behind another of its key, throttled), PERMISSION, NOT_FOUND (the topic's) */
    OUTBOX_REJECTED = 3,     /* this event can never go as it is */
    OUTBOX_UNKNOWN = 4,      /* it may have been delivered */
    OUTBOX_NOT_CONNECTED = 5 /* certainly not delivered, for a reason that is not this event's */
};

/* ---- options --------------------------------------------------------------------------------------------------- */

enum outbox_option_type {
    OUTBOX_OPT_STRING = 1, /* const char *            */
    OUTBOX_OPT_BOOL,       /* bool                    */
    OUTBOX_OPT_INT,        /* int64_t                 */
    OUTBOX_OPT_SIZE,       /* int64_t, bytes; "16MiB" */
    OUTBOX_OPT_DURATION,   /* int64_t, milliseconds; "10s" */
    OUTBOX_OPT_ENUM,       /* int64_t, index into choices; "off" first: false is that, true is the second */
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
#define OUTBOX_OPT_VERBATIM 8u /* ${...} is left for the plugin; else it is the environment's and expanded */
/* It says which outbox this is, or which target that takes one writer; not for a map. Two relays of one process that
 * agree in all such options are refused. */
#define OUTBOX_OPT_IDENTITY 16u

/* One key of the plugin's section in the configuration. The host parses and checks it and writes the value to
 * `offset` of the instance before init(). Strings and maps live as long as the instance. */
struct outbox_option {
    const char *name;
    uint32_t type;  /* enum outbox_option_type */
    uint32_t flags; /* OUTBOX_OPT_* */
    size_t offset;
    const char *default_value;  /* the default as it would be written; NULL: zero bytes */
    int64_t min, max;           /* for numbers; both 0: no bound */
    const char *const *choices; /* for ENUM, ends with NULL */
    const char *help;           /* one sentence, lower case */
};

/* ---- the host --------------------------------------------------------------------------------------------------- */

enum outbox_log_level { OUTBOX_LOG_ERROR = 0, OUTBOX_LOG_WARN, OUTBOX_LOG_INFO, OUTBOX_LOG_DEBUG, OUTBOX_LOG_TRACE };

struct outbox_watch; /* a descriptor that is waited for */
struct outbox_timer;
#define OUTBOX_READABLE 1u
#define OUTBOX_WRITABLE 2u

/* Work for another thread, or for later. Caller-owned; must stay in place until it has run. Zero it first. */
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

#define OUTBOX_NO_OUTCOME_INDEXES NULL
/* The same outcome for many messages of one publish: `count` of them from `first`, or those listed in indexes. */
struct outbox_outcomes {
    uint32_t struct_size;
    uint32_t outcome;        /* enum outbox_outcome */
    const uint32_t *indexes; /* NULL: the range first .. first + count - 1 */
    uint32_t first;
    uint32_t count;
    const struct outbox_error *error; /* why, for all but DELIVERED */
};

/* For decorators: what to do with what the plugin underneath says. A NULL function passes it on to the parent. */
struct outbox_child {
    uint32_t struct_size;
    void (*done)(void *arg, outbox_op_t child, const struct outbox_error *error); /* error is NULL on success */
    void (*outcomes)(void *arg, outbox_op_t child, const struct outbox_outcomes *outcomes);
    void *arg;
};

/*
 * What the host does for a plugin. The table belongs to one instance: `host` is the pointer that init() got.
 * Functions that return int give OUTBOX_OK or OUTBOX_E_NO_MEMORY and the like.
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

    /* Zeroed memory; any thread. NULL when there is none. resize() keeps contents and does not zero what is new. */
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

    /* Run task->run on the loop thread, soon. Any thread. Posting a task that waits already does nothing, so drain
     * a queue in it and count nothing by calls. */
    void (*post)(const struct outbox_host *host, struct outbox_task *task);

    /* Run work->work on a worker thread, then work->done on the loop. Failure is told by the return value alone. */
    int (*offload)(const struct outbox_host *host, struct outbox_work *work);

    /* The plugin's own memory of this op: op_size bytes, zeroed at submission. NULL for an op that is not in flight. */
    void *(*op_scratch)(const struct outbox_host *host, outbox_op_t op);
    /* Complete an op. error == NULL or error->code == 0 is success; the error is copied. */
    void (*op_done)(const struct outbox_host *host, outbox_op_t op, const struct outbox_error *error);
    /* Tell outcomes of messages of a publish that is in flight; each message once; before op_done. The ones never
     * told count as UNKNOWN. May be called inside publish(). */
    void (*outcomes)(const struct outbox_host *host, outbox_op_t op, const struct outbox_outcomes *outcomes);

    /* Store: there may be new rows. Cheap and coalesced. */
    void (*wake)(const struct outbox_host *host);
    /* The connection is gone, noticed outside of any op. The host will stop() and start() again. */
    void (*lost)(const struct outbox_host *host, const struct outbox_error *error);

    /* Decorators only: an op of the plugin underneath that works for `parent`. 0 when there is no memory. */
    outbox_op_t (*op_child)(const struct outbox_host *host, outbox_op_t parent, const struct outbox_child *child);

    /* Any thread. In builds for tests: a named place was reached (outbox/failpoint.h). NULL in all others. */
    int (*failpoint)(const struct outbox_host *host, const char *name, struct outbox_error *error);
};

/* ---- common arguments -------------------------------------------------------------------------------------------- */

/* The plugin underneath a decorator (OUTBOX_CAP_DECORATOR); ops is outbox_store_ops or outbox_broker_ops, completed
 * by the host: functions that it lacks are NULL. */
struct outbox_inner {
    uint32_t struct_size;
    void *self;
    const void *ops;
    uint64_t caps;
    const char *name;
};

struct outbox_init {
    uint32_t struct_size;
    const struct outbox_host *host;   /* lives as long as the instance */
    const char *relay;                /* the relay's name in the configuration */
    const struct outbox_inner *inner; /* NULL but for decorators; lives as long as the instance */
};

/* What check() found. level: OUTBOX_LOG_ERROR (will not work), _WARN (will, but), _INFO (is fine). */
struct outbox_check {
    uint32_t struct_size;
    void (*report)(void *arg, enum outbox_log_level level, const char *finding, const char *advice);
    void *arg;
    const char *const *topics; /* broker: topics known from the configuration, ends with NULL; may be NULL */
};

/* ---- stores ------------------------------------------------------------------------------------------------------ */

struct outbox_store_start {
    uint32_t struct_size;
    uint32_t column_count;
    const struct outbox_column *columns; /* what claims return, in this order */
};

struct outbox_acquire {
    uint32_t struct_size;
    uint32_t lease_ms; /* an owner silent for longer may be thrown out */
    /* out */
    uint32_t flags; /* OUTBOX_ACQUIRED_* */
    char owner[96]; /* with OUTBOX_E_STANDBY: who owns it, for people; "" unknown */
};
#define OUTBOX_ACQUIRED_SAME                                                              \
    1u /* the same database as before, nothing went back in time: rows claimed before the \
          loss of the connection may still be settled by their positions */

struct outbox_claim {
    uint32_t struct_size;
    uint32_t flags; /* OUTBOX_CLAIM_* */
    uint32_t max_rows;
    uint64_t max_bytes;                      /* a wish: one row larger than that is still given, alone */
    const struct outbox_position *positions; /* not NULL: just these rows, ascending, those still there */
    uint32_t position_count;
    /* out */
    struct outbox_batch *batch; /* NULL: no rows. With it, the host owes one release() */
};
#define OUTBOX_CLAIM_REWIND 1u /* forget how far it was read; begin with the first row of the outbox */
#define OUTBOX_CLAIM_ARM_WAKEUP                                                                \
    2u /* the host will not ask again soon if this gives nothing: arm the doorbell, then look; \
          a store that could not arm it takes this flag out of `flags` */

/* Rows first .. first + count - 1 of a batch. */
struct outbox_span {
    const struct outbox_batch *batch;
    uint32_t first;
    uint32_t count;
};
struct outbox_settle {
    uint32_t struct_size;
    uint32_t span_count;
    const struct outbox_span *spans; /* ascending by position; rows not listed must stay in the table */
};

struct outbox_dead_row {
    struct outbox_position position;
    uint32_t attempts;
    struct outbox_bytes topic;
    struct outbox_bytes key;
    const char *reason;
};
struct outbox_dead_letter_rows {
    uint32_t struct_size;
    uint32_t count;
    const struct outbox_dead_row *rows; /* moved, in one transaction, from the outbox to the dead-letter table */
};

struct outbox_add {
    uint32_t struct_size;
    uint32_t count;
    const struct outbox_event *const *events; /* added in one transaction */
};

struct outbox_store_status {
    uint32_t struct_size;
    /* out; -1 where the store cannot tell */
    int64_t pending;   /* committed rows in the outbox */
    int64_t oldest_us; /* created_at of the first of them, microseconds since 1970 */
    int64_t dead;      /* rows in the dead-letter table */
    char owner[96];    /* who relays now; "" nobody or unknown */
    char server[96];   /* what and which version the store is */
};

enum outbox_dead_action {
    OUTBOX_DEAD_LIST = 0,
    OUTBOX_DEAD_SHOW,
    OUTBOX_DEAD_REPLAY,
    OUTBOX_DEAD_DROP,
    OUTBOX_DEAD_KEYS
};
/* One dead letter, for list and show. Borrowed during the call. */
struct outbox_dead_letter {
    uint32_t struct_size;
    uint64_t number; /* names it for show, replay and drop */
    struct outbox_event event;
    struct outbox_bytes topic;
    struct outbox_bytes key;
    struct outbox_bytes reason;
    int64_t attempts;
    int64_t died_us;
};
struct outbox_dead {
    uint32_t struct_size;
    uint32_t action;         /* enum outbox_dead_action; KEYS: distinct topic and key only */
    const uint64_t *numbers; /* which; count 0: all */
    uint32_t count;
    uint32_t limit;                                                  /* of list; 0: no limit */
    void (*row)(void *arg, const struct outbox_dead_letter *letter); /* for list, show and keys */
    void *arg;
    /* out */
    uint64_t affected;
};

enum outbox_print { OUTBOX_PRINT_SQL = 0, OUTBOX_PRINT_GRANTS };

struct outbox_store_ops {
    uint32_t struct_size;

    /* Check the options that tables cannot check. No I/O. After a failure fini() is called all the same. */
    int (*init)(void *self, const struct outbox_init *init, struct outbox_error *error);
    void (*fini)(void *self); /* nothing is in flight; must not block */

    /* Connect, and look that the table is what the relay needs. Without columns it is administration that follows: the
     * table need not be there yet. */
    void (*start)(void *self, outbox_op_t op, const struct outbox_store_start *start);
    void (*stop)(void *self, outbox_op_t op);   /* gives ownership back */
    void (*cancel)(void *self, outbox_op_t op); /* optional */

    /* Become the owner, at once or not at all: OUTBOX_E_STANDBY when another relay is. The host asks again. The
     * ownership must live where settling happens, so that who lost it cannot settle. */
    void (*acquire)(void *self, outbox_op_t op, struct outbox_acquire *acquire);
    /* Optional: show that the owner lives; called a few times in a lease. OUTBOX_E_FENCED: no longer the owner. */
    void (*renew)(void *self, outbox_op_t op);

    /* Give rows that were not given yet, in position order, at once, also when there are none. One at a time. */
    void (*claim)(void *self, outbox_op_t op, struct outbox_claim *claim);
    void (*release)(void *self, struct outbox_batch *batch); /* nothing refers to its rows any more */

    /* Remove rows for good. Succeeds also for rows that are gone. Batches are not released before it completes.
     * One at a time, beside claims. OUTBOX_E_FENCED: no longer the owner, nothing was removed. */
    void (*settle)(void *self, outbox_op_t op, const struct outbox_settle *settle);
    void (*dead_letter)(void *self, outbox_op_t op,
                        const struct outbox_dead_letter_rows *rows); /* OUTBOX_CAP_DEAD_LETTERS */

    /* Administration; each works on a started store that owns nothing. */
    void (*setup)(void *self, outbox_op_t op); /* create or migrate the tables; works before they exist */
    int (*print)(void *self, enum outbox_print what, void (*line)(void *arg, const char *text), void *arg,
                 struct outbox_error *error); /* what setup would do, or the least grants; no I/O */
    void (*check)(void *self, outbox_op_t op, const struct outbox_check *check);
    void (*status)(void *self, outbox_op_t op, struct outbox_store_status *status);
    void (*add)(void *self, outbox_op_t op, const struct outbox_add *add);
    void (*dead)(void *self, outbox_op_t op, struct outbox_dead *dead); /* OUTBOX_CAP_DEAD_LETTERS */
};

/* ---- brokers ----------------------------------------------------------------------------------------------------- */

struct outbox_broker_start {
    uint32_t struct_size;
    uint32_t flags; /* OUTBOX_START_* */
};
/* Only check() will be called: connect, but make, lock and change nothing, and take another writer for no failure. */
#define OUTBOX_START_PROBE (1u << 0)

static inline bool outbox_broker_start_probes(const struct outbox_broker_start *start)
{
    return start->struct_size >= sizeof *start && (start->flags & OUTBOX_START_PROBE);
}

struct outbox_publish {
    uint32_t struct_size;
    uint32_t count;
    const struct outbox_message *messages; /* read through outbox_message_at() */
    uint32_t stride;                       /* sizeof(struct outbox_message) of the host */
};

static inline const struct outbox_message *outbox_message_at(const struct outbox_publish *publish, uint32_t index)
{
    return (const struct outbox_message *)(const void *)((const char *)publish->messages +
                                                         (size_t)index * publish->stride);
}

struct outbox_broker_ops {
    uint32_t struct_size;

    int (*init)(void *self, const struct outbox_init *init, struct outbox_error *error);
    void (*fini)(void *self);

    void (*start)(void *self, outbox_op_t op, const struct outbox_broker_start *start);
    void (*stop)(void *self, outbox_op_t op);
    void (*cancel)(void *self, outbox_op_t op); /* optional */

    /* Send messages; tell the outcome of each when it is certain; then complete. Several are in flight. With
     * OUTBOX_CAP_ORDERED, messages of one key are appended in submission order, and when the outcome of one is
     * RETRY, UNKNOWN or NOT_CONNECTED, no later one of its key that was submitted before this was told is appended
     * without it: that gets such an outcome too. From the telling on the host keeps the order. */
    void (*publish)(void *self, outbox_op_t op, const struct outbox_publish *publish);

    /* Optional, OUTBOX_CAP_ADMIT: could this message ever go? Asked before publish, so that a message that is too
     * large or has an impossible topic stops its key before a later one overtakes it. OUTBOX_OK, or fills error.
     * Fast, pure, no I/O. */
    int (*admit)(void *self, const struct outbox_message *message, struct outbox_error *error);

    void (*check)(void *self, outbox_op_t op, const struct outbox_check *check); /* optional; on a started broker */
};

/* ---- the descriptor ---------------------------------------------------------------------------------------------- */

enum outbox_kind { OUTBOX_STORE = 1, OUTBOX_BROKER = 2 };

/* Capabilities; each implies the functions named. Bits not listed are reserved and refused. */
#define OUTBOX_CAP_DECORATOR (1ull << 0)    /* wraps another plugin of its kind: section `wraps:` */
#define OUTBOX_CAP_WAKE (1ull << 1)         /* store: rings host->wake(); the host may sleep long when idle */
#define OUTBOX_CAP_DEAD_LETTERS (1ull << 2) /* store: dead_letter and dead */
#define OUTBOX_CAP_ORDERED (1ull << 3)      /* broker: keeps order within a key over many messages in flight */
#define OUTBOX_CAP_ADMIT (1ull << 4)        /* broker: admit */
#define OUTBOX_CAP_ADMIN (1ull << 5)        /* store: setup, print, check, status and add */

struct outbox_plugin {
    uint32_t abi_major;   /* OUTBOX_ABI_MAJOR; the first field, for ever */
    uint32_t struct_size; /* sizeof(struct outbox_plugin) */
    uint32_t kind;        /* enum outbox_kind */
    uint32_t option_size; /* sizeof(struct outbox_option) */
    uint64_t caps;        /* OUTBOX_CAP_* */
    const char *name;     /* [a-z][a-z0-9_-]*, at most 31 */
    const char *version;
    const char *description; /* one sentence, lower case */
    size_t instance_size;    /* the host allocates instances, zeroed, and passes them as `self` */
    size_t op_size;          /* scratch memory for each op; 0: none */
    const struct outbox_option *options;
    uint32_t option_count;
    uint32_t reserved;
    const void *ops; /* struct outbox_store_ops or struct outbox_broker_ops */
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

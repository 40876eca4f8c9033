/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/outbox.h - a relay inside your program
 *
 *     struct outbox_options options = { .struct_size = sizeof options, .config_path = "outbox.yaml" };
 *     struct outbox *relay;
 *     struct outbox_error error;
 *     if (outbox_new(&options, &relay, &error) || outbox_start(relay, &error))
 *         return fail(error.text);
 *     ...
 *     outbox_stop(relay, 10000, &error);
 *     outbox_free(relay);
 *
 * A handle is one relay of a configuration. It has no globals, installs no signal handlers, never exits and writes
 * nothing to stderr. The relay runs on a thread of the handle, "outbox-relay", or on your libuv loop through
 * <outbox/uv.h>; blocking work on the workers of libuv, "outbox-worker" unless your program has started them, or libuv
 * names them itself, as 1.50 does. Handles are independent of each other. Functions may be called from any thread, one
 * at a time per handle, unless their comment differs. A NULL handle is an error (INVALID) where there is no comment.
 *
 * After fork() a handle belongs to the parent alone. In the child its calls are errors and have no effect;
 * outbox_free() frees its memory, but for that of the relay, and closes nothing. The child may make handles of its own.
 * Client libraries of plugins may ignore SIGPIPE for the process, as those of MySQL do. Applications write events with
 * <outbox/sqlite.h>, <outbox/postgres.h>, <outbox/mysql.h>, or with plain SQL.
 */
#ifndef OUTBOX_OUTBOX_H
#define OUTBOX_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <outbox/error.h>
#include <outbox/event.h>
#include <outbox/finding.h>

#ifdef __cplusplus
extern "C" {
#endif

struct outbox;

/* X(name, text): the state of a relay. */
#define OUTBOX_STATES(X)                                                                                            \
    X(STOPPED, "stopped")                                                                                           \
    X(CONNECTING, "connecting") /* to the store, to the broker or to both */                                        \
    X(STANDBY, "standby")       /* another relay owns the outbox */                                                 \
    X(RELAYING, "relaying")                                                                                         \
    X(RECOVERING, "recovering") /* a connection was lost, or nothing is confirmed, claimed or removed for 10 s */   \
    X(HALTED, "halted")         /* on_reject: stop, and an event was rejected; stop and start the relay to go on */ \
    X(DRAINING, "draining")     /* stopping: events in flight finish */                                             \
    X(PAUSED, "paused")         /* by an operator of the program: it owns the outbox and claims nothing */

enum outbox_state {
#define OUTBOX_STATE_ENUM(name, text) OUTBOX_STATE_##name,
    OUTBOX_STATES(OUTBOX_STATE_ENUM)
#undef OUTBOX_STATE_ENUM
};

/* An event that the broker has confirmed. Everything is borrowed during the callback. */
struct outbox_confirmed {
    size_t struct_size;
    struct outbox_bytes event_id, topic, key; /* key: null if the event has none */
    uint64_t id;                              /* of the row; of a store that reads a log, the transaction */
};

/* A configuration made by calls, instead of YAML:
 *
 *     outbox_config_set(config, "orders", "store", "plugin", "postgres", &error);
 *     outbox_config_set(config, "orders", "broker/options", "compression.codec", "lz4", &error);
 *     outbox_config_set(config, "orders", NULL, "order", "key", &error);
 *
 * The result is checked in outbox_new(), as a file is, with the same errors: "config:2:1: unknown key 'tabel' in store;
 * did you mean 'table'?", where 2 is the number of the call. One thread at a time for each configuration. */
struct outbox_config;
OUTBOX_API int outbox_config_new(struct outbox_config **config, struct outbox_error *error);

/* Add a key, or replace its value.
 *
 * relay    under `relays:`; it begins with its first key
 * section  the sections in one another, as a/b/c; NULL: the relay itself
 * value    text, read as in the file: ${NAME} is replaced from the environment, $${ stands for ${, and a secret may be
 *          file:PATH. The configuration copies all texts, and wipes them in outbox_config_free().
 *
 * Errors: CONFIG, with the number of the call; INVALID for a NULL; NO_MEMORY. */
OUTBOX_API int outbox_config_set(struct outbox_config *config, const char *relay, const char *section, const char *key,
                                 const char *value, struct outbox_error *error);
/* May be freed, and changed, after outbox_new(): handles have copies. NULL is fine. */
OUTBOX_API void outbox_config_free(struct outbox_config *config);

struct outbox_options {
    /* The texts are read in outbox_new() and need not live longer. */
    size_t struct_size;      /* sizeof(struct outbox_options) */
    const char *config_path; /* a YAML file; or */
    const char *config_text; /* the YAML itself; or `config` */
    const char *relay;       /* which of `relays:`; NULL: the only one */
    const char *plugin_dir;  /* directories, as a:b; NULL: $OUTBOX_PLUGIN_DIR. The installed directory follows */
    int log_level;           /* 0 errors, 1 warnings, 2 info, 3 debug, 4 trace */

    /* Called on the relay's thread or on your loop. Must not block, and may call only outbox_wake() and outbox_stats()
     * of this handle. Each may be NULL. */
    void (*on_state)(void *arg, enum outbox_state state, const char *why);
    void (*on_log)(void *arg, int level, const char *subject, const char *text); /* any thread */
    void *arg;
    /* For each event, before its row is removed: after a crash it may be called again for the same event. */
    void (*on_confirmed)(void *arg, const struct outbox_confirmed *event);
    const struct outbox_config *config; /* instead of config_path and config_text; read in outbox_new() */
};

/* Read the configuration, load the plugins, check everything that needs no connection. On failure *relay is NULL.
 * Errors: CONFIG, NOT_FOUND, PERMISSION, ABI, IO, INVALID, NO_MEMORY. */
OUTBOX_API int outbox_new(const struct outbox_options *options, struct outbox **relay, struct outbox_error *error);

/* Start relaying on a thread of the handle. The relay connects there, and tries again while a backend is down. */
OUTBOX_API int outbox_start(struct outbox *relay, struct outbox_error *error);

/* Stop: the relay claims no more rows, finishes and settles the events in flight, and releases the ownership. Events
 * that are not settled within deadline_ms (milliseconds) stay in the outbox. Blocks until the thread has ended. */
OUTBOX_API int outbox_stop(struct outbox *relay, uint32_t deadline_ms, struct outbox_error *error);

/* Wait until the events that are committed now are published and removed, at most timeout_ms (milliseconds). The relay
 * goes on. Not on the relay's thread, and only for a relay on its own thread. Errors: AGAIN if events of blocked keys
 * remain; STANDBY; REJECTED if the relay has halted; TIMEOUT with the relay's last error; INVALID. */
OUTBOX_API int outbox_drain(struct outbox *relay, uint32_t timeout_ms, struct outbox_error *error);

/* Create or migrate the tables of the outbox, as `outbox init` does; may be repeated. timeout_ms (milliseconds) limits
 * the connecting, not the migration. Blocks; the relay need not run. Errors: PERMISSION, NOT_CONNECTED, TIMEOUT,
 * CONFIG, SCHEMA, UNSUPPORTED, INVALID, NO_MEMORY. */
OUTBOX_API int outbox_init(struct outbox *relay, uint32_t timeout_ms, struct outbox_error *error);

/* Would the relay work? Looks at the store, the transforms and the broker, as `outbox check` does, and goes on after a
 * failure, so that one call finds everything.
 *
 * timeout_ms  milliseconds, of each connect and of each check
 * report      called for each finding, on the calling thread; part: "store", "transform NAME" or "broker". May be NULL.
 * error       gets the first finding of the severity ERROR
 *
 * Blocks; the relay need not run, and may. It changes nothing. Returns OUTBOX_OK if no finding is an ERROR; the cause
 * of the ERRORs of the first part that has some, of several CONFIG, then PERMISSION; or what ended the checks of that
 * part early: NOT_CONNECTED, TIMEOUT, PERMISSION, NOT_FOUND, SCHEMA, UNSUPPORTED and others. INVALID, NO_MEMORY. */
OUTBOX_API int outbox_check(struct outbox *relay, uint32_t timeout_ms,
                            void (*report)(void *arg, const char *part, const struct outbox_finding *finding),
                            void *arg, struct outbox_error *error);

/* Set struct_size to sizeof(struct outbox_backlog). -1: unknown. */
struct outbox_backlog {
    size_t struct_size;
    int64_t pending;   /* committed events in the outbox */
    int64_t oldest_us; /* created_at of the first of them, microseconds since 1970 */
    int64_t dead;      /* dead letters */
};
/* Ask the database, by a connection of its own. Blocks; the relay need not run. Errors as of outbox_init(), and
 * NOT_FOUND without a table. */
OUTBOX_API int outbox_backlog(struct outbox *relay, uint32_t timeout_ms, struct outbox_backlog *backlog,
                              struct outbox_error *error);

/* The relay must be stopped or detached; one that runs is not freed, and that is logged as an error. NULL is fine. */
OUTBOX_API void outbox_free(struct outbox *relay);

/* There are new rows: poll at once. For programs that write and relay. Cheap; any thread. */
OUTBOX_API void outbox_wake(struct outbox *relay);

/* Set struct_size to sizeof(struct outbox_stats); the structure grows at its end. Counters begin at 0 in outbox_new().
 */
struct outbox_stats {
    size_t struct_size;
    enum outbox_state state;
    uint32_t in_flight; /* events claimed and not settled */
    uint64_t in_flight_bytes;
    uint64_t claimed;        /* rows that the store returned; rows that are read again count again */
    uint64_t delivered;      /* outcomes DELIVERED; an event that is sent again counts again */
    uint64_t settled;        /* removed from the outbox */
    uint64_t retried;        /* pauses of a key after a failed attempt: of its event, or of its topic */
    uint64_t resent;         /* events published again that the broker has or may have: possible duplicates */
    uint64_t rejected;       /* refusals: outcomes REJECTED, routing errors, no attempts left; at each try */
    uint64_t dead_lettered;  /* moved to the dead letters */
    uint64_t blocked_events; /* events that wait for blocked keys now */
    uint64_t blocked_keys;   /* now */
    uint64_t store_connects; /* connects, the first one included */
    uint64_t broker_connects;
    uint64_t claims;                         /* claim operations, empty ones included */
    uint64_t settles;                        /* settle operations */
    uint64_t violations;                     /* completions and outcomes that broke the plugin contract */
    uint64_t unready_since_ns;               /* monotonic nanoseconds; 0: relaying */
    char last_error[OUTBOX_ERROR_TEXT_SIZE]; /* "" when nothing fails */
    uint64_t empty_claims;                   /* polls that found the outbox empty */
    uint64_t behind_since_ns;                /* since when each claim leaves events in the outbox; 0: it took all */
    /* of a store that reads a log */
    uint64_t spooled;          /* events copied to the spool, so that they do not hold the log */
    uint64_t kept_log_bytes;   /* of the log that is kept for this outbox now; 0: unknown */
    uint32_t kept_log_percent; /* of what may be kept, by bytes or by age; 0: unknown */
    uint64_t held_since_ns;    /* monotonic: when the oldest event was claimed that still holds the log; 0: none does */
    uint64_t recovered; /* delivery: exactly-once: events in the progress record of a start, which are not sent again */
    uint64_t transactions_committed; /* of the broker, with delivery: exactly-once */
    uint64_t transactions_aborted;   /* given up: not committed, or with an unknown outcome */
};
OUTBOX_API int outbox_stats(struct outbox *relay, struct outbox_stats *stats);

OUTBOX_API const char *outbox_state_name(enum outbox_state state);
OUTBOX_API const char *outbox_version(void);

#ifdef __cplusplus
}
#endif
#endif

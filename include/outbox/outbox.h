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
 * nothing to stderr. It runs on a thread of its own, or on your libuv loop through <outbox/uv.h>. Handles are
 * independent of each other. Unless a line says otherwise, functions may be called from any thread, one at a time
 * for a handle. Events are written with the helpers in <outbox/sqlite.h> and its siblings, or with plain SQL.
 */
#ifndef OUTBOX_OUTBOX_H
#define OUTBOX_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <outbox/error.h>
#include <outbox/event.h> /* OUTBOX_API */

#ifdef __cplusplus
extern "C" {
#endif

struct outbox;

/* X(name, text). What a relay is doing. */
#define OUTBOX_STATES(X)                                                                                     \
    X(STOPPED, "stopped")                                                                                    \
    X(CONNECTING, "connecting") /* to the store, to the broker or to both */                                 \
    X(STANDBY, "standby")       /* another relay owns the outbox */                                          \
    X(RELAYING, "relaying")                                                                                  \
    X(RECOVERING, "recovering") /* a connection was lost, or the broker is silent about what is in flight */ \
    X(HALTED, "halted")         /* on_reject: stop, and an event was rejected */                             \
    X(DRAINING, "draining")     /* stopping: what is in flight finishes */

enum outbox_state {
#define OUTBOX_STATE_ENUM(name, text) OUTBOX_STATE_##name,
    OUTBOX_STATES(OUTBOX_STATE_ENUM)
#undef OUTBOX_STATE_ENUM
};

struct outbox_options {
    size_t struct_size;      /* sizeof(struct outbox_options) */
    const char *config_path; /* a YAML file; or */
    const char *config_text; /* the YAML itself */
    const char *relay;       /* which of `relays:`; NULL: the only one */
    const char *plugin_dir;  /* NULL: $OUTBOX_PLUGIN_DIR, else where outbox was installed */
    int log_level;           /* 0 errors, 1 warnings, 2 info, 3 debug, 4 trace */

    /* Called on the relay's thread (or your loop); must not block or call back into this handle, save for
     * outbox_wake and outbox_stats. Each may be NULL. */
    void (*on_state)(void *arg, enum outbox_state state, const char *why);
    void (*on_log)(void *arg, int level, const char *subject, const char *text); /* any thread */
    void *arg;
};

/* Read the configuration, load the plugins, check everything that can be checked without I/O to the backends.
 * On failure *relay is NULL and error says what to do. */
OUTBOX_API int outbox_new(const struct outbox_options *options, struct outbox **relay, struct outbox_error *error);

/* Start relaying on a thread of the handle's own. Connecting happens there: backends that are down are waited for. */
OUTBOX_API int outbox_start(struct outbox *relay, struct outbox_error *error);

/* Stop: nothing new is claimed, what is in flight finishes, ownership is given back. At the deadline (milliseconds)
 * what is still in flight is given up; it stays in the outbox. Blocks until the thread has ended. */
OUTBOX_API int outbox_stop(struct outbox *relay, uint32_t deadline_ms, struct outbox_error *error);

/* Not while it runs. NULL is fine. */
OUTBOX_API void outbox_free(struct outbox *relay);

/* There are new rows: look at once. For programs that write and relay; cheap. */
OUTBOX_API void outbox_wake(struct outbox *relay);

/* Grows at the end; struct_size says how much of it the caller knows. Counters begin at 0 with outbox_new. */
struct outbox_stats {
    size_t struct_size;
    enum outbox_state state;
    uint32_t in_flight; /* claimed and not settled, events */
    uint64_t in_flight_bytes;
    uint64_t claimed;        /* rows given by the store, again after a recovery included */
    uint64_t delivered;      /* outcomes DELIVERED */
    uint64_t settled;        /* removed from the outbox */
    uint64_t retried;        /* attempts that failed for a reason of the event's own */
    uint64_t resent;         /* sent again after an outage or an unknown outcome: the possible duplicates */
    uint64_t rejected;       /* outcomes REJECTED */
    uint64_t dead_lettered;  /* moved to the dead letters */
    uint64_t deferred;       /* now waiting behind a blocked key, events */
    uint64_t blocked_keys;   /* now */
    uint64_t store_connects; /* successful connects; less 1: reconnects */
    uint64_t broker_connects;
    uint64_t claims;                         /* claim operations, empty ones included */
    uint64_t settles;                        /* settle operations */
    uint64_t violations;                     /* completions by plugins that broke the contract */
    uint64_t unready_since_ns;               /* monotonic; 0: relaying */
    char last_error[OUTBOX_ERROR_TEXT_SIZE]; /* "" after a recovery */
};
OUTBOX_API int outbox_stats(struct outbox *relay, struct outbox_stats *stats);

OUTBOX_API const char *outbox_state_name(enum outbox_state state);
OUTBOX_API const char *outbox_error_name(int code);
OUTBOX_API const char *outbox_version(void);

#ifdef __cplusplus
}
#endif
#endif

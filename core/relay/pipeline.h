/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/pipeline.h - the relay's own state, shared by the files of core/relay and by nobody else
 *
 * A callback notes what happened and calls obx_relay_tick_soon(); the tick looks at the state and starts whatever may
 * be started. No callback decides, no step waits for another.
 *
 *   claim.c    rows of the store      -> ready
 *   exact.c    events behind keys     -> ready            (by their positions, when their pause is over)
 *   publish.c  ready                  -> flying           (routes the rows)
 *   outcome.c  flying                 -> done, or back to ready, or behind a key
 *   silence.c  flying, without a word of the broker for long: told, and not ready
 *   settle.c   done                   -> released
 *   park.c     rejected events        -> the dead letters, or behind their key
 *   link.c     the two connections: start, ownership, loss, backoff
 *   relay.c    the tick, the life of a relay, its statistics
 *
 * Batches are in exactly one of the lists ready, flying, done, settling, so the lists are the gauges.
 */
#ifndef OBX_RELAY_PIPELINE_H
#define OBX_RELAY_PIPELINE_H

#include "relay/batch.h"
#include "relay/keys.h"
#include "relay/relay.h"
#include "relay/route.h"

#define OBX_MAX_FLYING 12    /* publishes in flight */
#define OBX_MAX_SETTLE 20000 /* rows of one settle, about */
#define OBX_MAX_PARK 100     /* events of one park */
#define OBX_MAX_TO_PARK 1000 /* more of them pause claiming */

/* One connection: the store's or the broker's. */
enum obx_link_state {
    OBX_LINK_DOWN, /* until retry_at */
    OBX_LINK_STARTING,
    OBX_LINK_ACQUIRING, /* store only: started, not the owner; asks at retry_at */
    OBX_LINK_UP,
    OBX_LINK_STOPPING, /* stop() completes what is in flight, then itself */
    OBX_LINK_STATES
};

struct obx_link {
    enum obx_link_state state;
    const char *name;              /* "store", "broker" */
    struct obx_instance *instance; /* owned */
    struct obx_call call;          /* start, acquire */
    struct obx_call stop_call;
    uint32_t failures; /* in a row; reset by the first success of real work */
    uint64_t retry_at;
    bool logged;               /* this trouble was told already */
    struct outbox_error error; /* of the last failure; code 0: none since it works */
};

struct obx_parked {
    struct obx_list link;
    struct outbox_position position;
    uint32_t attempts;
    uint32_t topic_size, key_size;
    bool key_is_null;
    char reason[200];
    char bytes[]; /* topic, then key */
};

struct obx_relay {
    /* ---- what it was made of: set once ---- */
    struct obx_loop *loop;
    const struct obx_log *log;
    char *name; /* owned */
    struct obx_relay_settings settings;
    struct obx_route route;
    struct obx_relay_events events;

    /* ---- relay.c: the tick ---- */
    struct obx_task tick;
    struct obx_timer timer;
    uint64_t now, next; /* of this tick: the time, and when something is due */

    /* ---- relay.c: its life, and what of it was told ---- */
    bool running; /* between start and stop */
    bool stopping;
    bool halted;  /* on_reject: stop */
    bool related; /* it relayed once since start */
    uint64_t stop_at;
    void (*stopped)(void *arg);
    void *stopped_arg;
    enum outbox_state state; /* as last told */
    uint64_t unready_since;
    bool drained_told;
    struct outbox_stats stats;

    /* ---- link.c: the two connections, and the ownership of the outbox ---- */
    struct obx_link store, broker;
    struct outbox_store_start store_start;
    struct outbox_acquire acquire;
    bool standby;
    uint64_t epoch; /* of ownership: grows when rows claimed before mean nothing any more */

    /* ---- claim.c: what is claimed, and when to look again ---- */
    struct obx_call claim_call;
    struct outbox_claim claim;
    bool claim_exact, rewind, wake;
    bool reread;           /* the store was lost, rows were left in the outbox before their turn: whatever comes back
                              is left, too, until everything is read again, or it might overtake them */
    bool empty;            /* the last full look found nothing new */
    bool asked_park;       /* by the claim in flight */
    bool mute;             /* the store's doorbell could not be armed the last time */
    uint64_t claim_at;     /* next look */
    uint64_t claimed_at;   /* when the last look began */
    uint64_t active_until; /* rows or a wake were seen lately: look every millisecond */
    uint64_t idle_delay;
    uint64_t row_bytes; /* running estimate */
    uint32_t ramp;      /* first claims are small */

    /* ---- exact.c: events whose pause is over, by their positions ---- */
    struct outbox_position *exact;    /* owned */
    uint32_t exact_room, exact_limit; /* of positions; how many of them are asked for at once */
    bool exact_batch;                 /* one is in the pipeline */
    bool deferred_full;               /* told already */

    /* ---- the pipeline: a batch is in exactly one list ---- */
    struct obx_batch_pool pool;
    struct obx_list ready, flying, done, settling;
    uint32_t ready_count, flying_count;
    struct obx_keys keys;

    /* ---- publish.c, outcome.c, silence.c: towards the broker ---- */
    uint32_t troubled_count;      /* of those in flight; while there are any, nothing more is published */
    struct obx_batch *unfinished; /* published in part, for lack of memory or of order: nothing may overtake it */
    uint64_t publish_at;
    uint64_t next_seq;
    uint64_t heard_at; /* the broker's last word, or when it was given something and had nothing */
    bool silent;       /* that was long ago */

    /* ---- settle.c: away from the outbox, and the renewal of its ownership ---- */
    struct obx_call settle_call;
    struct outbox_settle settle;
    struct outbox_span *spans; /* owned */
    uint32_t span_room;
    uint64_t settled_at; /* when the last one began */
    uint64_t settle_at;  /* after a failure that may pass */
    uint32_t settle_failures;
    uint64_t settle_failing_since;
    bool settle_told; /* that it fails for long */
    struct obx_call renew_call;
    uint64_t renew_at;

    /* ---- park.c: to the dead letters, and which keys are among them ---- */
    struct obx_list to_park;
    uint64_t park_at; /* after a failure that may pass */
    uint32_t to_park_count;
    struct obx_call park_call;
    struct outbox_dead_letter_rows park;
    struct outbox_dead_row dead_rows[OBX_MAX_PARK];
    struct obx_key_set {
        uint64_t hash;
        UT_hash_handle hh;
    } * parked_keys; /* owned */
    struct obx_call dead_call;
    struct outbox_dead dead;
    uint64_t dead_keys_at; /* next reading of the keys in the dead letters */
    bool dead_keys_known;
};

void obx_relay_tick_soon(struct obx_relay *relay);
/* In a step: has the time come? If not, the relay wakes up then. */
bool obx_relay_due(struct obx_relay *relay, uint64_t at);
#define OBX_RELAY_LOG(relay, level, ...) obx_log_write((relay)->log, level, (relay)->name, __VA_ARGS__)

/* stop.c */
void obx_stop_step(struct obx_relay *relay);    /* of a relay that is stopping */
void obx_stop_release(struct obx_relay *relay); /* forgets all rows that it holds; nothing may be in flight */

/* silence.c */
void obx_stall_heard(struct obx_relay *relay); /* a word came, or the first event of several is given to it */
void obx_stall_step(struct obx_relay *relay);

/* link.c */
void obx_link_step_store(struct obx_relay *relay);
void obx_link_step_broker(struct obx_relay *relay);
void obx_link_lost(struct obx_relay *relay, struct obx_link *link, const struct outbox_error *error);
void obx_link_stop(struct obx_relay *relay, struct obx_link *link, uint32_t timeout_ms);
void obx_link_show_trouble(struct obx_relay *relay, const struct obx_link *link, const struct outbox_error *error);
void obx_link_forget_trouble(struct obx_relay *relay);   /* what is shown, if there is none any more */
static inline void obx_link_works(struct obx_link *link) /* real work succeeded */
{
    link->failures = 0;
}
static inline bool obx_link_up(const struct obx_link *link)
{
    return link->state == OBX_LINK_UP;
}

/* claim.c */
void obx_claim_reset(struct obx_relay *relay); /* ownership is new: begin with the first row */
void obx_claim_step(struct obx_relay *relay);
void obx_claim_wake(struct obx_relay *relay);
void obx_batch_drop(struct obx_relay *relay, struct obx_batch *batch); /* not in a list: release and recycle */

/* exact.c */
bool obx_retry_claim_due(struct obx_relay *relay);         /* there is a key to claim the events of, and room to ask */
uint32_t obx_retry_claim_collect(struct obx_relay *relay); /* into relay->exact; how many */
void obx_retry_claim_note(struct obx_relay *relay,
                          const struct outbox_batch *rows);                  /* the answer; NULL: nothing is there */
void obx_retry_claim_wait_again(struct obx_relay *relay, uint64_t pause_ns); /* all keys that were claimed */

/* publish.c */
void obx_publish_step(struct obx_relay *relay);
void obx_publish_ready(struct obx_relay *relay, struct obx_batch *batch); /* into ready, in order of seq */
void obx_publish_leave(struct obx_relay *relay); /* what is ready stays in the outbox, for the next claim */
uint64_t obx_event_hash(const struct obx_relay *relay, const struct outbox_message *message,
                        struct outbox_position position);

/* outcome.c */
void obx_outcome_note(struct obx_call *call, const struct outbox_outcomes *outcomes);
void obx_outcome_done(struct obx_call *call, const struct outbox_error *error);
/* After a round of a batch: its keys that failed pause, the others go on. */
void obx_outcome_resolve(struct obx_relay *relay, const struct obx_batch *batch);

/* settle.c */
void obx_settle_step(struct obx_relay *relay);
void obx_settle_renew_step(struct obx_relay *relay);
void obx_settle_forget(struct obx_relay *relay); /* what was delivered cannot be settled any more */

/* park.c */
/* The event can never go: apply on_reject. error says why. False: no memory, nothing was changed. */
bool obx_reject(struct obx_relay *relay, const struct outbox_message *message, struct outbox_position position,
                const struct outbox_error *error);
/* on_reject: park-key, and an event of this key is a dead letter: this one follows it. */
bool obx_dead_letter_follows(const struct obx_relay *relay, uint64_t hash);
bool obx_dead_letter_add(struct obx_relay *relay, const struct outbox_message *message, struct outbox_position position,
                         uint32_t attempts, const char *reason);
void obx_dead_letter_step(struct obx_relay *relay);
void obx_dead_letter_clear(struct obx_relay *relay);
bool obx_dead_letter_ready(
    const struct obx_relay *relay); /* keys in the dead letters are known, if the policy needs them */

#endif

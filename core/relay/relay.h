/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/relay.h - the pipeline: claim -> route -> publish -> settle
 *
 * Knows stores and brokers only as instances, time and tasks only through the loop, and does no I/O: the same code
 * runs in production on libuv and in simulation on a virtual clock. All on the loop thread.
 * docs/ARCHITECTURE.md draws its states.
 */
#ifndef OBX_RELAY_RELAY_H
#define OBX_RELAY_RELAY_H

#include <outbox/outbox.h>

#include "plugin/instance.h"
#include "relay/events.h"
#include "relay/settings.h"
#include "relay/timings.h"

struct obx_relay;

struct obx_relay_setup {
    struct obx_loop *loop;
    struct obx_registry *registry;
    const struct obx_log *log;
    const char *name;
    const struct obx_section *section; /* relays.NAME; must outlive the relay */
    struct obx_relay_events events;
};

/* Parse the settings, make both instances. No I/O. */
int obx_relay_new(const struct obx_relay_setup *setup, struct obx_relay **relay, struct outbox_error *error);
void obx_relay_free(struct obx_relay *relay); /* stopped, or never started; NULL is fine */

void obx_relay_start(struct obx_relay *relay);
/* Finish within the deadline, then stopped() once. A second call with a shorter deadline shortens it. */
void obx_relay_stop(struct obx_relay *relay, uint32_t deadline_ms, void (*stopped)(void *arg), void *arg);
void obx_relay_wake(struct obx_relay *relay);
/* Somebody has mended something: blocked keys are tried now, and a halted relay goes on. */
void obx_relay_retry(struct obx_relay *relay);

/* What an operator does to a relay; see control.h. */
enum obx_control_action { OBX_CONTROL_PAUSE, OBX_CONTROL_RESUME, OBX_CONTROL_RETRY, OBX_CONTROL_SKIP };
struct obx_control_request {
    enum obx_control_action action;
    const char *topic, *key; /* of a blocked key, for retry and skip; NULL: any */
    const char *by;          /* who, for the log */
};
/* answer: what happens now, or why not, for people; its code is the result. Errors: REJECTED (there is no such key, or
 * there are several), AGAIN, STANDBY, UNSUPPORTED. */
int obx_relay_control(struct obx_relay *relay, const struct obx_control_request *request, struct outbox_error *answer);
/* Who has paused it; NULL: it is not paused. */
const char *obx_relay_paused_by(const struct obx_relay *relay);
/* Before its start: it is paused if the relay that it replaces is. */
void obx_relay_inherit_pause(struct obx_relay *relay, const struct obx_relay *replaced);

void obx_relay_stats(const struct obx_relay *relay, struct outbox_stats *stats);
enum outbox_state obx_relay_state(const struct obx_relay *relay);
/* The last failure, for verbs that must end with the right exit code; code 0: none since the last recovery. */
const struct outbox_error *obx_relay_failure(const struct obx_relay *relay);
/* While it stands by: the owner of the outbox, for people; "": unknown, or it does not stand by. */
const char *obx_relay_owner(const struct obx_relay *relay);
struct obx_instance *obx_relay_store(struct obx_relay *relay);
struct obx_instance *obx_relay_broker(struct obx_relay *relay);
const struct obx_relay_settings *obx_relay_settings(const struct obx_relay *relay);

/* Blocked keys, longest blocked first. */
struct obx_blocked_key {
    const char *topic; /* may be cut */
    const char *key;
    struct outbox_position position; /* of the event that blocks it */
    const char *event_id;
    uint32_t attempts;
    uint64_t events; /* that wait, the blocking one included */
    uint64_t since_ns;
    const char *reason;
};
void obx_relay_each_blocked(const struct obx_relay *relay, void (*each)(void *arg, const struct obx_blocked_key *key),
                            void *arg);
/* For metrics. */
struct obx_relay_measures {
    struct obx_timings timings;
    uint64_t recovery_resent; /* since the last outage began: events published again that the broker has or may have */
    int64_t oldest_us; /* created_at of the oldest claimed event that is not confirmed; INT64_MAX: there is none */
    int64_t oldest_in_flight_us; /* the same, of those that no key blocks */
    uint64_t backlog;            /* about how many events are in the outbox, by the store's last estimate */
    uint64_t blocked_since_ns;   /* since when the key is blocked that is blocked longest; 0: none is */
    int64_t owned_since_us;      /* when the ownership began, also of another relay; since 1970; 0: unknown */
};
void obx_relay_measure(const struct obx_relay *relay, struct obx_relay_measures *measures);
/* The kinds of rows that stay in the outbox beside the blocked events, each with a text: how many, and why. */
void obx_relay_each_left(const struct obx_relay *relay, void (*each)(void *arg, const char *why), void *arg);

#endif

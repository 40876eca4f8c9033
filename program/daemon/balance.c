/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/balance.c - the rules of balance.h: claim, take, give, wish, in this order
 *
 * Relays that a step takes or gives change the numbers for the rest of the step. A step costs a pass over all relays
 * for each wish and each free outbox; there are hundreds of relays at most.
 */
#include "daemon/balance.h"

#include "base/mem.h"

enum {
    CLAIMS_IN_PATIENCE = 8,
    /* patiences */
    DISTRUST = 5, /* how long nothing is given to a process that did not take what it was given */
    STUCK = 15,   /* how long a relay may connect here; */
    BAR = 15,     /* how long others have it afterwards, twice as long after each failure */
    BAR_DOUBLINGS = 4
};

#define EACH_RELAY(balance, relay)                                          \
    for (struct obx_balance_relay **at_ = (balance)->relays, *relay = NULL; \
         at_ < (balance)->relays + (balance)->count; at_++)                 \
        if ((relay = *at_))

/* ---- counting ---------------------------------------------------------------------------------------------------- */

static bool is_free(const struct obx_balance_relay *relay)
{
    return relay->known && relay->local == OBX_BALANCE_IDLE && (!relay->owned || relay->silent);
}

/* With the free outboxes that this process claims. */
static uint32_t own_count(const struct obx_balance *balance)
{
    uint32_t count = 0;
    EACH_RELAY(balance, relay)
    count += relay->local == OBX_BALANCE_RUNNING ? relay->action != OBX_BALANCE_GIVE : is_free(relay) && relay->wish;
    return count;
}

static bool is_owned_by(const struct obx_balance_relay *relay, uint64_t process)
{
    return relay->known && relay->owned && !relay->silent && relay->local == OBX_BALANCE_IDLE &&
           relay->owner == process && relay->action == OBX_BALANCE_KEEP;
}

static uint32_t count_of(const struct obx_balance *balance, uint64_t process)
{
    uint32_t count = 0;
    EACH_RELAY(balance, relay)
    count += is_owned_by(relay, process);
    return count;
}

/* Without what this process wishes to get from it. */
static uint32_t count_after_wishes(const struct obx_balance *balance, uint64_t process)
{
    uint32_t count = 0;
    EACH_RELAY(balance, relay)
    count += is_owned_by(relay, process) && !relay->wish;
    return count;
}

/* ---- before the decisions ---------------------------------------------------------------------------------------- */

static bool is_overdue(const struct obx_balance *balance, const struct obx_balance_relay *relay)
{
    return relay->free_since && balance->now - relay->free_since >= balance->patience_ns;
}

/* A process that does not take what it wished for hangs, or lies behind a broken network. It may recover with the same
 * wish. */
static void judge_wisher(const struct obx_balance *balance, struct obx_balance_relay *relay)
{
    bool held = relay->known && relay->wished && !relay->ours;
    if (!held || relay->hangs != relay->wisher || balance->now - relay->hung_at >= DISTRUST * balance->patience_ns)
        relay->hangs = 0;
    if (held && is_overdue(balance, relay)) {
        relay->hangs = relay->wisher;
        relay->hung_at = balance->now;
    }
}

static void note_connecting(struct obx_balance *balance, struct obx_balance_relay *relay)
{
    if (relay->local == OBX_BALANCE_RUNNING && relay->connecting) {
        relay->connecting_since = relay->connecting_since ? relay->connecting_since : balance->now;
        return;
    }
    if (relay->connecting_since && relay->relaying)
        balance->failures = 0;
    relay->connecting_since = 0;
}

static void prepare(struct obx_balance *balance, struct obx_balance_relay *relay)
{
    relay->action = OBX_BALANCE_KEEP;
    note_connecting(balance, relay);
    if (!is_free(relay))
        relay->free_since = 0;
    else if (!relay->free_since)
        relay->free_since = balance->now;
    judge_wisher(balance, relay);
    if (relay->local != OBX_BALANCE_IDLE)
        relay->left_at = balance->now;
    bool arrived = relay->known && relay->owned && relay->owner == relay->given_to;
    if (arrived || relay->local == OBX_BALANCE_RUNNING || balance->now - relay->left_at >= balance->patience_ns)
        relay->given_to = 0;
}

static uint32_t relaying_count(const struct obx_balance *balance)
{
    uint32_t count = 0;
    EACH_RELAY(balance, relay)
    count += relay->local == OBX_BALANCE_RUNNING && relay->relaying;
    return count;
}

/* A process that relays nothing after a failure does not try the next outbox. */
static bool is_barred(const struct obx_balance *balance, const struct obx_balance_relay *relay)
{
    return balance->now < relay->barred_until || (balance->now < balance->barred_until && !relaying_count(balance));
}

/* ---- take -------------------------------------------------------------------------------------------------------- */

static bool owns_fewest(const struct obx_balance *balance, uint32_t own)
{
    EACH_RELAY(balance, relay)
    if (relay->owner && is_owned_by(relay, relay->owner) && count_of(balance, relay->owner) < own)
        return false;
    return true;
}

static bool may_claim(const struct obx_balance *balance, const struct obx_balance_relay *relay)
{
    bool last_resort = relay->free_since && balance->now - relay->free_since >= 2 * balance->patience_ns;
    if (!is_free(relay) || relay->wish || (is_barred(balance, relay) && !last_resort))
        return false;
    return is_overdue(balance, relay) || (!relay->wished && owns_fewest(balance, own_count(balance)));
}

/* Of outboxes without an owner a quarter: more would be too many when several processes start, fewer would take too
 * long. What nobody has taken for a while is claimed at once. */
static void claim(struct obx_balance *balance, uint64_t random)
{
    uint32_t free = 0;
    EACH_RELAY(balance, relay)
    free += is_free(relay) && !relay->wish;
    uint32_t most = (free + 3) / 4;
    if (!free || balance->now - balance->claimed_at < balance->patience_ns / CLAIMS_IN_PATIENCE)
        return;
    balance->claimed_at = balance->now;
    for (uint32_t i = 0; i < balance->count; i++) {
        struct obx_balance_relay *relay = balance->relays[(random + i) % balance->count];
        bool overdue = is_overdue(balance, relay);
        if ((!most && !overdue) || !may_claim(balance, relay))
            continue;
        relay->wish = true;
        most -= overdue ? 0 : 1;
    }
}

/* A claim is a wish for a free outbox: only who has it starts the relay, so that processes do not race for it with
 * connections. A wish that leads to nothing is passed over, and an outbox that allows no wish: it may lack its table.
 */
static void take(struct obx_balance *balance)
{
    EACH_RELAY(balance, relay)
    {
        if (!is_free(relay) || !relay->wish || (!relay->ours && !is_overdue(balance, relay)))
            continue;
        relay->action = OBX_BALANCE_TAKE;
        balance->taken++;
    }
}

/* ---- give -------------------------------------------------------------------------------------------------------- */

/* As many as the wisher owns already, and one at first: a process that hangs keeps few of them without an owner. */
static bool may_give(const struct obx_balance *balance, const struct obx_balance_relay *relay)
{
    enum { MOST = 8 };
    uint32_t owns = count_of(balance, relay->wisher), under_way = 0;
    if (!relay->relaying || !relay->known || !relay->wished || relay->ours || !relay->wisher ||
        relay->wisher == balance->self) /* of a former session, which the server has not ended yet */
        return false;
    EACH_RELAY(balance, other)
    {
        under_way += other->given_to == relay->wisher;
        if (other->hangs == relay->wisher)
            return false;
    }
    return under_way <= owns && under_way < MOST && own_count(balance) >= owns + under_way + 2;
}

static void give(struct obx_balance *balance)
{
    EACH_RELAY(balance, relay)
    {
        if (relay->local != OBX_BALANCE_RUNNING)
            continue;
        if (relay->lost) {
            relay->action = OBX_BALANCE_GIVE;
        } else if (may_give(balance, relay)) {
            relay->action = OBX_BALANCE_GIVE;
            relay->given_to = relay->wisher;
            balance->given++;
        }
    }
}

/* ---- give up ----------------------------------------------------------------------------------------------------- */

/* A process keeps the wish for what it owns until it relays it. Where nobody relays, others would not do better. */
static bool others_relay(const struct obx_balance *balance)
{
    EACH_RELAY(balance, relay)
    if (relay->owner && relay->owner != balance->self && is_owned_by(relay, relay->owner) &&
        !(relay->wished && relay->wisher == relay->owner))
        return true;
    return false;
}

static bool is_stuck(const struct obx_balance *balance, const struct obx_balance_relay *relay)
{
    uint64_t most = STUCK * balance->patience_ns;
    return relay->known && relay->connecting_since && balance->now - relay->connecting_since >= most &&
           balance->now >= relay->barred_until && others_relay(balance);
}

/* What nobody else takes, this process takes again in spite of the bar, and keeps until the bar ends. */
static void give_up(struct obx_balance *balance)
{
    uint64_t bar_ns = (BAR * balance->patience_ns) << OBX_MIN(balance->failures, (uint32_t)BAR_DOUBLINGS);
    bool any = false;
    EACH_RELAY(balance, relay)
    {
        if (!is_stuck(balance, relay))
            continue;
        relay->action = OBX_BALANCE_GIVE;
        relay->wish = false;
        relay->barred_until = balance->barred_until = balance->now + bar_ns;
        any = true;
    }
    balance->failures += any;
}

/* ---- wish -------------------------------------------------------------------------------------------------------- */

/* As many as this process relays, and one at first: a process that cannot reach its broker gets one relay only. */
static uint32_t wish_room(const struct obx_balance *balance)
{
    uint32_t relaying = relaying_count(balance), connecting = 0;
    EACH_RELAY(balance, relay)
    connecting += relay->local == OBX_BALANCE_RUNNING ? relay->connecting : is_free(relay) && relay->wish;
    uint32_t most = relaying ? relaying : 1;
    return most > connecting ? most - connecting : 0;
}

static bool may_wish(const struct obx_balance *balance, const struct obx_balance_relay *relay, uint32_t own)
{
    bool can = relay->owner && is_owned_by(relay, relay->owner) && !relay->wish && (!relay->wished || relay->ours);
    return can && !is_barred(balance, relay) && count_after_wishes(balance, relay->owner) >= own + 2;
}

/* An outbox of the process that owns the most. held: of those only for which this process has the wish already. */
static struct obx_balance_relay *best_wish(const struct obx_balance *balance, uint32_t own, bool held, uint64_t random)
{
    struct obx_balance_relay *best = NULL;
    uint32_t most = 0;
    for (uint32_t i = 0; i < balance->count; i++) {
        struct obx_balance_relay *relay = balance->relays[(random + i) % balance->count];
        if ((held && !relay->ours) || !may_wish(balance, relay, own))
            continue;
        uint32_t count = count_after_wishes(balance, relay->owner);
        if (count <= most)
            continue;
        best = relay;
        most = count;
    }
    return best;
}

/* Until it is seen that this process owns the outbox, nobody else is to take it. A claim ends if another one is seen to
 * have it. */
static bool keeps_wish(const struct obx_balance_relay *relay)
{
    if (!relay->wish || !relay->known)
        return false;
    if (is_free(relay))
        return relay->ours || !relay->wished || relay->hangs;
    return relay->local == OBX_BALANCE_RUNNING && relay->connecting;
}

/* Wishes for outboxes that others own are made anew, those that are held first: one without a reason ends. */
static void wish(struct obx_balance *balance, uint64_t random)
{
    uint32_t room = wish_room(balance), own = own_count(balance);
    struct obx_balance_relay *best;
    for (int held = 1; held >= 0; held--)
        for (; room && (best = best_wish(balance, own, held, random)); room--, own++)
            best->wish = true;
}

void obx_balance_step(struct obx_balance *balance, uint64_t now, uint64_t random)
{
    balance->now = now;
    EACH_RELAY(balance, relay)
    prepare(balance, relay);
    EACH_RELAY(balance, relay)
    relay->wish = keeps_wish(relay);
    claim(balance, random);
    take(balance);
    give(balance);
    give_up(balance);
    wish(balance, random);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/relay/fixture_concurrent.c - a concurrent broker: each event is answered by itself, after its latency
 *
 * It checks the promise of the host: no two events of one key are in flight.
 */
#include "base/mem.h"
#include "fixture_internal.h"

#define EVENTS_MAX 8192

struct flying {
    outbox_op_t op; /* 0: free */
    uint32_t index;
    const struct outbox_message *message;
    uint64_t due_ns;
};

static struct {
    const struct outbox_host *host;
    struct outbox_timer *timer;
    struct flying flying[EVENTS_MAX];
    uint32_t end; /* flying[end] and later are free */
    outbox_op_t stop;
    struct {
        outbox_op_t op;
        uint32_t left;
    } publishes[EVENTS_MAX];
    uint32_t publish_end;
} broker;

static bool same_bytes(struct outbox_bytes a, struct outbox_bytes b)
{
    return a.size == b.size && !memcmp(a.data, b.data, a.size);
}

static void check_promise(const struct outbox_message *message)
{
    uint32_t in_flight = 1;
    for (uint32_t i = 0; i < broker.end; i++) {
        const struct flying *other = &broker.flying[i];
        in_flight += other->op != 0;
        cr_assert(!other->op || !message->key.data || !other->message->key.data ||
                      !same_bytes(other->message->key, message->key) ||
                      !same_bytes(other->message->topic, message->topic),
                  "two events of the key %.*s are in flight", (int)message->key.size, (const char *)message->key.data);
    }
    the_fixture->most_events_in_flight = OBX_MAX(the_fixture->most_events_in_flight, in_flight);
}

static void set_timer(void)
{
    uint64_t next = UINT64_MAX, now = the_fixture->loop.now_ns;
    for (uint32_t i = 0; i < broker.end; i++)
        if (broker.flying[i].op)
            next = OBX_MIN(next, broker.flying[i].due_ns);
    if (next != UINT64_MAX)
        broker.host->timer_set(broker.timer, next > now ? (next - now + 999) / 1000 : 0);
}

static void complete_message(outbox_op_t op)
{
    for (uint32_t i = 0; i < broker.publish_end; i++) {
        if (broker.publishes[i].op != op || --broker.publishes[i].left)
            continue;
        broker.publishes[i].op = 0;
        broker.host->op_done(broker.host, op, NULL);
    }
}

static void answer(struct flying *flying, uint32_t outcome, const struct outbox_error *error)
{
    struct outbox_outcomes report = {.struct_size = sizeof report,
                                     .outcome = outcome,
                                     .first = flying->index,
                                     .count = 1,
                                     .error = error,
                                     .retry_after_ms = the_fixture->retry_after_ms};
    outbox_op_t op = flying->op;
    if (outcome == OUTBOX_DELIVERED || outcome == OUTBOX_UNKNOWN || outcome == OUTBOX_RETRY_UNKNOWN)
        fixture_append(flying->message);
    flying->op = 0;
    broker.host->outcomes(broker.host, op, &report);
    complete_message(op);
}

static void answer_due(void *arg)
{
    (void)arg;
    for (uint32_t i = 0; i < broker.end; i++) {
        struct flying *flying = &broker.flying[i];
        struct outbox_error error = {.code = OUTBOX_E_IO, .text = "simulated"};
        if (!flying->op || flying->due_ns > the_fixture->loop.now_ns)
            continue;
        uint32_t outcome = OUTBOX_DELIVERED;
        if (the_fixture->refuse && the_fixture->refuse(the_fixture, flying->message))
            outcome = OUTBOX_REJECTED;
        else if (the_fixture->outcome)
            outcome = the_fixture->outcome(the_fixture, flying->message, &error);
        answer(flying, outcome, &error);
    }
    set_timer();
}

static void start(void *self, outbox_op_t op, const struct outbox_broker_start *start_)
{
    (void)start_;
    broker.host = ((struct fixture_instance *)self)->host;
    the_fixture->broker_lost = false;
    struct outbox_error error = {.code = OUTBOX_E_NO_MEMORY, .text = "out of memory"};
    if (!broker.timer && broker.host->timer_open(broker.host, answer_due, NULL, &broker.timer))
        broker.host->op_done(broker.host, op, &error);
    else if (!fixture_fails(self, op, FIXTURE_BROKER_START))
        fixture_done(self, op);
}

/* Events in flight are answered now. */
static void stop(void *self, outbox_op_t op)
{
    struct outbox_error error = {.code = OUTBOX_E_NOT_CONNECTED, .text = "stopped"};
    for (uint32_t i = 0; i < broker.end; i++)
        if (broker.flying[i].op)
            answer(&broker.flying[i], the_fixture->stop_delivers ? OUTBOX_DELIVERED : OUTBOX_NOT_CONNECTED, &error);
    broker.end = broker.publish_end = 0;
    fixture_done(self, op);
}

void fixture_lose_broker(struct fixture *fixture)
{
    struct outbox_error error = {.code = OUTBOX_E_NOT_CONNECTED, .text = "lost"};
    fixture->broker_lost = true;
    broker.host->lost(broker.host, &error);
}

static struct flying *free_place(void)
{
    uint32_t i = 0;
    while (i < broker.end && broker.flying[i].op)
        i++;
    cr_assert_lt(i, EVENTS_MAX);
    broker.end = OBX_MAX(broker.end, i + 1);
    return &broker.flying[i];
}

static void note_publish(outbox_op_t op, uint32_t count)
{
    uint32_t i = 0;
    while (i < broker.publish_end && broker.publishes[i].op)
        i++;
    cr_assert_lt(i, EVENTS_MAX);
    broker.publish_end = OBX_MAX(broker.publish_end, i + 1);
    broker.publishes[i].op = op;
    broker.publishes[i].left = count;
}

static void publish(void *self, outbox_op_t op, const struct outbox_publish *publish_)
{
    (void)self;
    the_fixture->publishes++;
    note_publish(op, publish_->count);
    for (uint32_t i = 0; i < publish_->count; i++) {
        const struct outbox_message *message = outbox_message_at(publish_, i);
        uint64_t latency_ms = the_fixture->latency_ms ? the_fixture->latency_ms(the_fixture, message) : 1;
        check_promise(message);
        *free_place() = (struct flying){op, i, message, the_fixture->loop.now_ns + latency_ms * OBX_MS};
    }
    set_timer();
}

static void fini(void *self)
{
    fixture_fini(self);
    if (broker.timer)
        broker.host->timer_close(broker.timer);
    broker.timer = NULL;
}

static const struct outbox_broker_ops ops = {.struct_size = sizeof ops,
                                             .init = fixture_init,
                                             .fini = fini,
                                             .start = start,
                                             .stop = stop,
                                             .publish = publish,
                                             .admit = fixture_broker_admit};

void fixture_concurrent(void)
{
    fixture_broker_plugin.caps = OUTBOX_CAP_CONCURRENT | OUTBOX_CAP_ADMIT;
    fixture_broker_plugin.ops = &ops;
}

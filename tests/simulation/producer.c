/* SPDX-License-Identifier: Apache-2.0 */
/* tests/simulation/producer.c - see producer.h */
#include "producer.h"

#include <string.h>

#include "oracle.h"
#include "prompt.h"
#include "sim.h"
#include "verdict.h"

static int init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct sim_broker *broker = self;
    (void)error;
    broker->host = init->host;
    broker->node = &sim->nodes[init->relay[strlen("relay")] - '0'];
    broker->node->broker = broker;
    return OUTBOX_OK;
}

static void fini(void *self)
{
    struct sim_broker *broker = self;
    obx_heap_clear(&broker->node->loop.heap, &broker->lost_timer);
    broker->node->broker = NULL;
}

/* ---- start ------------------------------------------------------------------------------------------------------ */

static struct sim_producer *new_producer(struct sim_broker *broker)
{
    struct sim_owner *before = sim_own(&sim->memory);
    struct sim_producer *producer = obx_alloc(sizeof *producer);
    *producer = (struct sim_producer){.node = broker->node, .life = broker->node->life, .broker = broker};
    for (uint32_t i = 0; i < SIM_PARTITIONS; i++)
        obx_list_init(&producer->queues[i]);
    obx_list_init(&producer->line);
    obx_list_init(&producer->flights);
    obx_list_init(&producer->publishes);
    sim_own(before);
    return producer;
}

static void note_failure(struct sim_broker *broker)
{
    broker->failures++;
    broker->failed_ns = sim->now_ns;
}

static void finish_start(struct obx_timer *timer)
{
    struct sim_broker *broker = OBX_CONTAINER(timer, struct sim_broker, start_timer);
    struct outbox_error error = {.code = OUTBOX_E_NOT_CONNECTED, .text = "no broker answers"};
    outbox_op_t op = broker->start_op;
    bool fails = sim->cluster->down[0] && sim_pick(0, 1);
    broker->start_op = 0;
    if (fails)
        note_failure(broker);
    else
        broker->producer = new_producer(broker);
    broker->host->op_done(broker->host, op, fails ? &error : NULL);
}

static void start(void *self, outbox_op_t op, const struct outbox_broker_start *start)
{
    struct sim_broker *broker = self;
    (void)start;
    if (broker->producer)
        sim_fail("the broker is started twice");
    oracle_reconnects(broker->node, broker->failures, broker->failed_ns);
    broker->start_op = op;
    broker->start_timer.fire = finish_start;
    sim_node_after(broker->node, &broker->start_timer, sim_pick(0, 20) * OBX_MS);
}

/* ---- outcomes --------------------------------------------------------------------------------------------------- */

void sim_message_fail(struct sim_message *message, enum outbox_outcome outcome, int code)
{
    message->outcome = (uint8_t)outcome;
    message->error = (struct outbox_error){.code = code, .text = "simulated"};
}

bool sim_order_kept(void)
{
    return sim->plan.ordered && !(sim->healed && !strcmp(sim->plan.order, "none"));
}

/* Each message without a key has its own lane, unless lanes are partitions. */
bool sim_lane_refuses(const struct sim_producer *producer, const struct sim_message *message)
{
    return sim_order_kept() && message->lane != SIM_MAX_KEYS &&
           message->publish->number <= producer->barriers[message->lane];
}

static void raise_barrier(struct sim_message *message)
{
    struct sim_producer *producer = message->publish->producer;
    if (message->outcome != OUTBOX_DELIVERED && message->outcome != OUTBOX_REJECTED)
        producer->barriers[message->lane] = producer->submitted;
}

/* What the host promises to a concurrent broker. NULL: this event has no order. */
static uint32_t *in_flight_of(struct sim_producer *producer, const struct sim_event *event)
{
    if (!sim->plan.concurrent || !strcmp(sim->plan.order, "none"))
        return NULL;
    if (!strcmp(sim->plan.order, "global"))
        return &producer->in_flight[0];
    return event->key < SIM_MAX_KEYS ? &producer->in_flight[event->key] : NULL;
}

static void note_sent(struct sim_producer *producer, const struct sim_event *event)
{
    uint32_t *count = in_flight_of(producer, event);
    if (count && (*count)++)
        sim_fail("event %u is published while another one of its key is in flight", event->number);
}

/* Checks that the borrowed arguments are unchanged. */
static void check_lent(const struct sim_message *message)
{
    const struct outbox_message *borrowed = outbox_message_at(message->publish->args, message->index);
    if (sim_message_event(borrowed)->number != message->record.event)
        sim_fail("a message in flight has become another");
}

/* Counts failures for the pauses between starts; outcomes during a stop do not count. */
static void note_health(struct sim_producer *producer, const struct sim_message *message)
{
    struct sim_broker *broker = producer->broker;
    bool outage = message->outcome == OUTBOX_NOT_CONNECTED || message->outcome == OUTBOX_UNKNOWN;
    if (message->outcome == OUTBOX_DELIVERED)
        broker->failures = 0;
    if (!outage || producer->failed || broker->stop_op)
        return;
    producer->failed = true;
    note_failure(broker);
}

static void note_reported(struct sim_producer *producer, struct sim_message *message)
{
    static const char *const names[] = {"?",       "DELIVERED",     "RETRY",        "REJECTED",
                                        "UNKNOWN", "NOT_CONNECTED", "RETRY_UNKNOWN"};
    check_lent(message);
    if (sim_event(message->record.event)->poison != SIM_HEALTHY && message->outcome != OUTBOX_DELIVERED)
        prompt_refused(sim_event(message->record.event));
    raise_barrier(message);
    uint32_t *in_flight = in_flight_of(producer, sim_event(message->record.event));
    if (in_flight)
        --*in_flight;
    note_health(producer, message);
    oracle_reported(producer->life, message->generation, sim_event(message->record.event), message->outcome);
    message->publish->untold--;
    if (message->outcome != OUTBOX_DELIVERED)
        SIM_TRACE("event %u is reported %s to life %u", message->record.event, names[message->outcome], producer->life);
}

static void report_one(struct sim_producer *producer, struct sim_message *message)
{
    const struct outbox_host *host = producer->broker->host;
    struct outbox_outcomes outcomes = {.struct_size = sizeof outcomes,
                                       .outcome = message->outcome,
                                       .first = message->index,
                                       .count = 1,
                                       .error = message->outcome == OUTBOX_DELIVERED ? NULL : &message->error};
    note_reported(producer, message);
    host->outcomes(host, message->publish->op, &outcomes);
}

/* Reports all delivered messages of one publish in one call. Returns their number. */
static uint32_t report_run(struct sim_producer *producer, struct sim_message **messages, uint32_t count)
{
    const struct outbox_host *host = producer->broker->host;
    struct sim_publish *publish = messages[0]->publish;
    uint32_t indexes[SIM_FLIGHT], run = 0;
    while (run < count && run < SIM_FLIGHT && messages[run]->publish == publish &&
           messages[run]->outcome == OUTBOX_DELIVERED) {
        note_reported(producer, messages[run]);
        indexes[run] = messages[run]->index;
        run++;
    }
    if (!run) {
        report_one(producer, messages[0]);
        return 1;
    }
    struct outbox_outcomes outcomes = {
        .struct_size = sizeof outcomes, .outcome = OUTBOX_DELIVERED, .indexes = indexes, .count = run};
    host->outcomes(host, publish->op, &outcomes);
    return run;
}

static void complete(struct sim_producer *producer, struct sim_publish *publish)
{
    const struct outbox_host *host = producer->broker->host;
    obx_list_remove(&publish->link);
    host->op_done(host, publish->op, NULL);
    obx_free(publish);
}

static void complete_reported(struct sim_producer *producer)
{
    for (struct sim_publish *publish = OBX_LIST_FIRST(&producer->publishes, struct sim_publish, link), *next; publish;
         publish = next) {
        next = OBX_LIST_NEXT(&producer->publishes, publish, struct sim_publish, link);
        if (!publish->untold)
            complete(producer, publish);
    }
}

static void finish_stop(struct sim_broker *broker)
{
    struct sim_producer *producer = broker->producer;
    outbox_op_t op = broker->stop_op;
    if (!op || (producer && !obx_list_empty(&producer->publishes)))
        return;
    if (producer)
        producer->broker = NULL;
    broker->producer = NULL;
    broker->stop_op = 0;
    obx_heap_clear(&broker->node->loop.heap, &broker->lost_timer);
    obx_heap_clear(&broker->node->loop.heap, &broker->stop_timer);
    broker->host->op_done(broker->host, op, NULL);
}

static void report(struct sim_producer *producer, struct sim_message **messages, uint32_t count)
{
    struct sim_owner *before = sim_own(&producer->node->memory);
    for (uint32_t i = 0; i < count;)
        i += report_run(producer, messages + i, count - i);
    for (uint32_t i = 0; i < count; i++)
        obx_free(messages[i]);
    complete_reported(producer);
    finish_stop(producer->broker);
    sim_own(before);
}

/* ---- publishing ------------------------------------------------------------------------------------------------- */

static struct sim_message *new_message(struct sim_publish *publish, uint32_t index)
{
    const struct outbox_message *borrowed = outbox_message_at(publish->args, index);
    const struct sim_event *event = oracle_submitted(publish->producer->node, borrowed);
    struct sim_message *message = obx_alloc(sizeof *message);
    note_sent(publish->producer, event);
    uint32_t partition = event->key == SIM_NO_KEY ? event->number : event->key;
    message->publish = publish;
    message->index = index;
    message->record.event = event->number;
    verdict_hash(borrowed, &message->record.payload, &message->record.content);
    window_read_header(borrowed, &message->record.mark);
    message->queued_ns = sim->now_ns;
    message->generation = sim->db->generation;
    message->partition = partition % sim->plan.partitions;
    message->lane = sim->plan.hold_keys ? OBX_MIN(event->key, (uint32_t)SIM_MAX_KEYS) : message->partition;
    return message;
}

/* With order: into the queues of their partitions. Without: into flights that overtake each other. */
static void take(struct sim_producer *producer, struct sim_message **messages, uint32_t count)
{
    producer->taken += count;
    if (!sim->plan.ordered) {
        sim_flight_shuffled(producer, messages, count);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        obx_list_append(&producer->queues[messages[i]->partition], &messages[i]->link);
    for (uint32_t i = 0; i < sim->plan.partitions; i++)
        sim_producer_pump(producer, i);
}

static void take_of_line(struct sim_producer *producer)
{
    struct sim_message *messages[SIM_FLIGHT];
    uint32_t count = 0;
    struct sim_owner *before = sim_own(&sim->memory);
    for (struct obx_list *link; count < SIM_FLIGHT && producer->taken + count < sim->plan.queue_room &&
                                (link = obx_list_pop(&producer->line));)
        messages[count++] = OBX_CONTAINER(link, struct sim_message, link);
    if (count)
        take(producer, messages, count);
    sim_own(before);
}

void sim_producer_land(struct sim_producer *producer, struct sim_message **messages, uint32_t count)
{
    producer->taken -= count;
    report(producer, messages, count);
    if (producer->broker && !producer->broken && !producer->broker->stop_op)
        take_of_line(producer);
}

static void submit(struct sim_producer *producer, struct sim_publish *publish)
{
    uint32_t count = publish->args->count, room = sim->plan.queue_room - producer->taken;
    struct sim_message **messages = obx_alloc((count + 1) * sizeof *messages);
    for (uint32_t i = 0; i < count; i++)
        messages[i] = new_message(publish, i);
    if (producer->broken) {
        for (uint32_t i = 0; i < count; i++)
            sim_message_fail(messages[i], OUTBOX_NOT_CONNECTED, OUTBOX_E_NOT_CONNECTED);
        report(producer, messages, count);
    } else {
        uint32_t taken = obx_list_empty(&producer->line) ? OBX_MIN(room, count) : 0;
        take(producer, messages, taken);
        for (uint32_t i = taken; i < count; i++)
            obx_list_append(&producer->line, &messages[i]->link);
        if (taken < count)
            SIM_TRACE("%s has no room for %u of them", producer->node->name, count - taken);
    }
    obx_free(messages);
}

static void publish(void *self, outbox_op_t op, const struct outbox_publish *args)
{
    struct sim_broker *broker = self;
    struct sim_producer *producer = broker->producer;
    if (!producer || broker->stop_op || !args->count)
        sim_fail("%u events are published while the broker is not up", args->count);
    SIM_TRACE("%s publishes %u events", broker->node->name, args->count);
    struct sim_owner *before = sim_own(&sim->memory);
    struct sim_publish *publish = obx_alloc(sizeof *publish);
    publish->producer = producer;
    publish->op = op;
    publish->number = ++producer->submitted;
    publish->args = args;
    publish->untold = args->count;
    obx_list_append(&producer->publishes, &publish->link);
    submit(producer, publish);
    sim_own(before);
}

int sim_broker_admit(void *self, const struct outbox_message *message, struct outbox_error *error)
{
    struct sim_event *event = sim_message_event(message);
    (void)self;
    if (event->value == SIM_NULL && sim->plan.nulls_refused)
        sim_fail("the route lets the null payload of event %u through", event->number);
    if (event->poison != SIM_REFUSED)
        return OUTBOX_OK;
    prompt_refused(event);
    *error = (struct outbox_error){.code = OUTBOX_E_REJECTED, .text = "not admitted"};
    return OUTBOX_E_REJECTED;
}

/* ---- stop ------------------------------------------------------------------------------------------------------- */

static void abandon_queue(struct sim_producer *producer, struct obx_list *queue)
{
    for (struct obx_list *link; (link = obx_list_pop(queue));) {
        struct sim_message *message = OBX_CONTAINER(link, struct sim_message, link);
        sim_message_fail(message, OUTBOX_NOT_CONNECTED, OUTBOX_E_CANCELED);
        report_one(producer, message);
        obx_free(message);
    }
}

/* Its messages may still arrive, or have arrived. */
static void abandon_flight(struct sim_producer *producer, struct sim_flight *flight)
{
    obx_list_remove(&flight->link);
    obx_heap_clear(&producer->node->loop.heap, &flight->report);
    flight->producer = NULL;
    for (uint32_t i = 0; i < flight->count; i++) {
        struct sim_message unknown = *flight->messages[i];
        sim_message_fail(&unknown, OUTBOX_UNKNOWN, OUTBOX_E_UNKNOWN_OUTCOME);
        report_one(producer, &unknown);
    }
}

/* Unsent messages are certainly not delivered; messages in flight may be. */
static void abandon(struct sim_producer *producer)
{
    struct sim_flight *flight;
    while ((flight = OBX_LIST_FIRST(&producer->flights, struct sim_flight, link)))
        abandon_flight(producer, flight);
    for (uint32_t i = 0; i < SIM_PARTITIONS; i++)
        abandon_queue(producer, &producer->queues[i]);
    abandon_queue(producer, &producer->line);
    producer->taken = 0;
    complete_reported(producer);
}

static void on_stop_timeout(struct obx_timer *timer)
{
    struct sim_broker *broker = OBX_CONTAINER(timer, struct sim_broker, stop_timer);
    if (broker->producer)
        abandon(broker->producer);
    finish_stop(broker);
}

static void stop(void *self, outbox_op_t op)
{
    static const struct outbox_error canceled = {.code = OUTBOX_E_CANCELED, .text = "stopped"};
    struct sim_broker *broker = self;
    broker->stop_op = op;
    if (broker->start_op) {
        obx_heap_clear(&broker->node->loop.heap, &broker->start_timer);
        broker->host->op_done(broker->host, broker->start_op, &canceled);
        broker->start_op = 0;
    }
    broker->stop_timer.fire = on_stop_timeout;
    if (broker->producer) { /* messages that were not accepted are not waited for */
        abandon_queue(broker->producer, &broker->producer->line);
        complete_reported(broker->producer);
    }
    uint64_t timeout = broker->producer && !broker->producer->broken && sim_pick(0, 1) ? sim_pick(0, 8000) : 0;
    sim_node_after(broker->node, &broker->stop_timer, timeout * OBX_MS);
    if (timeout)
        finish_stop(broker);
}

static void cancel(void *self, outbox_op_t op)
{
    struct sim_broker *broker = self;
    if (!broker->stop_op && op != broker->start_op)
        sim_fail("a publish is canceled: it has no timeout, only the client knows when it is hopeless");
    if (broker->stop_op)
        sim_node_after(broker->node, &broker->stop_timer, 0);
}

void sim_producer_crash(struct sim_node *node)
{
    struct sim_producer *producer = node->broker ? node->broker->producer : NULL;
    node->broker = NULL;
    if (!producer)
        return;
    producer->broker = NULL;
    OBX_LIST_EACH(&producer->flights, flight, struct sim_flight, link)
    {
        flight->producer = NULL;
    }
}

static void report_lost(struct obx_timer *timer)
{
    struct sim_broker *broker = OBX_CONTAINER(timer, struct sim_broker, lost_timer);
    static const struct outbox_error error = {.code = OUTBOX_E_NOT_CONNECTED, .text = "the producer failed for good"};
    if (!broker->producer || broker->stop_op)
        return;
    broker->producer->broken = true;
    if (sim_pick(0, 1))
        abandon(broker->producer);
    broker->host->lost(broker->host, &error);
}

void sim_producer_lose(struct sim_node *node)
{
    struct sim_broker *broker = node->broker;
    if (!broker || !broker->producer)
        return;
    SIM_TRACE("the producer of %s fails for good", node->name);
    broker->lost_timer.fire = report_lost;
    sim_node_after(node, &broker->lost_timer, 0);
}

/* ---- the descriptor --------------------------------------------------------------------------------------------- */

static const struct outbox_broker_ops ops = {.struct_size = sizeof ops,
                                             .init = init,
                                             .fini = fini,
                                             .start = start,
                                             .stop = stop,
                                             .cancel = cancel,
                                             .publish = publish,
                                             .admit = sim_broker_admit};
struct outbox_plugin sim_broker_plugin = {.abi_major = OUTBOX_ABI_MAJOR,
                                          .struct_size = sizeof sim_broker_plugin,
                                          .kind = OUTBOX_BROKER,
                                          .option_size = sizeof(struct outbox_option),
                                          .name = "sim",
                                          .version = "1",
                                          .description = "a client of a simulated broker",
                                          .instance_size = sizeof(struct sim_broker),
                                          .ops = &ops};

void sim_broker_shape(void)
{
    sim_broker_plugin.caps = OUTBOX_CAP_ADMIT;
    if (sim->plan.ordered)
        sim_broker_plugin.caps |= OUTBOX_CAP_ORDERED;
    if (sim->plan.concurrent)
        sim_broker_plugin.caps |= OUTBOX_CAP_CONCURRENT;
}

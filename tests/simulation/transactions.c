/* SPDX-License-Identifier: Apache-2.0 */
/* tests/simulation/transactions.c - see transactions.h */
#include "transactions.h"

#include <string.h>

#include "oracle.h"
#include "sim.h"
#include "verdict.h"

#define ROWS_MAX 256u             /* of a transaction */
#define ANSWER_NS (1500 * OBX_MS) /* for EndTxn; then it is sent again */
#define ENDS_MAX 4u               /* then the outcome is unknown */
#define CLEAR_NS (1000 * OBX_MS)  /* without events: a record without what was settled since */

enum stage { OPEN, FIRST_HALF, SECOND_HALF, ENDING };

struct once_publish {
    struct obx_list link;
    outbox_op_t op;
    const struct outbox_publish *args;
    uint32_t left; /* messages without an outcome */
};

struct once_row {
    struct once_publish *publish;
    uint32_t index;
    struct sim_record record;
    uint32_t generation; /* of ownership, when it was submitted */
};

struct sim_once {
    const struct outbox_host *host;
    struct sim_node *node;
    struct sim_client *client; /* NULL: not started */
    outbox_op_t start_op, stop_op;
    struct obx_timer start_timer, stop_timer, timer, lost_timer;
    struct kafka_progress progress;
    struct obx_list publishes;
    struct once_row *queue; /* owned */
    uint32_t count, room;   /* of the queue */
    uint32_t sent;          /* rows at its front that are in the transaction */
    enum stage stage;
    uint32_t ends;  /* EndTxn requests of this transaction */
    uint64_t epoch; /* of the ownership */
    bool broken;
    struct outbox_error error; /* why */
};

static int init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct sim_once *once = self;
    (void)error;
    if (!(init->flags & OUTBOX_INIT_EXACTLY_ONCE))
        sim_fail("the relay does not tell its broker about delivery: exactly-once");
    once->host = once->progress.host = init->host;
    once->node = &sim->nodes[init->relay[strlen("relay")] - '0'];
    once->node->once = once;
    obx_list_init(&once->publishes);
    return OUTBOX_OK;
}

static void fini(void *self)
{
    struct sim_once *once = self;
    obx_heap_clear(&once->node->loop.heap, &once->lost_timer);
    obx_heap_clear(&once->node->loop.heap, &once->timer);
    kafka_progress_free(&once->progress);
    once->host->release(once->host, once->queue);
    once->node->once = NULL;
}

/* ---- start ------------------------------------------------------------------------------------------------------- */

static struct sim_client *new_client(struct sim_once *once)
{
    struct sim_owner *before = sim_own(&sim->memory);
    struct sim_client *client = obx_alloc(sizeof *client);
    *client = (struct sim_client){.node = once->node, .plugin = once, .epoch = sim_coordinator_fence()};
    sim_own(before);
    return client;
}

static void read_record(struct sim_once *once)
{
    const struct kafka_progress_list *record = sim_coordinator_record();
    kafka_progress_clear(&once->progress);
    for (uint32_t i = 0; i < record->count; i++) {
        kafka_progress_reserve(&once->progress);
        once->progress.current.items[once->progress.current.count++] = record->items[i];
    }
    kafka_progress_fold(&once->progress);
    kafka_progress_recover(&once->progress);
}

static void finish_start(struct obx_timer *timer)
{
    struct sim_once *once = OBX_CONTAINER(timer, struct sim_once, start_timer);
    struct outbox_error error = {.code = OUTBOX_E_NOT_CONNECTED, .text = "no broker answers"};
    outbox_op_t op = once->start_op;
    bool fails = sim->cluster->down[0];
    once->start_op = 0;
    if (!fails) {
        once->client = new_client(once);
        read_record(once);
    }
    once->host->op_done(once->host, op, fails ? &error : NULL);
}

static void start(void *self, outbox_op_t op, const struct outbox_broker_start *start)
{
    struct sim_once *once = self;
    if (!start->epoch || start->epoch != once->epoch)
        kafka_progress_forget(&once->progress);
    once->epoch = start->epoch;
    once->start_op = op;
    once->stage = OPEN;
    once->broken = false;
    once->count = once->sent = 0;
    once->start_timer.fire = finish_start;
    sim_node_after(once->node, &once->start_timer, sim_pick(0, 200) * OBX_MS);
}

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

static void report(struct sim_once *once, const struct once_row *row, enum outbox_outcome outcome,
                   const struct outbox_error *error, uint32_t flags)
{
    struct outbox_outcomes outcomes = {.struct_size = sizeof outcomes,
                                       .outcome = outcome,
                                       .first = row->index,
                                       .count = 1,
                                       .error = outcome == OUTBOX_DELIVERED ? NULL : error,
                                       .flags = flags};
    oracle_reported(once->node->life, row->generation, sim_event(row->record.event), outcome);
    row->publish->left--;
    once->host->outcomes(once->host, row->publish->op, &outcomes);
}

static void complete(struct sim_once *once)
{
    struct once_publish *publish = OBX_LIST_FIRST(&once->publishes, struct once_publish, link), *next;
    for (; publish; publish = next) {
        next = OBX_LIST_NEXT(&once->publishes, publish, struct once_publish, link);
        if (publish->left)
            continue;
        outbox_op_t op = publish->op;
        obx_list_remove(&publish->link);
        once->host->release(once->host, publish);
        once->host->op_done(once->host, op, NULL);
    }
}

static void drop_rows(struct sim_once *once, uint32_t count)
{
    if (count < once->count)
        memmove(once->queue, once->queue + count, (once->count - count) * sizeof *once->queue);
    once->count -= count;
    once->sent = 0;
}

static void finish_stop(struct sim_once *once)
{
    outbox_op_t op = once->stop_op;
    if (!op || once->count || once->stage != OPEN)
        return;
    if (once->client)
        once->client->plugin = NULL;
    once->client = NULL;
    once->stop_op = 0;
    obx_heap_clear(&once->node->loop.heap, &once->stop_timer);
    obx_heap_clear(&once->node->loop.heap, &once->timer);
    obx_heap_clear(&once->node->loop.heap, &once->lost_timer);
    once->host->op_done(once->host, op, NULL);
}

/* The producer is thrown away: what it has is reported, and nothing more is sent with it. */
static void throw_away(struct sim_once *once, bool attempted, int code, const char *why)
{
    once->error = (struct outbox_error){.code = code};
    strcpy(once->error.text, why);
    for (uint32_t i = 0; i < once->count; i++)
        report(once, &once->queue[i], attempted && i < once->sent ? OUTBOX_UNKNOWN : OUTBOX_NOT_CONNECTED, &once->error,
               0);
    once->count = once->sent = 0;
    once->stage = OPEN;
    once->broken = true;
    kafka_progress_end_commit(&once->progress, false);
    obx_heap_clear(&once->node->loop.heap, &once->timer);
    if (once->client)
        once->client->plugin = NULL;
    SIM_TRACE("%s throws its producer away: %s", once->node->name, why);
    if (!once->stop_op)
        once->host->lost(once->host, &once->error);
    complete(once);
    finish_stop(once);
}

/* ---- the transaction --------------------------------------------------------------------------------------------- */

static void send_end(struct obx_timer *timer);

/* One event that the broker does not take ends the transaction; it is known which. */
static bool is_refused(struct sim_once *once)
{
    for (uint32_t i = 0; i < once->sent; i++) {
        struct sim_event *event = sim_event(once->queue[i].record.event);
        bool rejected = event->poison == SIM_REJECTED;
        if (!rejected && !sim_event_fails_now(event))
            continue;
        struct once_row row = once->queue[i];
        event->suspect = true;
        struct outbox_error error = {.code = rejected ? OUTBOX_E_REJECTED : OUTBOX_E_IO, .text = "simulated"};
        report(once, &row, rejected ? OUTBOX_REJECTED : OUTBOX_RETRY, &error, 0);
        memmove(once->queue + i, once->queue + i + 1, (once->count - i - 1) * sizeof row);
        once->count--;
        once->sent--;
        throw_away(once, false, OUTBOX_E_NOT_CONNECTED, "an event was refused");
        return true;
    }
    return false;
}

static void send_half(struct sim_once *once, uint32_t first, uint32_t end, bool last)
{
    struct sim_record records[ROWS_MAX];
    for (uint32_t i = first; i < end; i++)
        records[i - first] = once->queue[i].record;
    sim_coordinator_write(once->client, records, end - first, last ? &once->progress.known : NULL);
}

/* An event that failed before goes alone. */
static uint32_t rows_to_send(const struct sim_once *once)
{
    uint32_t most = (uint32_t)sim_pick(1, ROWS_MAX), count = 0;
    while (count < most && count < once->count && !sim_event(once->queue[count].record.event)->suspect)
        count++;
    return OBX_MAX(count, 1u);
}

static void begin(struct obx_timer *timer)
{
    struct sim_once *once = OBX_CONTAINER(timer, struct sim_once, timer);
    if ((!once->count && !once->progress.settled.count) || once->stage != OPEN || once->broken)
        return;
    once->sent = once->count ? rows_to_send(once) : 0;
    for (uint32_t i = 0; i < once->sent; i++) {
        kafka_progress_reserve(&once->progress);
        kafka_progress_add(&once->progress, outbox_message_at(once->queue[i].publish->args, once->queue[i].index));
    }
    kafka_progress_take_settled(&once->progress);
    kafka_progress_fold(&once->progress);
    once->stage = FIRST_HALF;
    once->ends = 0;
    send_half(once, 0, once->sent / 2, false);
}

static void arm(struct sim_once *once, uint64_t delay_ns)
{
    once->timer.fire = begin;
    sim_node_after(once->node, &once->timer, delay_ns);
}

static void send_end(struct obx_timer *timer)
{
    struct sim_once *once = OBX_CONTAINER(timer, struct sim_once, timer);
    if (once->ends == ENDS_MAX) {
        throw_away(once, true, OUTBOX_E_NOT_CONNECTED, "no answer to EndTxn");
        return;
    }
    once->stage = ENDING;
    once->ends++;
    sim_coordinator_end(once->client);
    once->timer.fire = send_end;
    sim_node_after(once->node, &once->timer, ANSWER_NS);
}

/* A producer goes on only after a commit with one EndTxn. */
static bool must_replace(const struct sim_once *once)
{
    return once->ends != 1;
}

static void committed(struct sim_once *once)
{
    obx_heap_clear(&once->node->loop.heap, &once->timer);
    for (uint32_t i = 0; i < once->sent; i++)
        report(once, &once->queue[i], OUTBOX_DELIVERED, NULL, 0);
    drop_rows(once, once->sent);
    kafka_progress_end_commit(&once->progress, true);
    once->stage = OPEN;
    if (must_replace(once)) {
        throw_away(once, false, OUTBOX_E_NOT_CONNECTED, "EndTxn was sent twice");
        return;
    }
    complete(once);
    arm(once, once->count ? 0 : CLEAR_NS);
    finish_stop(once);
}

static void written(struct sim_once *once)
{
    if (once->stage == FIRST_HALF) {
        if (is_refused(once))
            return;
        once->stage = SECOND_HALF;
        send_half(once, once->sent / 2, once->sent, true);
    } else if (once->stage == SECOND_HALF) {
        send_end(&once->timer);
    }
}

void sim_once_answered(struct sim_client *client, enum sim_answer answer)
{
    struct sim_once *once = client->plugin;
    if (answer == SIM_FENCED)
        throw_away(once, once->stage == ENDING, OUTBOX_E_FENCED, "fenced");
    else if (answer == SIM_WRITTEN)
        written(once);
    else if (once->stage == ENDING)
        committed(once);
}

/* ---- publishing -------------------------------------------------------------------------------------------------- */

static void take(struct sim_once *once, struct once_publish *publish, uint32_t index)
{
    const struct outbox_message *borrowed = outbox_message_at(publish->args, index);
    kafka_progress_refresh(&once->progress); /* the queue was empty at the rewind */
    struct once_row row = {.publish = publish, .index = index, .generation = sim->db->generation};
    row.record.event = oracle_submitted(once->node, borrowed)->number;
    verdict_hash(borrowed, &row.record.payload, &row.record.content);
    if (kafka_progress_has(&once->progress, borrowed)) {
        SIM_TRACE("event %u is in the record", row.record.event);
        report(once, &row, OUTBOX_DELIVERED, NULL, OUTBOX_OUTCOME_ALREADY);
    } else if (once->broken) {
        report(once, &row, OUTBOX_NOT_CONNECTED, &once->error, 0);
    } else {
        if (once->count == once->room) {
            once->room = once->room ? once->room * 2 : 64;
            once->queue = once->host->resize(once->host, once->queue, once->room * sizeof *once->queue);
        }
        once->queue[once->count++] = row;
    }
}

static void publish(void *self, outbox_op_t op, const struct outbox_publish *args)
{
    struct sim_once *once = self;
    struct once_publish *publish = once->host->alloc(once->host, sizeof *publish);
    if (!once->client || once->stop_op)
        sim_fail("%u events are published while the broker is not up", args->count);
    *publish = (struct once_publish){.op = op, .args = args, .left = args->count};
    obx_list_append(&once->publishes, &publish->link);
    for (uint32_t i = 0; i < args->count; i++)
        take(once, publish, i);
    complete(once);
    if (once->count && once->stage == OPEN && !once->broken)
        arm(once, sim_pick(1, 50) * OBX_MS);
}

static void note_record(void *self, const struct outbox_record *record)
{
    struct sim_once *once = self;
    if (record->what == OUTBOX_RECORD_SETTLED)
        kafka_progress_settled(&once->progress, record->positions, record->count);
    else if (record->what == OUTBOX_RECORD_REWIND)
        kafka_progress_rewind(&once->progress);
    else if (record->what == OUTBOX_RECORD_PRESENT)
        kafka_progress_present(&once->progress, record->positions, record->count);
    else
        kafka_progress_complete(&once->progress);
    if (once->progress.settled.count && !once->count && once->client && once->stage == OPEN && !once->broken)
        arm(once, CLEAR_NS);
}

/* ---- stop -------------------------------------------------------------------------------------------------------- */

static void on_stop_timeout(struct obx_timer *timer)
{
    struct sim_once *once = OBX_CONTAINER(timer, struct sim_once, stop_timer);
    throw_away(once, once->stage == ENDING, OUTBOX_E_CANCELED, "stopped");
}

static void stop(void *self, outbox_op_t op)
{
    static const struct outbox_error canceled = {.code = OUTBOX_E_CANCELED, .text = "stopped"};
    struct sim_once *once = self;
    once->stop_op = op;
    if (once->start_op) {
        obx_heap_clear(&once->node->loop.heap, &once->start_timer);
        once->host->op_done(once->host, once->start_op, &canceled);
        once->start_op = 0;
    }
    once->stop_timer.fire = on_stop_timeout;
    sim_node_after(once->node, &once->stop_timer, sim_pick(0, 1) ? sim_pick(0, 8000) * OBX_MS : 0);
    finish_stop(once);
}

static void cancel(void *self, outbox_op_t op)
{
    struct sim_once *once = self;
    (void)op;
    if (once->stop_op)
        sim_node_after(once->node, &once->stop_timer, 0);
}

void sim_once_crash(struct sim_node *node)
{
    if (node->once && node->once->client)
        node->once->client->plugin = NULL;
    node->once = NULL;
}

static void report_lost(struct obx_timer *timer)
{
    struct sim_once *once = OBX_CONTAINER(timer, struct sim_once, lost_timer);
    if (once->client && !once->stop_op && !once->broken)
        throw_away(once, once->stage == ENDING, OUTBOX_E_NOT_CONNECTED, "the producer failed for good");
}

void sim_once_lose(struct sim_node *node)
{
    if (!node->once || !node->once->client)
        return;
    node->once->lost_timer.fire = report_lost;
    sim_node_after(node, &node->once->lost_timer, 0);
}

/* ---- the descriptor ---------------------------------------------------------------------------------------------- */

static const struct outbox_broker_ops ops = {.struct_size = sizeof ops,
                                             .init = init,
                                             .fini = fini,
                                             .start = start,
                                             .stop = stop,
                                             .cancel = cancel,
                                             .publish = publish,
                                             .admit = sim_broker_admit,
                                             .record = note_record};
const struct outbox_plugin sim_once_plugin = {.abi_major = OUTBOX_ABI_MAJOR,
                                              .struct_size = sizeof sim_once_plugin,
                                              .kind = OUTBOX_BROKER,
                                              .option_size = sizeof(struct outbox_option),
                                              .caps = OUTBOX_CAP_ADMIT | OUTBOX_CAP_ORDERED | OUTBOX_CAP_EXACTLY_ONCE,
                                              .name = "once",
                                              .version = "1",
                                              .description = "a transactional client of a simulated broker",
                                              .instance_size = sizeof(struct sim_once),
                                              .ops = &ops};

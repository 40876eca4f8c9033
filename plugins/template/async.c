/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/template/async.c - a broker to copy when the client library is asynchronous and has threads of its own
 *
 * publish() hands each message to the library. The library answers each on its thread; the answer goes through a queue
 * to the loop thread, where its outcome is reported. The publish completes with its last answer. The broker claims
 * OUTBOX_CAP_CONCURRENT: the host has one event of each key in flight, over all publishes, so order needs no code here.
 *
 * No allocation: a message's request is in the memory that the host keeps for each message (message_size), the count of
 * answers in the memory of the op (op_size).
 *
 * Opening and closing may block, so they are jobs of a worker. stop() closes the library, which answers everything that
 * is in flight; then the publishes complete, then stop().
 *
 * Failure modes:
 *   the library cannot be opened     start() fails; the host pauses and tries again
 *   a message is not written         NOT_CONNECTED: the host stops and starts the broker, and sends it again
 *   a message may have been written  UNKNOWN: the same, but the host knows that it may be there twice
 *   stop() during start()            the library is closed as soon as it is open
 *   a message cannot be a file       admit() rejects the event
 */
#include <string.h>

#include "client.h"

struct async {
    const struct outbox_host *host;
    const char *path; /* option */
    struct client *client;
    struct outbox_queue answers;
    uint32_t publishes; /* in flight */
    outbox_op_t stop;   /* completes after the publishes; 0: none */
    bool opening;       /* a worker opens the client */
    bool closing;       /* a worker closes it */
};

/* The memory of each message. */
struct request {
    struct client_request client;
    struct outbox_queue_item answer;
    struct async *async;
    outbox_op_t op;
    uint32_t index;
};

/* The memory of each op. */
struct op_state {
    struct outbox_work work; /* of start and stop */
    struct async *async;
    outbox_op_t op;
    int status;
    uint32_t unanswered; /* of a publish */
};

#define OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* ---- publishing -------------------------------------------------------------------------------------------------- */

/* The client's thread: nothing of the host may be called here but post(), which the queue does. */
static void on_answered(struct client_request *client)
{
    struct request *request = OF(client, struct request, client);
    outbox_queue_push(&request->async->answers, &request->answer);
}

static void report(const struct request *request)
{
    const struct outbox_host *host = request->async->host;
    int status = request->client.status;
    if (status == 0)
        outbox_report_outcomes(host, request->op, request->index, 1, OUTBOX_DELIVERED, NULL);
    else if (status == CLIENT_CLOSED)
        outbox_report_outcome(host, request->op, request->index, OUTBOX_NOT_CONNECTED, OUTBOX_E_NOT_CONNECTED,
                              "write to %s: the broker stops", request->async->path);
    else
        outbox_report_outcome(host, request->op, request->index,
                              request->client.maybe ? OUTBOX_UNKNOWN : OUTBOX_NOT_CONNECTED, OUTBOX_E_NOT_CONNECTED,
                              "write to %s: %s", request->async->path, strerror(status));
}

static void finish_stop(struct async *async)
{
    outbox_op_t op = async->stop;
    if (!op || async->publishes || async->opening || async->closing)
        return;
    async->stop = 0;
    async->host->op_done(async->host, op, NULL);
}

/* After op_done() the memory of the messages is gone. */
static void complete(struct async *async, outbox_op_t op)
{
    async->publishes--;
    async->host->op_done(async->host, op, NULL);
    finish_stop(async);
}

/* Loop thread, for each answer. */
static void on_answer(void *arg, struct outbox_queue_item *item)
{
    struct async *async = arg;
    struct request *request = OF(item, struct request, answer);
    outbox_op_t op = request->op;
    struct op_state *state = async->host->op_scratch(async->host, op);
    report(request);
    if (--state->unanswered == 0)
        complete(async, op);
}

static void send(struct async *async, outbox_op_t op, const struct outbox_publish *publish, uint32_t index)
{
    struct request *request = outbox_message_scratch(async->host, op, sizeof *request, index);
    request->client.message = outbox_message_at(publish, index);
    request->client.answered = on_answered;
    request->async = async;
    request->op = op;
    request->index = index;
    client_send(async->client, &request->client);
}

/* Answers come through the queue, so none comes before the loop has ended. */
static void publish(void *self, outbox_op_t op, const struct outbox_publish *publish)
{
    struct async *async = self;
    struct op_state *state = async->host->op_scratch(async->host, op);
    struct outbox_error refused;
    async->publishes++;
    for (uint32_t i = 0; i < publish->count; i++) {
        if (event_file_admit(outbox_message_at(publish, i), &refused)) {
            outbox_report_outcomes(async->host, op, i, 1, OUTBOX_REJECTED, &refused);
            continue;
        }
        state->unanswered++;
        send(async, op, publish, i);
    }
    if (!state->unanswered)
        complete(async, op);
}

static int admit(void *self, const struct outbox_message *message, struct outbox_error *error)
{
    (void)self;
    return event_file_admit(message, error);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static int init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct async *async = self;
    async->host = init->host;
    outbox_queue_init(&async->answers, init->host, on_answer, async);
    if (!async->path[0])
        return outbox_error_set(error, OUTBOX_E_CONFIG, "path is empty; give a directory");
    return OUTBOX_OK;
}

static void fini(void *self)
{
    outbox_queue_free(&((struct async *)self)->answers);
}

static void submit(struct async *async, outbox_op_t op, void (*work)(struct outbox_work *work),
                   void (*done)(struct outbox_work *work))
{
    struct op_state *state = async->host->op_scratch(async->host, op);
    state->work = (struct outbox_work){.work = work, .done = done, .arg = state};
    state->async = async;
    state->op = op;
    state->status = async->host->offload(async->host, &state->work) ? -1 : 0;
    if (!state->status)
        return;
    work(&state->work); /* no worker can be had: block for once, as nothing else would end it */
    done(&state->work);
}

static void open_client(struct outbox_work *work)
{
    struct op_state *state = work->arg;
    state->status = client_open(state->async->path, &state->async->client);
}

static void begin_close(struct async *async);

static void on_opened(struct outbox_work *work)
{
    struct op_state *state = work->arg;
    struct async *async = state->async;
    async->opening = false;
    if (!state->status)
        async->host->op_done(async->host, state->op, NULL);
    else
        outbox_complete(async->host, state->op, OUTBOX_E_NOT_CONNECTED, "open %s: %s", async->path,
                        strerror(state->status));
    begin_close(async); /* if stop() came meanwhile */
}

static void start(void *self, outbox_op_t op, const struct outbox_broker_start *start)
{
    struct async *async = self;
    (void)start;
    async->opening = true;
    submit(async, op, open_client, on_opened);
}

static void close_client(struct outbox_work *work)
{
    client_close(((struct op_state *)work->arg)->async->client);
}

static void on_closed(struct outbox_work *work)
{
    struct async *async = ((struct op_state *)work->arg)->async;
    async->client = NULL;
    async->closing = false;
    outbox_queue_flush(&async->answers); /* the last answers */
    finish_stop(async);
}

static void begin_close(struct async *async)
{
    if (!async->stop || async->opening)
        return;
    async->closing = async->client != NULL;
    if (async->client)
        submit(async, async->stop, close_client, on_closed);
    else
        finish_stop(async);
}

static void stop(void *self, outbox_op_t op)
{
    struct async *async = self;
    async->stop = op;
    begin_close(async);
}

/* ---- the plugin -------------------------------------------------------------------------------------------------- */

static const struct outbox_option options[] = {
    {.name = "path",
     .type = OUTBOX_OPT_STRING,
     .flags = OUTBOX_OPT_REQUIRED,
     .offset = offsetof(struct async, path),
     .help = "directory that gets a file for each event"},
};

static const struct outbox_broker_ops ops = {
    .struct_size = sizeof(struct outbox_broker_ops),
    .init = init,
    .fini = fini,
    .start = start,
    .stop = stop,
    .publish = publish,
    .admit = admit,
};

static const char *library(void)
{
    return "client.c 1.0";
}

OUTBOX_PLUGIN(broker, asyncdir) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_BROKER,
    .option_size = sizeof(struct outbox_option),
    .caps = OUTBOX_CAP_ADMIT | OUTBOX_CAP_CONCURRENT,
    .name = "asyncdir",
    .version = "0.1.0",
    .description = "writes events to files through an asynchronous client",
    .instance_size = sizeof(struct async),
    .op_size = sizeof(struct op_state),
    .message_size = sizeof(struct request),
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .library = library,
    .ops = &ops,
};

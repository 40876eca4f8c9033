/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conformance/unreliable.c - a broker that sends every message at once, over a server that can refuse one of them
 *
 * Two modules are made of it. `naive` claims OUTBOX_CAP_ORDERED, which it cannot keep: when the server refuses a
 * message it has taken later ones of the same key. outbox-conformance must find that. `lanes` is the same code with
 * OUTBOX_CAP_CONCURRENT: the host keeps the order, and all checks pass.
 *
 * The "server" appends lines to the file `path`. While `path`.refuse exists it refuses one message in four, while
 * `path`.gone exists it is gone, while `path`.pause exists it does not answer.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <outbox/plugin_util.h>

#define BATCH 40 /* answers of one turn */
#define TURN_US 500

struct sent {
    struct sent *next;
    outbox_op_t op;
    uint32_t index;
    const struct outbox_message *message;
};

struct op_state {
    uint32_t left;
};

struct server {
    const struct outbox_host *host;
    const char *path;
    struct outbox_timer *timer;
    struct sent *first, **last;
    FILE *file;
    outbox_op_t stop;
    uint32_t turn;
};

static bool exists(const struct server *server, const char *suffix)
{
    char path[300];
    snprintf(path, sizeof path, "%s.%s", server->path, suffix);
    return access(path, F_OK) == 0;
}

static void report(struct server *server, const struct sent *sent, uint32_t outcome)
{
    struct op_state *state = server->host->op_scratch(server->host, sent->op);
    if (outcome == OUTBOX_DELIVERED)
        outbox_report_outcomes(server->host, sent->op, sent->index, 1, outcome, NULL);
    else if (outcome == OUTBOX_REJECTED)
        outbox_report_outcome(server->host, sent->op, sent->index, outcome, OUTBOX_E_REJECTED, "send: no topic");
    else if (outcome == OUTBOX_RETRY)
        outbox_report_outcome(server->host, sent->op, sent->index, outcome, OUTBOX_E_AGAIN, "send: the server is full");
    else
        outbox_report_outcome(server->host, sent->op, sent->index, outcome, OUTBOX_E_NOT_CONNECTED,
                              "send: the server is gone");
    if (--state->left == 0)
        server->host->op_done(server->host, sent->op, NULL);
}

static void print_string(FILE *file, const char *name, struct outbox_bytes bytes)
{
    if (!bytes.data)
        return;
    fprintf(file, "\"%s\":\"", name);
    for (size_t i = 0; i < bytes.size; i++) {
        unsigned char c = ((const unsigned char *)bytes.data)[i];
        if (c == '"' || c == '\\')
            fprintf(file, "\\%c", c);
        else if (c < 32)
            fprintf(file, "\\u%04x", c);
        else
            fputc(c, file);
    }
    fputs("\",", file);
}

static void append(struct server *server, const struct outbox_message *message)
{
    fputc('{', server->file);
    print_string(server->file, "topic", message->topic);
    print_string(server->file, "key", message->key);
    print_string(server->file, "id", message->id);
    print_string(server->file, "payload", message->value);
    fputs("\"headers\":{", server->file);
    for (uint32_t i = 0; i < message->header_count; i++) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", OUTBOX_BYTES_ARGS(message->headers[i].name));
        print_string(server->file, name, message->headers[i].value);
    }
    fputs("\"\":null}}\n", server->file);
    fflush(server->file);
}

static struct sent *pop(struct server *server)
{
    struct sent *sent = server->first;
    server->first = sent->next;
    if (!server->first)
        server->last = &server->first;
    return sent;
}

static void answer_one(struct server *server, bool gone, bool refuses)
{
    struct sent *sent = pop(server);
    bool refused = refuses && server->host->random(server->host) % 4 == 0;
    if (!gone && !sent->message->topic.size) {
        report(server, sent, OUTBOX_REJECTED);
        server->host->release(server->host, sent);
        return;
    }
    if (!gone && !refused)
        append(server, sent->message);
    report(server, sent, gone ? OUTBOX_NOT_CONNECTED : refused ? OUTBOX_RETRY : OUTBOX_DELIVERED);
    server->host->release(server->host, sent);
}

static void abandon(struct server *server)
{
    while (server->first)
        answer_one(server, true, false);
}

static void finish_stop(struct server *server)
{
    outbox_op_t stop = server->stop;
    if (!stop || server->first)
        return;
    server->stop = 0;
    if (server->file)
        fclose(server->file);
    server->file = NULL;
    server->host->timer_clear(server->timer);
    server->host->op_done(server->host, stop, NULL);
}

static void turn(void *arg)
{
    struct server *server = arg;
    bool gone = exists(server, "gone"), refuses = exists(server, "refuse");
    if (gone)
        abandon(server);
    for (int i = 0; i < BATCH && server->first && !exists(server, "pause"); i++)
        answer_one(server, false, refuses);
    finish_stop(server);
    if (server->first)
        server->host->timer_set(server->timer, TURN_US);
}

static int init(void *self, const struct outbox_init *init_, struct outbox_error *error)
{
    struct server *server = self;
    server->host = init_->host;
    server->last = &server->first;
    if (server->host->timer_open(server->host, turn, server, &server->timer))
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "out of memory");
    return OUTBOX_OK;
}

static void fini(void *self)
{
    struct server *server = self;
    if (server->timer)
        server->host->timer_close(server->timer);
}

static void start(void *self, outbox_op_t op, const struct outbox_broker_start *start_)
{
    struct server *server = self;
    (void)start_;
    if (!exists(server, "gone"))
        server->file = fopen(server->path, "ae");
    if (server->file)
        server->host->op_done(server->host, op, NULL);
    else
        outbox_complete(server->host, op, OUTBOX_E_NOT_CONNECTED, "open %s: the server is gone", server->path);
}

static void stop(void *self, outbox_op_t op)
{
    struct server *server = self;
    server->stop = op;
    finish_stop(server);
}

/* What is in flight will not be answered in time. */
static void cancel(void *self, outbox_op_t op)
{
    struct server *server = self;
    (void)op;
    abandon(server);
    finish_stop(server);
}

static void publish(void *self, outbox_op_t op, const struct outbox_publish *publish_)
{
    struct server *server = self;
    struct op_state *state = server->host->op_scratch(server->host, op);
    state->left = publish_->count;
    for (uint32_t i = 0; i < publish_->count; i++) {
        struct sent *sent = server->host->alloc(server->host, sizeof *sent);
        if (!sent) {
            const struct sent lost = {NULL, op, i, NULL};
            report(server, &lost, OUTBOX_NOT_CONNECTED);
            continue;
        }
        *sent = (struct sent){NULL, op, i, outbox_message_at(publish_, i)};
        *server->last = sent;
        server->last = &sent->next;
    }
    server->host->timer_set(server->timer, TURN_US);
}

static int admit(void *self, const struct outbox_message *message, struct outbox_error *error)
{
    (void)self;
    return message->topic.size ? OUTBOX_OK : outbox_error_set(error, OUTBOX_E_REJECTED, "the event has no topic");
}

static const struct outbox_option options[] = {{.name = "path",
                                                .type = OUTBOX_OPT_STRING,
                                                .flags = OUTBOX_OPT_REQUIRED,
                                                .offset = offsetof(struct server, path),
                                                .help = "the file of the server"}};

static const struct outbox_broker_ops ops = {.struct_size = sizeof ops,
                                             .init = init,
                                             .fini = fini,
                                             .start = start,
                                             .stop = stop,
                                             .cancel = cancel,
                                             .publish = publish,
                                             .admit = admit};

OUTBOX_PLUGIN(broker, unreliable) = {.abi_major = OUTBOX_ABI_MAJOR,
                                     .struct_size = sizeof(struct outbox_plugin),
                                     .kind = OUTBOX_BROKER,
                                     .option_size = sizeof(struct outbox_option),
                                     .caps = OUTBOX_CAP_ADMIT | PROMISE,
                                     .name = NAME,
                                     .version = "1",
                                     .description = "sends every message at once",
                                     .instance_size = sizeof(struct server),
                                     .op_size = sizeof(struct op_state),
                                     .options = options,
                                     .option_count = 1,
                                     .ops = &ops};

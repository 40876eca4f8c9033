/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/plugin.c - the descriptor, the options, init and fini
 *
 * Appends events to a file, one JSON object a line; an event is durable (fdatasync) before it is reported as delivered.
 * broker.h shows how the files work together.
 */
#include "broker.h"

#include <stdlib.h>

#include <outbox/version.h>

#define BUFFER_SIZE ((size_t)1024 * 1024)

static int parse_mode(struct file_broker *broker, struct outbox_error *error)
{
    char *end;
    unsigned long mode = strtoul(broker->mode_text, &end, 8);
    if (!*broker->mode_text || *end || mode > 0777 || (mode & 0600) != 0600 || (mode & 0002))
        return outbox_error_set(
            error, OUTBOX_E_CONFIG,
            "mode '%s' is not possible; give octal permissions with which the owner reads and writes, "
            "and others do not write, for example 0640",
            broker->mode_text);
    broker->sink.mode = (mode_t)mode;
    return OUTBOX_OK;
}

static int file_init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct file_broker *broker = self;
    broker->host = init->host;
    broker->queue_end = &broker->queue;
    broker->out.room = BUFFER_SIZE;
    broker->sink.host = init->host;
    broker->sink.sys = &file_kernel;
    broker->sink.path = broker->path;
    broker->sink.max_size = broker->max_size;
    if (parse_mode(broker, error))
        return error->code;
    return file_sink_init(&broker->sink, error);
}

static void file_fini(void *self)
{
    struct file_broker *broker = self;
    file_sink_close(&broker->sink);
    if (broker->out.data)
        broker->host->release(broker->host, broker->out.data);
}

static int file_admit(void *self, const struct outbox_message *message, struct outbox_error *error)
{
    (void)self;
    return file_validate(message, error);
}

void file_replace_system(void *self, const struct file_sys *sys, size_t buffer)
{
    struct file_broker *broker = self;
    broker->sink.sys = sys;
    broker->out.room = buffer;
}

/* ---- the plugin -------------------------------------------------------------------------------------------------- */

static const struct outbox_option options[] = {
    {.name = "path",
     .type = OUTBOX_OPT_STRING,
     .flags = OUTBOX_OPT_REQUIRED | OUTBOX_OPT_IDENTITY,
     .offset = offsetof(struct file_broker, path),
     .help = "file that events are appended to; its directory must exist, and it must not be a link"},
    {.name = "mode",
     .type = OUTBOX_OPT_STRING,
     .offset = offsetof(struct file_broker, mode_text),
     .default_value = "0640",
     .help = "permissions of a new file, octal: the owner must read and write it, and others must not write it"},
    {.name = "max_size",
     .type = OUTBOX_OPT_SIZE,
     .offset = offsetof(struct file_broker, max_size),
     .default_value = "0",
     .max = INT64_MAX,
     .help = "size at which the file is renamed to PATH.000001 (and so on) and a new one is created; 0: never"},
};

static const struct outbox_broker_ops ops = {
    .struct_size = sizeof(struct outbox_broker_ops),
    .init = file_init,
    .fini = file_fini,
    .start = file_start,
    .stop = file_stop,
    .cancel = file_cancel,
    .publish = file_publish,
    .admit = file_admit,
    .check = file_check,
};

OUTBOX_PLUGIN(broker, file) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_BROKER,
    .option_size = sizeof(struct outbox_option),
    .caps = OUTBOX_CAP_ORDERED | OUTBOX_CAP_GLOBAL_ORDER | OUTBOX_CAP_ADMIT,
    .name = "file",
    .version = OUTBOX_VERSION_STRING,
    .description = "appends events to a file, one json object a line",
    .instance_size = sizeof(struct file_broker),
    .op_size = sizeof(union file_scratch),
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .ops = &ops,
};

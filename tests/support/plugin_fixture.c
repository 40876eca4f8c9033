/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/plugin_fixture.c - see plugin.h */
#include "plugin_fixture.h"

#include <stdio.h>
#include <string.h>

uint32_t plugin_fixture_alive;

static int init(void *self, const struct outbox_init *arguments, struct outbox_error *error)
{
    struct plugin_fixture *plugin = self;
    plugin_fixture_alive++;
    plugin->host = arguments->host;
    plugin->inner = arguments->inner;
    if (!plugin->fail_init)
        return OUTBOX_OK;
    error->code = OUTBOX_E_CONFIG;
    snprintf(error->text, sizeof error->text, "init of the test: fail_init is set");
    return OUTBOX_E_CONFIG;
}

static void fini(void *self)
{
    (void)self;
    plugin_fixture_alive--;
}

static void note(struct plugin_fixture *plugin, const char *what)
{
    size_t used = strlen(plugin->trace);
    snprintf(plugin->trace + used, sizeof plugin->trace - used, "%s%s", used ? " " : "", what);
}

static void submitted(struct plugin_fixture *plugin, outbox_op_t op, const char *what)
{
    note(plugin, what);
    plugin->held[plugin->held_count++ % PLUGIN_FIXTURE_HELD] = op;
    if (!plugin->hold)
        plugin->host->op_done(plugin->host, op, NULL);
}

static void cancel(void *self, outbox_op_t op)
{
    struct plugin_fixture *plugin = self;
    note(plugin, "cancel");
    plugin->canceled[plugin->canceled_count++ % PLUGIN_FIXTURE_HELD] = op;
}

static void stop(void *self, outbox_op_t op)
{
    submitted(self, op, "stop");
}

#define OP(name, type)                                            \
    static void name(void *self, outbox_op_t op, type *arguments) \
    {                                                             \
        (void)arguments;                                          \
        submitted(self, op, #name);                               \
    }
OP(start, const struct outbox_store_start)
OP(acquire, struct outbox_acquire)
OP(claim, struct outbox_claim)
OP(settle, const struct outbox_settle)
OP(dead_letter, const struct outbox_dead_letter_rows)
OP(check, const struct outbox_check)
OP(status, struct outbox_store_status)
OP(add, const struct outbox_add)
OP(dead, struct outbox_dead)
OP(broker_start, const struct outbox_broker_start)

static void renew(void *self, outbox_op_t op)
{
    submitted(self, op, "renew");
}

static void setup(void *self, outbox_op_t op)
{
    submitted(self, op, "setup");
}

static void release(void *self, struct outbox_batch *batch)
{
    (void)batch;
    note(self, "release");
}

static int print(void *self, enum outbox_print what, void (*line)(void *arg, const char *text), void *arg,
                 struct outbox_error *error)
{
    (void)what, (void)error;
    note(self, "print");
    line(arg, "-- nothing");
    return OUTBOX_OK;
}

static void publish(void *self, outbox_op_t op, const struct outbox_publish *arguments)
{
    struct plugin_fixture *plugin = self;
    plugin->publish_count = arguments->count;
    submitted(plugin, op, "publish");
}

static int admit(void *self, const struct outbox_message *message, struct outbox_error *error)
{
    (void)message, (void)error;
    note(self, "admit");
    return OUTBOX_E_REJECTED;
}

/* ---- a decorator that forwards ----------------------------------------------------------------------------------- */

static const struct outbox_broker_ops *below(const struct plugin_fixture *plugin)
{
    return plugin->inner->ops;
}

/* The op for below; without one there is no memory, and the op of above has failed. */
static outbox_op_t child_of(const struct plugin_fixture *plugin, outbox_op_t op)
{
    outbox_op_t child = plugin->host->op_child(plugin->host, op, NULL);
    struct outbox_error error = {.code = OUTBOX_E_NO_MEMORY, .text = "out of memory"};
    if (!child)
        plugin->host->op_done(plugin->host, op, &error);
    return child;
}

static void over_start(void *self, outbox_op_t op, const struct outbox_broker_start *arguments)
{
    struct plugin_fixture *plugin = self;
    note(plugin, "start");
    if ((op = child_of(plugin, op)))
        below(plugin)->start(plugin->inner->self, op, arguments);
}

static void over_stop(void *self, outbox_op_t op)
{
    struct plugin_fixture *plugin = self;
    note(plugin, "stop");
    if ((op = child_of(plugin, op)))
        below(plugin)->stop(plugin->inner->self, op);
}

static void over_publish(void *self, outbox_op_t op, const struct outbox_publish *arguments)
{
    struct plugin_fixture *plugin = self;
    note(plugin, "publish");
    if ((op = child_of(plugin, op)))
        below(plugin)->publish(plugin->inner->self, op, arguments);
}

/* ---- descriptors ------------------------------------------------------------------------------------------------- */

static const struct outbox_option options[] = {
    {.name = "hold",
     .type = OUTBOX_OPT_BOOL,
     .offset = offsetof(struct plugin_fixture, hold),
     .help = "ops wait for the test"},
    {.name = "fail_init",
     .type = OUTBOX_OPT_BOOL,
     .offset = offsetof(struct plugin_fixture, fail_init),
     .help = "init fails"},
    {.name = "note",
     .type = OUTBOX_OPT_STRING,
     .flags = OUTBOX_OPT_IDENTITY,
     .offset = offsetof(struct plugin_fixture, note),
     .default_value = "none",
     .help = "text"},
    {.name = "number",
     .type = OUTBOX_OPT_INT,
     .flags = OUTBOX_OPT_IDENTITY,
     .offset = offsetof(struct plugin_fixture, number),
     .default_value = "7",
     .min = 1,
     .max = 100,
     .help = "a number"},
};

static const struct outbox_store_ops store_ops = {
    .struct_size = sizeof store_ops,
    .init = init,
    .fini = fini,
    .start = start,
    .stop = stop,
    .cancel = cancel,
    .acquire = acquire,
    .renew = renew,
    .claim = claim,
    .release = release,
    .settle = settle,
    .dead_letter = dead_letter,
    .setup = setup,
    .print = print,
    .check = check,
    .status = status,
    .add = add,
    .dead = dead,
};

static const struct outbox_store_ops bare_ops = {
    .struct_size = sizeof bare_ops,
    .init = init,
    .fini = fini,
    .start = start,
    .stop = stop,
    .acquire = acquire,
    .claim = claim,
    .release = release,
    .settle = settle,
};

static const struct outbox_store_ops store_pass_ops = {
    .struct_size = sizeof store_pass_ops, .init = init, .fini = fini};

static const struct outbox_broker_ops broker_ops = {
    .struct_size = sizeof broker_ops,
    .init = init,
    .fini = fini,
    .start = broker_start,
    .stop = stop,
    .cancel = cancel,
    .publish = publish,
    .admit = admit,
    .check = check,
};

static const struct outbox_broker_ops pass_ops = {.struct_size = sizeof pass_ops, .init = init, .fini = fini};

static const struct outbox_broker_ops over_ops = {
    .struct_size = sizeof over_ops,
    .init = init,
    .fini = fini,
    .start = over_start,
    .stop = over_stop,
    .publish = over_publish,
};

#define DESCRIPTOR(KIND, NAME, CAPS, OPS)                                                                      \
    {                                                                                                          \
        .abi_major = OUTBOX_ABI_MAJOR, .struct_size = sizeof(struct outbox_plugin), .kind = KIND,              \
        .option_size = sizeof(struct outbox_option), .caps = CAPS, .name = NAME, .version = "1",               \
        .description = "does what a test says", .instance_size = sizeof(struct plugin_fixture), .op_size = 40, \
        .options = options, .option_count = sizeof options / sizeof *options, .ops = OPS,                      \
    }

const struct outbox_plugin plugin_fixture_store =
    DESCRIPTOR(OUTBOX_STORE, "test", OUTBOX_CAP_WAKE | OUTBOX_CAP_DEAD_LETTERS | OUTBOX_CAP_ADMIN, &store_ops);
const struct outbox_plugin plugin_fixture_bare = DESCRIPTOR(OUTBOX_STORE, "bare", 0, &bare_ops);
const struct outbox_plugin plugin_fixture_store_pass =
    DESCRIPTOR(OUTBOX_STORE, "pass", OUTBOX_CAP_DECORATOR, &store_pass_ops);
const struct outbox_plugin plugin_fixture_broker =
    DESCRIPTOR(OUTBOX_BROKER, "test", OUTBOX_CAP_ORDERED | OUTBOX_CAP_ADMIT, &broker_ops);
const struct outbox_plugin plugin_fixture_pass = DESCRIPTOR(OUTBOX_BROKER, "pass", OUTBOX_CAP_DECORATOR, &pass_ops);
const struct outbox_plugin plugin_fixture_wrap = DESCRIPTOR(OUTBOX_BROKER, "wrap", OUTBOX_CAP_DECORATOR, &over_ops);

const struct outbox_plugin *const plugin_fixture_plugins[] = {&plugin_fixture_store,
                                                              &plugin_fixture_bare,
                                                              &plugin_fixture_store_pass,
                                                              &plugin_fixture_broker,
                                                              &plugin_fixture_pass,
                                                              &plugin_fixture_wrap,
                                                              NULL};

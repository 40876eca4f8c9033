/* plugins/delay/broker.c - the delay plugin as a broker */
#include "delay.h"

static int broker_init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    return delay_init(self, init, OUTBOX_BROKER, error);
}

#define OP(CALL, name, type)                                              \
    static void broker_##name(void *self, outbox_op_t op, type *argument) \
    {                                                                     \
        delay_submit(self, op, DECO_##CALL, deco_argument(argument));     \
    }
#define PLAIN_OP(CALL, name)                              \
    static void broker_##name(void *self, outbox_op_t op) \
    {                                                     \
        delay_submit(self, op, DECO_##CALL, NULL);        \
    }
DECO_BROKER_OPS(OP)
DECO_BROKER_PLAIN_OPS(PLAIN_OP)

#define FIELD(CALL, name, type) .name = broker_##name,
#define PLAIN_FIELD(CALL, name) .name = broker_##name,
static const struct outbox_broker_ops ops = {.struct_size = sizeof(struct outbox_broker_ops),
                                             .init = broker_init,
                                             .fini = delay_fini,
                                             .cancel = delay_cancel,
                                             DECO_BROKER_OPS(FIELD) DECO_BROKER_PLAIN_OPS(PLAIN_FIELD)};

OUTBOX_PLUGIN(broker, delay) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_BROKER,
    .option_size = sizeof(struct outbox_option),
    .caps = OUTBOX_CAP_DECORATOR,
    .name = "delay",
    .version = "0.1.0",
    .description = "makes chosen calls of another broker slow, for tests and drills",
    .instance_size = sizeof(struct delay),
    .op_size = sizeof(struct delay_op),
    .options = delay_options,
    .option_count = DELAY_OPTIONS,
    .ops = &ops,
};

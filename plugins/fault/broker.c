/* plugins/fault/broker.c - the fault plugin as a broker */
#include "fault.h"

static int broker_init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    return fault_init(self, init, OUTBOX_BROKER, error);
}

#define OP(CALL, name, type)                                              \
    static void broker_##name(void *self, outbox_op_t op, type *argument) \
    {                                                                     \
        fault_submit(self, op, DECO_##CALL, deco_argument(argument));     \
    }
#define PLAIN_OP(CALL, name)                              \
    static void broker_##name(void *self, outbox_op_t op) \
    {                                                     \
        fault_submit(self, op, DECO_##CALL, NULL);        \
    }
DECO_BROKER_OPS(OP)
DECO_BROKER_PLAIN_OPS(PLAIN_OP)

#define FIELD(CALL, name, type) .name = broker_##name,
#define PLAIN_FIELD(CALL, name) .name = broker_##name,
static const struct outbox_broker_ops ops = {.struct_size = sizeof(struct outbox_broker_ops),
                                             .init = broker_init,
                                             .fini = fault_fini,
                                             .cancel = fault_cancel,
                                             DECO_BROKER_OPS(FIELD) DECO_BROKER_PLAIN_OPS(PLAIN_FIELD)};

OUTBOX_PLUGIN(broker, fault) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_BROKER,
    .option_size = sizeof(struct outbox_option),
    .caps = OUTBOX_CAP_DECORATOR,
    .name = "fault",
    .version = "0.1.0",
    .description = "makes chosen calls of another broker fail, for tests and drills",
    .instance_size = sizeof(struct fault),
    .op_size = sizeof(struct fault_op),
    .options = fault_options,
    .option_count = FAULT_OPTIONS,
    .ops = &ops,
};

/* plugins/fault/store.c - the fault plugin as a store */
#include "fault.h"

static int store_init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    return fault_init(self, init, OUTBOX_STORE, error);
}

#define OP(CALL, name, type)                                             \
    static void store_##name(void *self, outbox_op_t op, type *argument) \
    {                                                                    \
        fault_submit(self, op, DECO_##CALL, deco_argument(argument));    \
    }
#define PLAIN_OP(CALL, name)                             \
    static void store_##name(void *self, outbox_op_t op) \
    {                                                    \
        fault_submit(self, op, DECO_##CALL, NULL);       \
    }
DECO_STORE_OPS(OP)
DECO_STORE_PLAIN_OPS(PLAIN_OP)

#define FIELD(CALL, name, type) .name = store_##name,
#define PLAIN_FIELD(CALL, name) .name = store_##name,
static const struct outbox_store_ops ops = {.struct_size = sizeof(struct outbox_store_ops),
                                            .init = store_init,
                                            .fini = fault_fini,
                                            .cancel = fault_cancel,
                                            DECO_STORE_OPS(FIELD) DECO_STORE_PLAIN_OPS(PLAIN_FIELD)};

OUTBOX_PLUGIN(store, fault) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_STORE,
    .option_size = sizeof(struct outbox_option),
    .caps = OUTBOX_CAP_DECORATOR,
    .name = "fault",
    .version = "0.1.0",
    .description = "makes chosen calls of another store fail, for tests and drills",
    .instance_size = sizeof(struct fault),
    .op_size = sizeof(struct fault_op),
    .options = fault_options,
    .option_count = FAULT_OPTIONS,
    .ops = &ops,
};

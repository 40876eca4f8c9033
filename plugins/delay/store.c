/* plugins/delay/store.c - the delay plugin as a store */
#include "delay.h"

static int store_init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    return delay_init(self, init, OUTBOX_STORE, error);
}

#define OP(CALL, name, type)                                             \
    static void store_##name(void *self, outbox_op_t op, type *argument) \
    {                                                                    \
        delay_submit(self, op, DECO_##CALL, deco_argument(argument));    \
    }
#define PLAIN_OP(CALL, name)                             \
    static void store_##name(void *self, outbox_op_t op) \
    {                                                    \
        delay_submit(self, op, DECO_##CALL, NULL);       \
    }
DECO_STORE_OPS(OP)
DECO_STORE_PLAIN_OPS(PLAIN_OP)

#define FIELD(CALL, name, type) .name = store_##name,
#define PLAIN_FIELD(CALL, name) .name = store_##name,
static const struct outbox_store_ops ops = {.struct_size = sizeof(struct outbox_store_ops),
                                            .init = store_init,
                                            .fini = delay_fini,
                                            .cancel = delay_cancel,
                                            DECO_STORE_OPS(FIELD) DECO_STORE_PLAIN_OPS(PLAIN_FIELD)};

OUTBOX_PLUGIN(store, delay) = {
    .abi_major = OUTBOX_ABI_MAJOR,
    .struct_size = sizeof(struct outbox_plugin),
    .kind = OUTBOX_STORE,
    .option_size = sizeof(struct outbox_option),
    .caps = OUTBOX_CAP_DECORATOR,
    .name = "delay",
    .version = "0.1.0",
    .description = "makes chosen calls of another store slow, for tests and drills",
    .instance_size = sizeof(struct delay),
    .op_size = sizeof(struct delay_op),
    .options = delay_options,
    .option_count = DELAY_OPTIONS,
    .ops = &ops,
};

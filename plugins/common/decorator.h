/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/common/decorator.h - the descriptor of a decorator NAME, once for stores and once for brokers:
 *
 *     DECO_STORE(NAME, "what it does to a store", COUNT OF OPTIONS)
 *
 * It needs struct NAME, struct NAME_op, NAME_options, NAME_init, NAME_fini, NAME_cancel, and NAME_submit, which gets
 * every call. Each use is in a file of its own.
 */
#ifndef OBX_PLUGINS_COMMON_DECORATOR_H
#define OBX_PLUGINS_COMMON_DECORATOR_H

#include "calls.h"

#include <outbox/version.h>

#define DECO_OP(CALL, function, type)                                       \
    static void call_##function(void *self, outbox_op_t op, type *argument) \
    {                                                                       \
        submit(self, op, DECO_##CALL, deco_argument(argument));             \
    }
#define DECO_PLAIN_OP(CALL, function)                       \
    static void call_##function(void *self, outbox_op_t op) \
    {                                                       \
        submit(self, op, DECO_##CALL, NULL);                \
    }
#define DECO_FIELD(CALL, function, type) .function = call_##function,
#define DECO_PLAIN_FIELD(CALL, function) .function = call_##function,

/* of: store or broker; OF the same in capitals */
#define DECO_PLUGIN(of, OF, NAME, text, options_count)                                                          \
    static void submit(void *self, outbox_op_t op, enum deco_call call, void *argument)                         \
    {                                                                                                           \
        NAME##_submit(self, op, call, argument);                                                                \
    }                                                                                                           \
    static int init(void *self, const struct outbox_init *arguments, struct outbox_error *error)                \
    {                                                                                                           \
        return NAME##_init(self, arguments, OUTBOX_##OF, error);                                                \
    }                                                                                                           \
    DECO_##OF##_OPS(DECO_OP) DECO_##OF##_PLAIN_OPS(DECO_PLAIN_OP) static const struct outbox_##of##_ops ops = { \
        .struct_size = sizeof(struct outbox_##of##_ops),                                                        \
        .init = init,                                                                                           \
        .fini = NAME##_fini,                                                                                    \
        .cancel = NAME##_cancel,                                                                                \
        DECO_##OF##_OPS(DECO_FIELD) DECO_##OF##_PLAIN_OPS(DECO_PLAIN_FIELD)};                                   \
    OUTBOX_PLUGIN(of, NAME) = {                                                                                 \
        .abi_major = OUTBOX_ABI_MAJOR,                                                                          \
        .struct_size = sizeof(struct outbox_plugin),                                                            \
        .kind = OUTBOX_##OF,                                                                                    \
        .option_size = sizeof(struct outbox_option),                                                            \
        .caps = OUTBOX_CAP_DECORATOR,                                                                           \
        .name = #NAME,                                                                                          \
        .version = OUTBOX_VERSION_STRING,                                                                       \
        .description = text,                                                                                    \
        .instance_size = sizeof(struct NAME),                                                                   \
        .op_size = sizeof(struct NAME##_op),                                                                    \
        .options = NAME##_options,                                                                              \
        .option_count = options_count,                                                                          \
        .ops = &ops,                                                                                            \
    }

#define DECO_STORE(NAME, text, options_count) DECO_PLUGIN(store, STORE, NAME, text, options_count)
#define DECO_BROKER(NAME, text, options_count) DECO_PLUGIN(broker, BROKER, NAME, text, options_count)

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/modules/good.c - a good store */
#include "plain.h"

static const struct outbox_option options[] = {
    {.name = "number",
     .type = OUTBOX_OPT_INT,
     .offset = offsetof(struct plain, number),
     .default_value = "5",
     .help = "a number"},
};

static const struct outbox_store_ops ops = {.struct_size = sizeof ops, PLAIN_STORE_OPS};

OUTBOX_PLUGIN(store, good) = {PLAIN_DESCRIPTOR("good", &ops), .kind = OUTBOX_STORE, .options = options,
                              .option_count = 1};

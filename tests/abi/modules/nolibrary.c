/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/modules/nolibrary.c - a store whose client library is not installed where it is loaded */
#include "plain.h"

int abi_gone(void);

static void setup(void *self, outbox_op_t op)
{
    if (abi_gone())
        plain_done(self, op);
}

static const struct outbox_store_ops ops = {.struct_size = sizeof ops, PLAIN_STORE_OPS, .setup = setup};

OUTBOX_PLUGIN(store, nolibrary) = {PLAIN_DESCRIPTOR("nolibrary", &ops), .kind = OUTBOX_STORE};

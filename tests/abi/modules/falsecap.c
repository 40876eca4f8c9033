/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/modules/falsecap.c - a store that claims the capability DEAD_LETTERS without its functions */
#include "plain.h"

static const struct outbox_store_ops ops = {.struct_size = sizeof ops, PLAIN_STORE_OPS};

OUTBOX_PLUGIN(store, falsecap) = {PLAIN_DESCRIPTOR("falsecap", &ops), .kind = OUTBOX_STORE,
                                  .caps = OUTBOX_CAP_DEAD_LETTERS};

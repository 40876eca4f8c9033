/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/modules/truncated.c - a descriptor that ends before its functions */
#include "plain.h"

static const struct outbox_store_ops ops = {.struct_size = sizeof ops, PLAIN_STORE_OPS};

OUTBOX_PLUGIN(store, truncated) = {PLAIN_DESCRIPTOR("truncated", &ops), .kind = OUTBOX_STORE,
                                   .struct_size = offsetof(struct outbox_plugin, options)};

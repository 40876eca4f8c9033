/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/modules/stunted.c - a descriptor that ends before its functions */
#include "plain.h"

static const struct outbox_store_ops ops = {.struct_size = sizeof ops, PLAIN_STORE_OPS};

OUTBOX_PLUGIN(store, stunted) = {PLAIN_DESCRIPTOR("stunted", &ops), .kind = OUTBOX_STORE,
                                 .struct_size = offsetof(struct outbox_plugin, options)};

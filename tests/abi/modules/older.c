/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/modules/older.c - a store of an earlier minor version: its table of functions ends with settle */
#include "plain.h"

static const struct outbox_store_ops ops = {.struct_size = offsetof(struct outbox_store_ops, dead_letter),
                                            PLAIN_STORE_OPS};

OUTBOX_PLUGIN(store, older) = {PLAIN_DESCRIPTOR("older", &ops), .kind = OUTBOX_STORE};

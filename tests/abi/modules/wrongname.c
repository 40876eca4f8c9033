/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/modules/wrongname.c - a plugin whose name differs from its file's */
#include "plain.h"

static const struct outbox_store_ops ops = {.struct_size = sizeof ops, PLAIN_STORE_OPS};

OUTBOX_PLUGIN(store, somebody) = {PLAIN_DESCRIPTOR("somebody", &ops), .kind = OUTBOX_STORE};

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/modules/wrongname.c - its file has another name than it has itself */
#include "plain.h"

static const struct outbox_store_ops ops = {.struct_size = sizeof ops, PLAIN_STORE_OPS};

OUTBOX_PLUGIN(store, somebody) = {PLAIN_DESCRIPTOR("somebody", &ops), .kind = OUTBOX_STORE};

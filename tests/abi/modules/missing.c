/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/modules/missing.c - a store that cannot claim */
#include "plain.h"

static const struct outbox_store_ops ops = {.struct_size = sizeof ops, PLAIN_STORE_OPS, .claim = NULL};

OUTBOX_PLUGIN(store, missing) = {PLAIN_DESCRIPTOR("missing", &ops), .kind = OUTBOX_STORE};

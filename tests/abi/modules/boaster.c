/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/modules/boaster.c - a store that says it has dead letters, but has not */
#include "plain.h"

static const struct outbox_store_ops ops = {.struct_size = sizeof ops, PLAIN_STORE_OPS};

OUTBOX_PLUGIN(store, boaster) = {PLAIN_DESCRIPTOR("boaster", &ops), .kind = OUTBOX_STORE,
                                 .caps = OUTBOX_CAP_DEAD_LETTERS};

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/modules/wrongmajor.c - of another major version: only the first field has a known meaning */
#include "plain.h"

static const struct outbox_store_ops ops = {.struct_size = sizeof ops, PLAIN_STORE_OPS};

OUTBOX_PLUGIN(store, wrongmajor) = {PLAIN_DESCRIPTOR("wrongmajor", &ops), .kind = OUTBOX_STORE, .abi_major = 7};

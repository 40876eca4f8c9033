/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/modules/wrongkind.c - a broker in the file of a store */
#include "plain.h"

static const struct outbox_broker_ops ops = {.struct_size = sizeof ops, PLAIN_BROKER_OPS};

OUTBOX_PLUGIN(broker, wrongkind) = {PLAIN_DESCRIPTOR("wrongkind", &ops), .kind = OUTBOX_BROKER};

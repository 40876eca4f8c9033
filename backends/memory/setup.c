/* SPDX-License-Identifier: Apache-2.0 */
/* backends/memory/setup.c - has nothing to create */
#include "store.h"

void mstore_setup(void *self, outbox_op_t op)
{
    mstore_done(self, op, NULL);
}

int mstore_print(void *self, enum outbox_print what, void (*line)(void *arg, const char *text), void *arg,
                 struct outbox_error *error)
{
    (void)self;
    (void)error;
    line(arg, what == OUTBOX_PRINT_SQL ? "-- the memory store has no tables" : "-- the memory store needs no grants");
    return OUTBOX_OK;
}

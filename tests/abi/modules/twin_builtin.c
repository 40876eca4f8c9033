/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/modules/twin_builtin.c - twin.c, built in */
#define OUTBOX_BUILTIN
#include "twin.c"

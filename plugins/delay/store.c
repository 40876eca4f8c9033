/* SPDX-License-Identifier: Apache-2.0 */
/* plugins/delay/store.c - the delay plugin as a store */
#include "delay.h"

#include "decorator.h"

DECO_STORE(delay, "makes chosen calls of another store slow, for tests and drills", DELAY_OPTIONS);

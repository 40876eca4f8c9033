/* SPDX-License-Identifier: Apache-2.0 */
/* plugins/delay/store.c - the delay plugin as a store */
#include "delay.h"

#include "decorator.h"

DECO_STORE(delay, "delays chosen calls of another store, for tests and drills", DELAY_OPTIONS);

/* SPDX-License-Identifier: Apache-2.0 */
/* plugins/delay/broker.c - the delay plugin as a broker */
#include "delay.h"

#include "decorator.h"

DECO_BROKER(delay, "delays chosen calls of another broker, for tests and drills", DELAY_OPTIONS);

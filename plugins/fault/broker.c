/* SPDX-License-Identifier: Apache-2.0 */
/* plugins/fault/broker.c - the fault plugin as a broker */
#include "fault.h"

#include "decorator.h"

DECO_BROKER(fault, "makes chosen calls of another broker fail, for tests and drills", FAULT_OPTIONS);

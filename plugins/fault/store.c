/* SPDX-License-Identifier: Apache-2.0 */
/* plugins/fault/store.c - the fault plugin as a store */
#include "fault.h"

#include "decorator.h"

DECO_STORE(fault, "makes chosen calls of another store fail, for tests and drills", FAULT_OPTIONS);

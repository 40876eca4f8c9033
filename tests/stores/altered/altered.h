/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/altered/altered.h - what the tests of this folder share */
#ifndef OBX_TESTS_STORES_ALTERED_ALTERED_H
#define OBX_TESTS_STORES_ALTERED_ALTERED_H

#include "altering_proxy.h"
#include "fixture.h"

/* A fault of the client library itself, MariaDB Connector/C: it writes to address 0 for some answers. 3.3.20 is part of
 * MariaDB 10.11.19. */
bool client_crashes(void);

#endif

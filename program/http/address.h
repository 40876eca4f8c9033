/* SPDX-License-Identifier: Apache-2.0 */
/* program/http/address.h - the setting service.listen, for the side that listens and the one that connects */
#ifndef OBX_PROGRAM_HTTP_ADDRESS_H
#define OBX_PROGRAM_HTTP_ADDRESS_H

#include <netdb.h>
#include <stdbool.h>

#include <outbox/error.h>

/* "HOST:PORT", "[V6]:PORT" or ":PORT". flags: AI_PASSIVE to listen, else 0. The caller frees with freeaddrinfo. */
int obx_address_find(const char *address, int flags, struct addrinfo **found, struct outbox_error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* program/http/address.h - parses service.listen, for the server and for the client */
#ifndef OBX_PROGRAM_HTTP_ADDRESS_H
#define OBX_PROGRAM_HTTP_ADDRESS_H

#include <netdb.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <outbox/error.h>

/* The path of "unix:PATH"; NULL: it is another address. */
const char *obx_address_socket(const char *address);
/* Errors: CONFIG, if the path is relative or too long. */
int obx_address_fill(const char *path, struct sockaddr_un *to, struct outbox_error *error);
/* "HOST:PORT", "[V6]:PORT" or ":PORT". flags: AI_PASSIVE to listen, else 0. The caller frees *found with
 * freeaddrinfo(). Errors: CONFIG. */
int obx_address_find(const char *address, int flags, struct addrinfo **found, struct outbox_error *error);

#endif

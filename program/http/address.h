/* SPDX-License-Identifier: Apache-2.0 */
/* program/http/address.h - parses service.listen and service.control, for the server and for the client */
#ifndef OBX_PROGRAM_HTTP_ADDRESS_H
#define OBX_PROGRAM_HTTP_ADDRESS_H

#include <netdb.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <outbox/error.h>

/* The path of "unix:PATH"; NULL: it is another address. */
const char *obx_address_socket(const char *address);
/* option: of `service:`, for the text. Errors: CONFIG, if the path is relative or too long. */
int obx_address_fill(const char *option, const char *path, struct sockaddr_un *to, struct outbox_error *error);
/* The path in service.control, "unix:PATH", checked. Errors: CONFIG. */
int obx_address_control(const char *control, struct sockaddr_un *to, struct outbox_error *error);
/* Open a listening socket of this mode. Before threads start: it sets the umask for a moment. Errors: CONFIG,
 * PERMISSION. */
int obx_listen_on_path(const char *option, const char *path, mode_t mode, int *fd, struct outbox_error *error);
/* "HOST:PORT", "[V6]:PORT" or ":PORT". flags: AI_PASSIVE to listen, else 0. The caller frees *found with
 * freeaddrinfo(). Errors: CONFIG. */
int obx_address_find(const char *address, int flags, struct addrinfo **found, struct outbox_error *error);

#endif

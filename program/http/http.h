/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/http/http.h - /metrics, /healthz, /readyz and /status, on a thread of its own
 *
 * A build without libmicrohttpd refuses `listen` with a clear message.
 */
#ifndef OBX_PROGRAM_HTTP_HTTP_H
#define OBX_PROGRAM_HTTP_HTTP_H

#include "base/log.h"
#include "daemon/snapshot.h"

struct obx_http;

/* address: "127.0.0.1:9464", "[::1]:9464", ":9464" (everywhere). Errors: CONFIG (not an address, or the port is taken),
 * PERMISSION, UNSUPPORTED. */
int obx_http_new(const char *address, struct obx_snapshots *snapshots, const struct obx_log *log,
                 struct obx_http **http, struct outbox_error *error);
void obx_http_free(struct obx_http *http); /* ends the thread; NULL is fine */

/* A listening socket for the address; text gets the address with the port as it was chosen. */
int obx_http_listen(const char *address, int *fd, char *text, size_t size, struct outbox_error *error);

#endif

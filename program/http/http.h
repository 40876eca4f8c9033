/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/http/http.h - the HTTP server: /metrics, /healthz, /readyz, /status and a page at /, on its own thread
 *
 * In a build without libmicrohttpd, obx_http_new() is UNSUPPORTED.
 */
#ifndef OBX_PROGRAM_HTTP_HTTP_H
#define OBX_PROGRAM_HTTP_HTTP_H

#include "base/log.h"
#include "daemon/snapshot.h"

struct obx_http;

/* address: "127.0.0.1:9464", "[::1]:9464", ":9464" (all interfaces), "unix:PATH". hosts: names that a request may have
 * in its Host header beside addresses and the machine's own; NULL: none. Errors: CONFIG (not an address, or the port is
 * in use), PERMISSION, UNSUPPORTED. */
int obx_http_new(const char *address, const char *hosts, struct obx_snapshots *snapshots, const struct obx_log *log,
                 struct obx_http **http, struct outbox_error *error);
void obx_http_free(struct obx_http *http); /* joins the thread; NULL is fine */

/* Open a listening socket; text gets the bound address with the port. Errors: as obx_http_new(). */
int obx_http_listen(const char *address, int *fd, char *text, size_t size, struct outbox_error *error);

#endif

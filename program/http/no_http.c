/* SPDX-License-Identifier: Apache-2.0 */
/* program/http/no_http.c - a build without libmicrohttpd */
#include "base/error.h"
#include "http/http.h"

int obx_http_new(const char *address, const char *hosts, struct obx_snapshots *snapshots, const struct obx_log *log,
                 struct obx_http **http, struct outbox_error *error)
{
    (void)hosts, (void)snapshots, (void)log;
    *http = NULL;
    return obx_error_set(error, OUTBOX_E_UNSUPPORTED,
                         "listen on %s: this program was built without libmicrohttpd; install its development package "
                         "and build again, or remove service.listen",
                         address);
}

void obx_http_free(struct obx_http *http)
{
    (void)http;
}

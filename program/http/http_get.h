/* SPDX-License-Identifier: Apache-2.0 */
/* program/http/http_get.h - an HTTP client, for `outbox status`: one GET */
#ifndef OBX_PROGRAM_HTTP_HTTP_GET_H
#define OBX_PROGRAM_HTTP_HTTP_GET_H

#include "base/buf.h"

#include <outbox/error.h>

/* Append the body of GET path to `body`; any status but 200 is an error. Each step blocks for at most timeout_ms.
 * Errors: NOT_CONNECTED, TIMEOUT, IO. */
int obx_http_get(const char *address, const char *path, unsigned timeout_ms, struct obx_buf *body,
                 struct outbox_error *error);

#endif

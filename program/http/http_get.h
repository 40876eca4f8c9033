/* SPDX-License-Identifier: Apache-2.0 */
/* program/http/http_get.h - asking a running outbox for its /status */
#ifndef OBX_PROGRAM_HTTP_HTTP_GET_H
#define OBX_PROGRAM_HTTP_HTTP_GET_H

#include "base/buf.h"

#include <outbox/error.h>

/* The body of GET path, status 200 only. Blocks for timeout_ms at most for each step.
 * Errors: NOT_CONNECTED, TIMEOUT, IO. */
int obx_http_get(const char *address, const char *path, unsigned timeout_ms, struct obx_buf *body,
                 struct outbox_error *error);

#endif

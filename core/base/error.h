/* SPDX-License-Identifier: Apache-2.0 */
/* core/base/error.h - sets and wraps error values; in every function error may be NULL */
#ifndef OBX_BASE_ERROR_H
#define OBX_BASE_ERROR_H

#include <outbox/error.h>
#include <outbox/text_util.h> /* OUTBOX_CUT: texts of errors are short */

const char *obx_error_text(int code); /* a fixed text for the code */

/* Both return code, so that `return obx_error_set(...)` reads well. */
int obx_error_set(struct outbox_error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
int obx_error_no_memory(struct outbox_error *error);

/* Prepend context: "claim rows: connection refused". */
void obx_error_wrap(struct outbox_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif

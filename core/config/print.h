/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/config/print.h - the effective configuration as YAML that can be read back
 *
 *     struct obx_print print = {.buf = &buf};
 *     obx_print_open(&print, "store");
 *     obx_print_text(&print, "plugin", "sqlite");
 *     obx_print_options(&print, options, count, sizeof *options, instance);
 *     obx_print_close(&print);
 *
 * Secrets are printed as "***": options marked as secret, and map entries with the name of a secret (config/redact.h).
 * An option without value and default becomes a comment. Failure: see obx_buf_failed().
 */
#ifndef OBX_CONFIG_PRINT_H
#define OBX_CONFIG_PRINT_H

#include <outbox/plugin.h>

#include "base/buf.h"

struct obx_print {
    struct obx_buf *buf;
    unsigned depth;
};

void obx_print_open(struct obx_print *print, const char *name); /* begin a section */
void obx_print_close(struct obx_print *print);
void obx_print_text(struct obx_print *print, const char *name, const char *value); /* one key */
/* base: what obx_options_apply() filled. */
void obx_print_options(struct obx_print *print, const struct outbox_option *options, uint32_t count, uint32_t stride,
                       const void *base);

#endif

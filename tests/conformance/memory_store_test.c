/* SPDX-License-Identifier: Apache-2.0 */
/* tests/conformance/memory_store_test.c - the reference store */
#define CONF_SUITE conformance_memory_store
#include "criterion.h"

static const struct conf_subject subject = {
    .name = "test.yaml", .yaml = "store: {plugin: memory}\n", .alone = true, .live = mem_live};

CONF_STORE_CHECKS(CONF_STORE_TEST)

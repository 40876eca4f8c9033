/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sqlite/conformance_test.c - the SQLite store, each check with a database of its own */
#define CONF_SUITE conformance_sqlite_store
#include "../../conformance/criterion.h"

static const struct conf_subject subject = {.name = "test.yaml",
                                            .yaml = "store:\n"
                                                    "  plugin: sqlite\n"
                                                    "  path: ${OUTBOX_TMP}/${OUTBOX_CHECK}.db\n",
                                            .live = mem_live};

CONF_STORE_CHECKS(CONF_STORE_TEST)

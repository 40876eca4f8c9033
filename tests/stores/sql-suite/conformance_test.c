/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/conformance_test.c - what every store must do, each check with a table of its own */

#define CONF_SUITE conformance_store
#include "../../conformance/criterion.h"
#include "server.h"

static const struct conf_subject postgres = {
    .name = "test.yaml",
    .yaml = "store:\n"
            "  plugin: postgres\n"
            "  dsn: ${OUTBOX_TEST_PG}\n"
            "  table: ${OUTBOX_CHECK}\n"
            "  wakeup: true\n",
    .text_only = true,
    .fence = "psql -qAtX \"$OUTBOX_TEST_PG\" -c \"SELECT pg_terminate_backend(pid) FROM pg_locks "
             "WHERE locktype = 'advisory'\" >/dev/null",
    .live = mem_live};

static const struct conf_subject mysql = {.name = "test.yaml",
                                          .yaml = "store:\n"
                                                  "  plugin: mysql\n"
                                                  "  host: 127.0.0.1\n"
                                                  "  port: ${OUTBOX_TEST_MYSQL_PORT}\n"
                                                  "  user: outbox\n"
                                                  "  password: outbox\n"
                                                  "  database: outbox\n"
                                                  "  table: ${OUTBOX_CHECK}\n"
                                                  "  wakeup: binlog\n",
                                          .fence = "\"$OUTBOX_TEST_MYSQL_FENCE\"",
                                          .live = mem_live};

#define subject (*BY_SERVER(&postgres, &mysql))
CONF_STORE_CHECKS(CONF_STORE_TEST)

/* tests/mysql/conformance_test.c - the MySQL store on a real server, each check with a table of its own */
#define CONF_SUITE conformance_mysql_store
#include "../conformance/criterion.h"

static const struct conf_subject subject = {
    .name = "test.yaml",
    .yaml = "store:\n"
            "  plugin: mysql\n"
            "  host: 127.0.0.1\n"
            "  port: ${OUTBOX_TEST_MYSQL_PORT}\n"
            "  user: outbox\n"
            "  password: outbox\n"
            "  database: outbox\n"
            "  table: ${OUTBOX_CHECK}\n",
    .fence = "\"$OUTBOX_TEST_MYSQL_FENCE\"",
    .live = mem_live};

CONF_STORE_CHECKS(CONF_STORE_TEST)

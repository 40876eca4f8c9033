/* tests/postgres/conformance_test.c - the Postgres store on a real server, each check with a table of its own */
#define CONF_SUITE conformance_postgres_store
#include "../conformance/criterion.h"

static const struct conf_subject subject = {
    .name = "test.yaml",
    .yaml = "store:\n"
            "  plugin: postgres\n"
            "  dsn: ${OUTBOX_TEST_PG}\n"
            "  table: ${OUTBOX_CHECK}\n"
            "  doorbell: true\n",
    .text_only = true,
    .fence = "psql -qAtX \"$OUTBOX_TEST_PG\" -c \"SELECT pg_terminate_backend(pid) FROM pg_locks "
             "WHERE locktype = 'advisory'\" >/dev/null",
    .live = mem_live};

CONF_STORE_CHECKS(CONF_STORE_TEST)

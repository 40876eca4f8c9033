/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/connect_test.c - ways to the server, and tables that only MySQL and MariaDB have */
#include <string.h>

#include "fixture.h"

Test(connect, table_without_transactions_is_refused)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "isam", true, "");
    fixture_run(&fixture, "ALTER TABLE %s ENGINE = MyISAM");
    fixture_expect_start_error(
        &fixture, OUTBOX_E_UNSUPPORTED,
        "inspect table outbox.isam: its engine is MyISAM, which has no transactions; run ALTER TABLE outbox.isam "
        "ENGINE = InnoDB");
    fixture_close(&fixture);
}

Test(connect, required_tls_is_enforced)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "tls", true, "");
    fixture_reconfigure(&fixture, &(struct server_place){0}, "  tls: verify\n"); /* no TLS, or no trusted certificate */
    cr_assert_eq(fixture_start(&fixture, fixture.store), OUTBOX_E_PERMISSION, "%s", fixture.error.text);
    if (server_kind() == MARIADB) { /* the library itself would go on in plain text */
        fixture_reconfigure(&fixture, &(struct server_place){0}, "  tls: require\n");
        cr_assert_eq(fixture_start(&fixture, fixture.store), OUTBOX_E_PERMISSION, "%s", fixture.error.text);
        cr_assert(strstr(fixture.error.text, "the server does not offer TLS, which tls: requires"), "%s",
                  fixture.error.text);
    }
    fixture_close(&fixture);
}

Test(connect, unix_socket_is_supported)
{
    struct sql_fixture fixture;
    fixture_open(&fixture, "sockets", true, "");
    obx_instance_free(fixture.store);
    cr_assert_eq(
        loop_fixture_configure(&fixture.base, "test.yaml",
                               "store:\n  plugin: mysql\n  socket: ${OUTBOX_TEST_MYSQL_DIR}/sock\n  user: outbox\n"
                               "  password: outbox\n  database: outbox\n  table: sockets\n",
                               &fixture.error),
        0, "%s", fixture.error.text);
    fixture.store = fixture_another(&fixture);
    fixture_begin(&fixture);
    fixture_close(&fixture);
}

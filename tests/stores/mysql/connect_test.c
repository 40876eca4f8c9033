/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/connect_test.c - ways to the server, and tables that only MySQL and MariaDB have */
#include <string.h>

#include "bed.h"

Test(connect, a_table_without_transactions)
{
    struct bed bed;
    bed_open(&bed, "isam", true, "");
    bed_run(&bed, "ALTER TABLE %s ENGINE = MyISAM");
    bed_refused(
        &bed, OUTBOX_E_UNSUPPORTED,
        "look at table outbox.isam: its engine is MyISAM, which has no transactions; run ALTER TABLE outbox.isam "
        "ENGINE = InnoDB");
    bed_close(&bed);
}

Test(connect, tls_is_not_done_without)
{
    struct bed bed;
    bed_open(&bed, "tls", true, "");
    bed_reconfigure(&bed, &(struct server_place){0}, "  tls: verify\n"); /* no TLS at all, or signed by nobody */
    cr_assert_eq(bed_start(&bed, bed.store), OUTBOX_E_NOT_CONNECTED, "%s", bed.error.text);
    if (server_kind() == MARIADB) { /* the library itself would go on in plain text */
        bed_reconfigure(&bed, &(struct server_place){0}, "  tls: require\n");
        cr_assert_eq(bed_start(&bed, bed.store), OUTBOX_E_NOT_CONNECTED, "%s", bed.error.text);
        cr_assert(strstr(bed.error.text, "the server does not offer TLS, which tls: asks for"), "%s", bed.error.text);
    }
    bed_close(&bed);
}

Test(connect, the_socket_does_as_well)
{
    struct bed bed;
    bed_open(&bed, "sockets", true, "");
    obx_instance_free(bed.store);
    cr_assert_eq(harness_configure(&bed.harness, "test.yaml",
                                   "store:\n  plugin: mysql\n  socket: ${OUTBOX_TEST_MYSQL_DIR}/sock\n  user: outbox\n"
                                   "  password: outbox\n  database: outbox\n  table: sockets\n",
                                   &bed.error),
                 0, "%s", bed.error.text);
    bed.store = bed_another(&bed);
    bed_begin(&bed);
    bed_close(&bed);
}

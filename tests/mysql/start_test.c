/* tests/mysql/start_test.c - servers, users and tables that a relay cannot work with are refused, and it says why */
#include <stdio.h>
#include <string.h>

#include "bed.h"

static void refused(struct bed *bed, int code, const char *text)
{
    cr_assert_eq(bed_start(bed, bed->store), code, "%d: %s", bed->error.code, bed->error.text);
    cr_assert_str_eq(bed->error.text, text);
}

static void reconfigure(struct bed *bed, const char *user, const char *yaml)
{
    bed_configure(bed, user, yaml);
    obx_instance_free(bed->store);
    bed->store = bed_another(bed);
}

Test(mysql_start, a_table_that_is_not_there)
{
    struct bed bed;
    bed_open(&bed, "nowhere", false, "");
    refused(&bed, OUTBOX_E_NOT_FOUND,
            "look at table nowhere: there is none in database outbox that user outbox@% can see; run 'outbox init', or name "
            "the database: table: DATABASE.nowhere");
    bed_close(&bed);
}

Test(mysql_start, a_table_without_transactions)
{
    struct bed bed;
    bed_open(&bed, "isam", true, "");
    bed_exec(&bed, bed.sql, "ALTER TABLE %s ENGINE = MyISAM");
    refused(&bed, OUTBOX_E_UNSUPPORTED,
            "look at table outbox.isam: its engine is MyISAM, which has no transactions; run ALTER TABLE outbox.isam ENGINE "
            "= InnoDB");
    bed_close(&bed);
}

Test(mysql_start, a_server_that_is_read_only)
{
    struct bed bed;
    bed_open(&bed, "readonly", true, "");
    bed_exec(&bed, bed.sql, "SET GLOBAL read_only = 1");
    int code = bed_start(&bed, bed.store);
    bed_exec(&bed, bed.sql, "SET GLOBAL read_only = 0");
    cr_assert_eq(code, OUTBOX_E_READ_ONLY);
    cr_assert_str_eq(bed.error.text, "connect: the server 127.0.0.1 is read-only, as a replica is; name the primary in "
                                     "host:, or all servers: host: a,b");
    bed_close(&bed);
}

static void with_user(struct bed *bed, const char *user, const char *grant)
{
    char statement[200];
    snprintf(statement, sizeof statement, "CREATE USER %s@'%%' IDENTIFIED BY 'outbox'", user);
    cr_assert_eq(mysql_query(bed->sql, statement), 0, "%s", mysql_error(bed->sql));
    snprintf(statement, sizeof statement, "GRANT %s TO %s@'%%'", grant, user);
    cr_assert_eq(mysql_query(bed->sql, statement), 0, "%s", mysql_error(bed->sql));
    reconfigure(bed, user, "");
}

Test(mysql_start, a_user_who_may_not_delete)
{
    struct bed bed;
    bed_open(&bed, "grants", true, "");
    with_user(&bed, "reader", "SELECT ON outbox.grants");
    cr_assert_eq(bed_start(&bed, bed.store), OUTBOX_E_PERMISSION, "%s", bed.error.text);
    cr_assert(strstr(bed.error.text, "DELETE command denied to user 'reader'@"), "%s", bed.error.text);
    cr_assert(strstr(bed.error.text, "; see 'outbox init --print-grants'"), "%s", bed.error.text);
    bed_close(&bed);
}

Test(mysql_start, the_least_grants_are_enough)
{
    struct bed bed;
    bed_open(&bed, "least", true, "");
    with_user(&bed, "least", "SELECT, DELETE ON outbox.least");
    bed_exec(&bed, bed.sql, "GRANT SELECT, UPDATE ON %s_relay TO 'least'@'%'");
    bed_begin(&bed);
    bed_insert(&bed, bed.sql, "a");
    struct outbox_batch *batch = bed_batch(&bed, 10, 1 << 20);
    cr_assert_eq(bed_settle(&bed, batch, 0, 1), 0, "%s", bed.error.text);
    obx_store_release(bed.store, batch);
    bed_close(&bed);
}

Test(mysql_start, a_wrong_password)
{
    struct bed bed;
    bed_open(&bed, "login", true, "");
    reconfigure(&bed, "nobody", "");
    cr_assert_eq(bed_start(&bed, bed.store), OUTBOX_E_PERMISSION, "%s", bed.error.text);
    cr_assert(strstr(bed.error.text, "Access denied for user 'nobody'@"), "%s", bed.error.text);
    bed_close(&bed);
}

Test(mysql_start, tls_is_not_done_without)
{
    struct bed bed;
    bed_open(&bed, "tls", true, "");
    reconfigure(&bed, "outbox", "  tls: verify\n"); /* no TLS at all, or a certificate that nobody has signed */
    cr_assert_eq(bed_start(&bed, bed.store), OUTBOX_E_NOT_CONNECTED, "%s", bed.error.text);
    if (bed_is_mariadb()) {
        reconfigure(&bed, "outbox", "  tls: require\n"); /* the library itself would go on in plain text */
        cr_assert_eq(bed_start(&bed, bed.store), OUTBOX_E_NOT_CONNECTED, "%s", bed.error.text);
        cr_assert(strstr(bed.error.text, "the server does not speak TLS, which tls: asks for"), "%s", bed.error.text);
    }
    bed_close(&bed);
}

Test(mysql_start, hosts_are_tried_in_turn)
{
    struct bed bed;
    char text[300];
    bed_open(&bed, "turns", true, "");
    snprintf(text, sizeof text,
             "store:\n  plugin: mysql\n  host: \"127.0.0.1:1,127.0.0.1\"\n  port: ${OUTBOX_TEST_MYSQL_PORT}\n  user: outbox\n"
             "  password: outbox\n  database: outbox\n  table: turns\n");
    cr_assert_eq(harness_configure(&bed.harness, "test.yaml", text, &bed.error), 0, "%s", bed.error.text);
    obx_instance_free(bed.store);
    bed.store = bed_another(&bed);
    bed_begin(&bed);
    bed_close(&bed);
}

Test(mysql_start, the_socket_does_as_well)
{
    struct bed bed;
    bed_open(&bed, "sockets", true, "");
    cr_assert_eq(harness_configure(&bed.harness, "test.yaml",
                                   "store:\n  plugin: mysql\n  socket: ${OUTBOX_TEST_MYSQL_DIR}/sock\n  user: outbox\n"
                                   "  password: outbox\n  database: outbox\n  table: sockets\n", &bed.error), 0, "%s",
                 bed.error.text);
    obx_instance_free(bed.store);
    bed.store = bed_another(&bed);
    bed_begin(&bed);
    bed_close(&bed);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/common/error.c - maps error numbers to codes, and adds advice to texts */
#include "error.h"

#include <stdio.h>

static const struct {
    int code;
    const char *advice;
    unsigned numbers[16]; /* ends with 0 */
} kinds[] = {
    /* 1205 lock wait, 1213 deadlock, 1412 the table was altered meanwhile, 1317 KILL QUERY */
    {OUTBOX_E_AGAIN, "", {1205, 1213, 1412, 1317, 1037, 1038, 1041}},
    {OUTBOX_E_NOT_CONNECTED, "; a relay needs two connections: check max_connections", {1040}},
    {OUTBOX_E_NOT_CONNECTED, "; a relay needs two connections", {1203, 1226}},
    /* 1053 shutdown, 1927 killed, 3169 killed, 4031 silent for wait_timeout */
    {OUTBOX_E_NOT_CONNECTED, "", {1053, 1152, 1184, 1927, 3169, 4031}},
    {OUTBOX_E_NOT_CONNECTED, "; run FLUSH HOSTS on the server", {1129}},
    {OUTBOX_E_NOT_CONNECTED, "; start the server there, or correct host, port or socket", {2002, 2003}},
    {OUTBOX_E_NOT_CONNECTED, "; correct host", {2005}},
    {OUTBOX_E_PERMISSION, "", {1130, 1227, 1370}},
    {OUTBOX_E_PERMISSION, "; see 'outbox init --print-grants'", {1044, 1142, 1143}},
    {OUTBOX_E_PERMISSION, "; check user and password", {1045, 1698}},
    {OUTBOX_E_PERMISSION,
     "; the client library lacks this login method, or must not use it without TLS: set tls: verify",
     {2059}},
    {OUTBOX_E_PERMISSION, "; connect with TLS, or by a socket", {2061}},
    {OUTBOX_E_PERMISSION, "; the server requires TLS: set tls: verify and tls_ca", {3159}},
    {OUTBOX_E_CONFIG, "; set database:", {1046}},
    {OUTBOX_E_NOT_FOUND, "; create the database", {1049}},
    {OUTBOX_E_NOT_FOUND, "; run 'outbox init'", {1146}},
    {OUTBOX_E_SCHEMA, "; see 'outbox check'", {1054}},
    {OUTBOX_E_READ_ONLY, "; connect to the primary server", {1290, 1836}},
    {OUTBOX_E_READ_ONLY, "", {1792, 1874}},
    {OUTBOX_E_TIMEOUT, "", {1968, 1969, 3024}},
    {OUTBOX_E_FULL, "; free space on the server's disk", {1021, 1026, 1114}},
    {OUTBOX_E_INVALID, "", {1048, 1062, 1264, 1265, 1292, 1364, 1366, 1406, 1441, 1690, 3140, 3144, 3819, 4025}},
    {OUTBOX_E_INVALID, "; raise max_allowed_packet of the server", {1153, 1301}},
    {OUTBOX_E_CORRUPT, "", {1194, 1712}},
    {OUTBOX_E_UNSUPPORTED, "; set binlog_format = ROW", {1665}},
    {OUTBOX_E_UNSUPPORTED, "; in MariaDB, INSTALL SONAME 'ha_blackhole' (package mariadb-server)", {1286}},
    {OUTBOX_E_NO_MEMORY, "", {2008}},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static unsigned find(unsigned number)
{
    for (unsigned k = 0; k < KINDS; k++)
        for (const unsigned *at = kinds[k].numbers; *at; at++)
            if (*at == number)
                return k;
    return KINDS;
}

/* OUTBOX_E_IO for numbers without a special meaning for a relay. */
static int code_of(unsigned number)
{
    unsigned kind = find(number);
    if (kind < KINDS)
        return kinds[kind].code;
    return number >= 2000 && number < 3000 ? OUTBOX_E_NOT_CONNECTED : OUTBOX_E_IO;
}

bool mys_error_is_loss(unsigned number)
{
    return code_of(number) == OUTBOX_E_NOT_CONNECTED || number == 1153;
}

void mys_error_of(struct outbox_error *error, const char *what, MYSQL *mysql)
{
    unsigned number = mysql_errno(mysql), kind = find(number);
    const char *text = mysql_error(mysql);
    mys_fail(error, code_of(number), "%s: %s (%u)%s", what, *text ? text : "the connection is gone", number,
             kind < KINDS ? kinds[kind].advice : "");
    error->native = (int32_t)number;
    snprintf(error->state, sizeof error->state, "%s", mysql_sqlstate(mysql));
}

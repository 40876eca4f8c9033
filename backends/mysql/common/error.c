/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/common/error.c - numbers become codes; texts get what to do behind them where we know */
#include "error.h"

#include <stdio.h>

static const struct {
    unsigned number;
    int code;
    const char *advice;
} numbers[] = {
    {1205, OUTBOX_E_AGAIN, ""}, /* lock wait */
    {1213, OUTBOX_E_AGAIN, ""}, /* deadlock */
    {1412, OUTBOX_E_AGAIN, ""}, /* the table was altered meanwhile */
    {1317, OUTBOX_E_AGAIN, ""}, /* KILL QUERY */
    {1037, OUTBOX_E_AGAIN, ""},
    {1038, OUTBOX_E_AGAIN, ""},
    {1041, OUTBOX_E_AGAIN, ""},
    {1040, OUTBOX_E_NOT_CONNECTED, "; a relay needs two connections: look at max_connections"},
    {1203, OUTBOX_E_NOT_CONNECTED, "; a relay needs two connections"},
    {1226, OUTBOX_E_NOT_CONNECTED, "; a relay needs two connections"},
    {1053, OUTBOX_E_NOT_CONNECTED, ""}, /* shutdown */
    {1152, OUTBOX_E_NOT_CONNECTED, ""},
    {1184, OUTBOX_E_NOT_CONNECTED, ""},
    {1927, OUTBOX_E_NOT_CONNECTED, ""}, /* killed */
    {3169, OUTBOX_E_NOT_CONNECTED, ""}, /* killed */
    {4031, OUTBOX_E_NOT_CONNECTED, ""}, /* silent for wait_timeout */
    {1129, OUTBOX_E_NOT_CONNECTED, "; run FLUSH HOSTS on the server"},
    {1130, OUTBOX_E_PERMISSION, ""},
    {1044, OUTBOX_E_PERMISSION, "; see 'outbox init --print-grants'"},
    {1045, OUTBOX_E_PERMISSION, "; look at user and password"},
    {1698, OUTBOX_E_PERMISSION, "; look at user and password"},
    {1142, OUTBOX_E_PERMISSION, "; see 'outbox init --print-grants'"},
    {1143, OUTBOX_E_PERMISSION, "; see 'outbox init --print-grants'"},
    {1227, OUTBOX_E_PERMISSION, ""},
    {1370, OUTBOX_E_PERMISSION, ""},
    {2059, OUTBOX_E_PERMISSION, "; the client library lacks this way to log in, or must not use it"},
    {2061, OUTBOX_E_PERMISSION, "; connect with TLS, or by a socket"},
    {1046, OUTBOX_E_CONFIG, "; set database:"},
    {1049, OUTBOX_E_NOT_FOUND, "; create the database"},
    {1146, OUTBOX_E_NOT_FOUND, "; run 'outbox init'"},
    {1054, OUTBOX_E_SCHEMA, "; see 'outbox check'"},
    {1290, OUTBOX_E_READ_ONLY, "; connect to the primary server"},
    {1792, OUTBOX_E_READ_ONLY, ""},
    {1836, OUTBOX_E_READ_ONLY, "; connect to the primary server"},
    {1874, OUTBOX_E_READ_ONLY, ""},
    {1968, OUTBOX_E_TIMEOUT, ""},
    {1969, OUTBOX_E_TIMEOUT, ""},
    {3024, OUTBOX_E_TIMEOUT, ""},
    {1021, OUTBOX_E_FULL, "; make room on the server's disk"},
    {1026, OUTBOX_E_FULL, "; make room on the server's disk"},
    {1114, OUTBOX_E_FULL, "; make room on the server's disk"},
    {1048, OUTBOX_E_INVALID, ""},
    {1062, OUTBOX_E_INVALID, ""},
    {1153, OUTBOX_E_INVALID, "; raise max_allowed_packet of the server"},
    {1264, OUTBOX_E_INVALID, ""},
    {1301, OUTBOX_E_INVALID, "; raise max_allowed_packet of the server"},
    {1364, OUTBOX_E_INVALID, ""},
    {1366, OUTBOX_E_INVALID, ""},
    {1406, OUTBOX_E_INVALID, ""},
    {3140, OUTBOX_E_INVALID, ""},
    {3144, OUTBOX_E_INVALID, ""},
    {3819, OUTBOX_E_INVALID, ""},
    {4025, OUTBOX_E_INVALID, ""},
    {1194, OUTBOX_E_CORRUPT, ""},
    {1712, OUTBOX_E_CORRUPT, ""},
    {1665, OUTBOX_E_UNSUPPORTED, "; set binlog_format = ROW"},
    {2008, OUTBOX_E_NO_MEMORY, ""},
};

static unsigned find(unsigned number)
{
    unsigned i = 0;
    while (i < sizeof numbers / sizeof *numbers && numbers[i].number != number)
        i++;
    return i;
}

/* OUTBOX_E_IO for those that say nothing to a relay. */
static int code_of(unsigned number)
{
    unsigned i = find(number);
    if (i < sizeof numbers / sizeof *numbers)
        return numbers[i].code;
    return number >= 2000 && number < 3000 ? OUTBOX_E_NOT_CONNECTED : OUTBOX_E_IO;
}

bool mys_error_is_loss(unsigned number)
{
    return code_of(number) == OUTBOX_E_NOT_CONNECTED || number == 1153;
}

void mys_error_of(struct outbox_error *error, const char *what, MYSQL *mysql)
{
    unsigned number = mysql_errno(mysql), i = find(number);
    const char *text = mysql_error(mysql);
    mys_fail(error, code_of(number), "%s: %s (%u)%s", what, *text ? text : "the connection is gone", number,
             i < sizeof numbers / sizeof *numbers ? numbers[i].advice : "");
    error->native = (int32_t)number;
    snprintf(error->state, sizeof error->state, "%s", mysql_sqlstate(mysql));
}

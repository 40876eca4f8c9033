/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/sql-suite/server.c - the server as with-server started it, whichever it is */
#include "server.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum server_kind server_kind(void)
{
    const char *kind = getenv("OUTBOX_TEST_KIND");
    return !strcmp(kind, "postgres") ? POSTGRES : !strcmp(kind, "mariadb") ? MARIADB : MYSQL_SERVER;
}

int server_port(void)
{
    return atoi(getenv("OUTBOX_TEST_PORT"));
}

const char *server_dir(void)
{
    return getenv("OUTBOX_TEST_DIR");
}

static void run(const char *script, const char *verb, const char *argument)
{
    char command[600];
    snprintf(command, sizeof command, "'%s' %s '%s' >/dev/null 2>&1", script, verb, argument);
    cr_assert_eq(system(command), 0, "%s", command);
}

void server_do(const char *verb)
{
    run(getenv("OUTBOX_TEST_SERVICE"), verb, server_dir());
}

void server_standby(const char *verb, int port)
{
    char text[12];
    snprintf(text, sizeof text, "%d", port);
    run(getenv("OUTBOX_TEST_STANDBY"), verb, text);
}

struct session *session_open(void)
{
    return session_open_at(server_port());
}

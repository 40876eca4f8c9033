/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/client_mariadb.c - the steps over MariaDB Connector/C's _start and _cont functions
 *
 * The library runs each call on a separate stack and returns where it would block. When the connection is established,
 * the library makes its descriptor blocking again, and reads over TLS would block. So this file makes the descriptor
 * non-blocking at each wait of the connect, and at its end.
 *
 * The relay's own deadlines end a wait that is too long. The library's connect timeout bounds only the waits within the
 * TLS handshake, where the library passes it to poll() unconverted.
 */
#include "client.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

int mys_library(void)
{
    return mysql_server_init(0, NULL, NULL);
}

static struct mys_wait wait_of(struct mys_client *client, int status)
{
    client->running = status != 0;
    struct mys_wait wait = {0};
    if (status & MYSQL_WAIT_READ)
        wait.events |= OUTBOX_READABLE;
    if (status & MYSQL_WAIT_WRITE)
        wait.events |= OUTBOX_WRITABLE;
    if (status && !wait.events) /* a wait with a timeout: only this file sets timeouts */
        wait.again_us = 1000;
    return wait;
}

static int status_of(uint32_t events)
{
    int status = events & OUTBOX_READABLE ? MYSQL_WAIT_READ : 0;
    return events & OUTBOX_WRITABLE ? status | MYSQL_WAIT_WRITE : status;
}

static void set_tls(MYSQL *mysql, const struct mys_target *target)
{
    my_bool yes = 1, no = 0;
    mysql_optionsv(mysql, MYSQL_OPT_SSL_ENFORCE, target->tls ? &yes : &no);
    mysql_optionsv(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, target->tls_verify ? &yes : &no);
    if (!target->tls)
        return;
    if (target->tls_ca)
        mysql_optionsv(mysql, MYSQL_OPT_SSL_CA, target->tls_ca);
    if (target->tls_cert)
        mysql_optionsv(mysql, MYSQL_OPT_SSL_CERT, target->tls_cert);
    if (target->tls_key)
        mysql_optionsv(mysql, MYSQL_OPT_SSL_KEY, target->tls_key);
}

bool mys_new(struct mys_client *client, const struct mys_target *target)
{
    /* No cleartext. The SHA-2 methods encrypt a password with a key that they ask the server for, and send it: without
     * TLS anybody on the way could name the key. */
    static const char all[] = "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519,parsec",
                      without_key[] = "mysql_native_password,client_ed25519,parsec";
    unsigned off = 0,
             handshake_ms = target->timeout_s * 1000; /* the TLS handshake takes these seconds for milliseconds */
    unsigned long packet = 1ul << 30;
    my_bool no = 0;
    *client = (struct mys_client){.mysql = mysql_init(NULL)};
    MYSQL *mysql = client->mysql;
    if (!mysql)
        return false;
    mysql_optionsv(mysql, MYSQL_OPT_NONBLOCK, 0);
    mysql_optionsv(mysql, MYSQL_OPT_LOCAL_INFILE, &off);
    mysql_optionsv(mysql, MYSQL_OPT_RECONNECT, &no);
    mysql_optionsv(mysql, MARIADB_OPT_RESTRICTED_AUTH, target->tls || target->ask_for_key ? all : without_key);
    mysql_optionsv(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
    mysql_optionsv(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_optionsv(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &handshake_ms);
    mysql_optionsv(mysql, MYSQL_OPT_READ_TIMEOUT, &target->timeout_s); /* of the handshake: see wait_of() */
    mysql_optionsv(mysql, MYSQL_OPT_WRITE_TIMEOUT, &target->timeout_s);
    mysql_optionsv(mysql, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "outbox");
    set_tls(mysql, target);
    return true;
}

int mys_fd(const struct mys_client *client)
{
    return client->mysql ? (int)mysql_get_socket(client->mysql) : -1;
}

static void do_not_block(const struct mys_client *client)
{
    int fd = mys_fd(client), flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);
    if (flags >= 0 && !(flags & O_NONBLOCK))
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

struct mys_wait mys_connect(struct mys_client *client, const struct mys_target *target, uint32_t events)
{
    unsigned long flags = CLIENT_FOUND_ROWS | (target->statements ? CLIENT_MULTI_STATEMENTS : 0);
    MYSQL *connected = NULL;
    int status = client->running ? mysql_real_connect_cont(&connected, client->mysql, status_of(events))
                                 : mysql_real_connect_start(&connected, client->mysql, target->host, target->user,
                                                            target->password, target->database, target->port,
                                                            target->host ? NULL : target->socket, flags);
    do_not_block(client);
    client->failed = !status && !connected;
    return wait_of(client, status);
}

void mys_finish_connect(struct mys_client *client)
{
    do_not_block(client);
    if (client->mysql->passwd)
        explicit_bzero(client->mysql->passwd, strlen(client->mysql->passwd));
}

struct mys_wait mys_query(struct mys_client *client, const char *sql, size_t size, uint32_t events)
{
    int failed = 0;
    int status = client->running ? mysql_real_query_cont(&failed, client->mysql, status_of(events))
                                 : mysql_real_query_start(&failed, client->mysql, sql, (unsigned long)size);
    client->failed = !status && failed;
    return wait_of(client, status);
}

struct mys_wait mys_store(struct mys_client *client, uint32_t events)
{
    MYSQL_RES *result = NULL;
    int status = client->running ? mysql_store_result_cont(&result, client->mysql, status_of(events))
                                 : mysql_store_result_start(&result, client->mysql);
    client->result = status ? NULL : result;
    client->failed = !status && !result && mysql_errno(client->mysql);
    return wait_of(client, status);
}

struct mys_wait mys_next(struct mys_client *client, uint32_t events)
{
    int result = 0;
    int status = client->running ? mysql_next_result_cont(&result, client->mysql, status_of(events))
                                 : mysql_next_result_start(&result, client->mysql);
    client->failed = !status && result > 0;
    return wait_of(client, status);
}

void mys_close(struct mys_client *client, bool in_flight)
{
    int fd = mys_fd(client);
    if (!client->mysql)
        return;
    if (in_flight && fd >= 0) /* else closing might wait for a server that does not read */
        shutdown(fd, SHUT_RDWR);
    mysql_close(client->mysql);
    *client = (struct mys_client){0};
}

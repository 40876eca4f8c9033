/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/client_oracle.c - the steps over Oracle's libmysqlclient and its _nonblocking functions
 *
 * They return whether a step has finished, but not which event it waits for. Sometimes a step is unfinished although no
 * event will follow, so every wait also has a timeout. A query is sent first (waiting until the socket is writable),
 * then its result is read. The one function that does both stalls on a query larger than the socket's buffer unless
 * both events are waited for. The second function detects that the query was sent and does not send it again.
 */
#include "client.h"

#include <string.h>
#include <sys/socket.h>

enum { CONNECT_AGAIN_US = 1000, AGAIN_US = 5000 };

int mys_library(void)
{
    return mysql_library_init(0, NULL, NULL);
}

static struct mys_wait wait_for(uint32_t events, uint32_t again_us)
{
    return (struct mys_wait){.events = events, .again_us = again_us};
}

static struct mys_wait finished(struct mys_client *client, bool failed)
{
    client->failed = failed;
    client->running = client->sent = false;
    return (struct mys_wait){0};
}

static void set_tls(MYSQL *mysql, const struct mys_target *target)
{
    unsigned mode = target->tls_verify ? SSL_MODE_VERIFY_IDENTITY : target->tls ? SSL_MODE_REQUIRED : SSL_MODE_DISABLED;
    bool yes = true;
    mysql_options(mysql, MYSQL_OPT_SSL_MODE, &mode);
    if (!target->tls && target->ask_for_key) /* else a password that the server has not cached could not be sent */
        mysql_options(mysql, MYSQL_OPT_GET_SERVER_PUBLIC_KEY, &yes);
    if (target->tls && target->tls_ca)
        mysql_options(mysql, MYSQL_OPT_SSL_CA, target->tls_ca);
    if (target->tls && target->tls_cert)
        mysql_options(mysql, MYSQL_OPT_SSL_CERT, target->tls_cert);
    if (target->tls && target->tls_key)
        mysql_options(mysql, MYSQL_OPT_SSL_KEY, target->tls_key);
}

bool mys_new(struct mys_client *client, const struct mys_target *target)
{
    unsigned off = 0;
    unsigned long packet = 1ul << 30;
    bool no = false;
    *client = (struct mys_client){.mysql = mysql_init(NULL)};
    MYSQL *mysql = client->mysql;
    if (!mysql)
        return false;
    mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &off);
    mysql_options(mysql, MYSQL_ENABLE_CLEARTEXT_PLUGIN, &no);
    mysql_options(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &target->timeout_s);
    if (target->waits) {
        mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &target->timeout_s);
        mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &target->timeout_s);
    }
    mysql_options4(mysql, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "outbox");
    set_tls(mysql, target);
    return true;
}

int mys_fd(const struct mys_client *client)
{
    return client->mysql && client->mysql->net.vio ? (int)client->mysql->net.fd : -1;
}

struct mys_wait mys_connect(struct mys_client *client, const struct mys_target *target, uint32_t events)
{
    unsigned long flags = CLIENT_FOUND_ROWS | (target->statements ? CLIENT_MULTI_STATEMENTS : 0);
    (void)events;
    if (target->waits) /* blocking calls do not work on a connection that was made by a non-blocking call */
        return finished(client, !mysql_real_connect(client->mysql, target->host, target->user, target->password,
                                                    target->database, target->port,
                                                    target->host ? NULL : target->socket, flags));
    enum net_async_status status =
        mysql_real_connect_nonblocking(client->mysql, target->host, target->user, target->password, target->database,
                                       target->port, target->host ? NULL : target->socket, flags);
    if (status == NET_ASYNC_NOT_READY)
        return wait_for(OUTBOX_READABLE, CONNECT_AGAIN_US);
    return finished(client, status == NET_ASYNC_ERROR);
}

void mys_finish_connect(struct mys_client *client)
{
    if (client->mysql->passwd)
        explicit_bzero(client->mysql->passwd, strlen(client->mysql->passwd));
}

struct mys_wait mys_query(struct mys_client *client, const char *sql, size_t size, uint32_t events)
{
    enum net_async_status status;
    (void)events;
    client->running = true;
    if (!client->sent) {
        status = mysql_send_query_nonblocking(client->mysql, sql, (unsigned long)size);
        if (status == NET_ASYNC_NOT_READY)
            return wait_for(OUTBOX_WRITABLE, AGAIN_US);
        if (status == NET_ASYNC_ERROR)
            return finished(client, true);
        client->sent = true;
    }
    status = mysql_real_query_nonblocking(client->mysql, sql, (unsigned long)size);
    if (status == NET_ASYNC_NOT_READY)
        return wait_for(OUTBOX_READABLE, AGAIN_US);
    return finished(client, status == NET_ASYNC_ERROR);
}

struct mys_wait mys_store(struct mys_client *client, uint32_t events)
{
    MYSQL_RES *result = NULL;
    (void)events;
    enum net_async_status status = mysql_store_result_nonblocking(client->mysql, &result);
    if (status == NET_ASYNC_NOT_READY)
        return wait_for(OUTBOX_READABLE, AGAIN_US);
    client->result = result;
    return finished(client, !result && mysql_errno(client->mysql));
}

struct mys_wait mys_next(struct mys_client *client, uint32_t events)
{
    (void)events;
    enum net_async_status status = mysql_next_result_nonblocking(client->mysql);
    if (status == NET_ASYNC_NOT_READY)
        return wait_for(OUTBOX_READABLE, AGAIN_US);
    return finished(client, status == NET_ASYNC_ERROR);
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

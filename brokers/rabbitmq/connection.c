/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/rabbitmq/connection.c - connect, log in, open the channel. Thread
 *
 * Tries the servers in turn. A dead server is found by heartbeats, 5 s. The server sends connection.blocked, because
 * the client says that it knows it.
 */
#include <openssl/ssl.h>
#include <stdlib.h>

#include "broker.h"

enum { HEARTBEAT_S = 5, FRAME_ROOM = 4096, FRAME_MIN = 2 * FRAME_ROOM, PORT = 5672, PORT_TLS = 5671 };

/* ---- errors ------------------------------------------------------------------------------------------------------ */

int rabbit_status_error(struct outbox_error *error, const char *attempt, int status)
{
    int code = status == AMQP_STATUS_NO_MEMORY ? OUTBOX_E_NO_MEMORY : OUTBOX_E_NOT_CONNECTED;
    if (status == AMQP_STATUS_SSL_PEER_VERIFY_FAILED || status == AMQP_STATUS_SSL_HOSTNAME_VERIFY_FAILED)
        code = OUTBOX_E_PERMISSION;
    outbox_error_set(error, code, "%s: %s", attempt, amqp_error_string2(status));
    error->native = status;
    return code;
}

static int close_code(uint16_t number)
{
    switch (number) {
    case AMQP_ACCESS_REFUSED:
    case AMQP_NOT_ALLOWED:
        return OUTBOX_E_PERMISSION;
    case AMQP_NOT_FOUND:
        return OUTBOX_E_NOT_FOUND;
    default:
        return OUTBOX_E_NOT_CONNECTED;
    }
}

/* OK: the call succeeded. */
int rabbit_reply_error(struct outbox_error *error, const char *attempt, amqp_rpc_reply_t reply)
{
    if (reply.reply_type == AMQP_RESPONSE_NORMAL)
        return OUTBOX_OK;
    if (reply.reply_type != AMQP_RESPONSE_SERVER_EXCEPTION)
        return rabbit_status_error(error, attempt, reply.library_error);
    bool is_channel = reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD;
    const amqp_channel_close_t *channel = reply.reply.decoded;
    const amqp_connection_close_t *connection = reply.reply.decoded;
    uint16_t number = is_channel ? channel->reply_code : connection->reply_code;
    amqp_bytes_t text = is_channel ? channel->reply_text : connection->reply_text;
    outbox_error_set(error, close_code(number), "%s: the server answered: %.*s (%u)", attempt, (int)text.len,
                     (const char *)text.bytes, number);
    error->native = number;
    return error->code;
}

/* ---- TLS --------------------------------------------------------------------------------------------------------- */

static amqp_socket_t *new_tls_socket(const struct rabbit_broker *broker, struct outbox_error *error)
{
    amqp_socket_t *socket = amqp_ssl_socket_new(broker->connection);
    if (!socket)
        return NULL;
    amqp_ssl_socket_set_verify_peer(socket, 1);
    amqp_ssl_socket_set_verify_hostname(socket, 1);
    amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST);
    bool has_ca = broker->tls_ca ? amqp_ssl_socket_set_cacert(socket, broker->tls_ca) == AMQP_STATUS_OK
                                 : SSL_CTX_set_default_verify_paths(amqp_ssl_socket_get_context(socket)) == 1;
    if (!has_ca)
        outbox_error_set(error, OUTBOX_E_CONFIG, "tls_ca: the certificates cannot be read: %s",
                         broker->tls_ca ? broker->tls_ca : "those of the system");
    else if (broker->tls_cert && amqp_ssl_socket_set_key(socket, broker->tls_cert, broker->tls_key))
        outbox_error_set(error, OUTBOX_E_CONFIG, "tls_cert and tls_key: %s cannot be used", broker->tls_cert);
    else
        return socket;
    return NULL; /* the connection frees it */
}

/* ---- connecting -------------------------------------------------------------------------------------------------- */

static struct timeval time_of(int64_t ms)
{
    return (struct timeval){ms / 1000, ms % 1000 * 1000};
}

/* False: the broker stops, and nobody waits for the connection. */
static bool set_socket(struct rabbit_broker *broker, int socket)
{
    pthread_mutex_lock(&broker->shared.mutex);
    broker->shared.socket = socket;
    bool goes_on = !broker->shared.give_up && !broker->shared.stop;
    pthread_mutex_unlock(&broker->shared.mutex);
    return goes_on;
}

static int open_socket(struct rabbit_broker *broker, struct outbox_error *error)
{
    char host[SHORT_MAX], attempt[SHORT_MAX + 40];
    struct timeval timeout = time_of(broker->connect_timeout_ms);
    int port = outbox_split_address(broker->server, broker->tls ? PORT_TLS : PORT, host, sizeof host);
    outbox_error_set(error, OUTBOX_E_NO_MEMORY, "connect to %s: out of memory", broker->server);
    if (!port)
        return outbox_error_set(error, OUTBOX_E_CONFIG, "servers: '%s' is not HOST:PORT", broker->server);
    if (!(broker->connection = amqp_new_connection()))
        return error->code;
    amqp_socket_t *socket = broker->tls ? new_tls_socket(broker, error) : amqp_tcp_socket_new(broker->connection);
    if (!socket)
        return error->code;
    amqp_set_handshake_timeout(broker->connection, &timeout);
    amqp_set_rpc_timeout(broker->connection, &timeout);
    snprintf(attempt, sizeof attempt, "connect to %s", broker->server);
    int status = amqp_socket_open_noblock(socket, host, port, &timeout);
    if (status)
        return rabbit_status_error(error, attempt, status);
    if (!set_socket(broker, amqp_get_sockfd(broker->connection)))
        return outbox_error_set(error, OUTBOX_E_CANCELED, "connect to %s: canceled", broker->server);
    return OUTBOX_OK;
}

static amqp_table_entry_t entry(const char *key, amqp_field_value_t value)
{
    return (amqp_table_entry_t){amqp_cstring_bytes(key), value};
}

static int log_in(struct rabbit_broker *broker, struct outbox_error *error)
{
    char attempt[SHORT_MAX + 40];
    amqp_table_entry_t ability =
        entry("connection.blocked", (amqp_field_value_t){.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = 1});
    amqp_table_entry_t properties[] = {
        entry("capabilities", (amqp_field_value_t){.kind = AMQP_FIELD_KIND_TABLE, .value.table = {1, &ability}}),
        entry("connection_name",
              (amqp_field_value_t){.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(broker->relay)}),
    };
    amqp_table_t table = {2, properties};
    snprintf(attempt, sizeof attempt, "log in at %s", broker->server);
    amqp_rpc_reply_t reply =
        amqp_login_with_properties(broker->connection, broker->virtual_host, 0, FRAME_MAX, HEARTBEAT_S, &table,
                                   AMQP_SASL_METHOD_PLAIN, broker->user, broker->password);
    return rabbit_reply_error(error, attempt, reply);
}

int rabbit_open_channel(struct rabbit_broker *broker, struct outbox_error *error)
{
    amqp_channel_open(broker->connection, CHANNEL);
    int code = rabbit_reply_error(error, "open a channel", amqp_get_rpc_reply(broker->connection));
    if (!code) {
        amqp_confirm_select(broker->connection, CHANNEL);
        code = rabbit_reply_error(error, "switch confirmations on", amqp_get_rpc_reply(broker->connection));
    }
    int frame_max = amqp_get_frame_max(broker->connection);
    broker->headers_max = (size_t)(frame_max < FRAME_MIN ? FRAME_ROOM : frame_max) - FRAME_ROOM / 2;
    broker->in_flight.next_number = 1;
    broker->has_expired = false;
    return code;
}

int rabbit_connect(struct rabbit_broker *broker, struct outbox_error *error)
{
    char *list = strdup(broker->servers), *rest = NULL;
    int code = list ? outbox_error_set(error, OUTBOX_E_CONFIG, "servers: no server is named")
                    : outbox_error_set(error, OUTBOX_E_NO_MEMORY, "connect to %s: out of memory", broker->servers);
    for (char *at = list ? strtok_r(list, ", ", &rest) : NULL; at && code && code != OUTBOX_E_CANCELED;
         at = strtok_r(NULL, ", ", &rest)) {
        snprintf(broker->server, sizeof broker->server, "%s", at);
        rabbit_disconnect(broker, false);
        code = set_socket(broker, -1) ? open_socket(broker, error)
                                      : outbox_error_set(error, OUTBOX_E_CANCELED, "connect to %s: canceled", at);
        if (!code)
            code = log_in(broker, error);
        if (!code)
            code = rabbit_open_channel(broker, error);
    }
    free(list);
    if (!code)
        *error = (struct outbox_error){.code = OUTBOX_OK};
    return code;
}

void rabbit_disconnect(struct rabbit_broker *broker, bool politely)
{
    set_socket(broker, -1);
    if (!broker->connection)
        return;
    if (politely)
        amqp_connection_close(broker->connection, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(broker->connection);
    broker->connection = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/redis/tls.c - TLS, where hiredis has it (1.0 and later)
 *
 * The certificate and the server's name are always verified. The certificates come from `tls_ca`, or from the system.
 */
#include "broker.h"

#ifdef REDIS_WITH_TLS
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

static SSL *new_session(const struct redis_broker *broker, struct outbox_error *error)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = NULL;
    if (!context)
        return NULL;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    bool loaded = broker->tls_ca ? SSL_CTX_load_verify_locations(context, broker->tls_ca, NULL) == 1
                                 : SSL_CTX_set_default_verify_paths(context) == 1;
    if (!loaded)
        outbox_error_set(error, OUTBOX_E_CONFIG, "read the certificates in %s: %s",
                         broker->tls_ca ? broker->tls_ca : "the system's directory",
                         ERR_reason_error_string(ERR_peek_last_error()));
    else if ((ssl = SSL_new(context)) && SSL_set1_host(ssl, broker->name))
        SSL_set_tlsext_host_name(ssl, broker->name);
    SSL_CTX_free(context); /* the session keeps it */
    return ssl;
}

int redis_tls_begin(struct redis_broker *broker, redisAsyncContext *connection, struct outbox_error *error)
{
    outbox_error_set(error, OUTBOX_E_NO_MEMORY, "begin TLS with %s: out of memory", broker->name);
    SSL *ssl = new_session(broker, error);
    if (!ssl)
        return error->code;
    if (redisInitiateSSL(&connection->c, ssl) == REDIS_OK)
        return OUTBOX_OK;
    return outbox_error_set(error, OUTBOX_E_NOT_CONNECTED, "begin TLS with %s: %s", broker->name, connection->c.errstr);
}
#else
int redis_tls_begin(struct redis_broker *broker, redisAsyncContext *connection, struct outbox_error *error)
{
    (void)broker, (void)connection;
    return outbox_error_set(error, OUTBOX_E_CONFIG,
                            "tls: this plugin was built with a hiredis that has no TLS; hiredis 1.0 and later have it");
}
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/client.h - the client library as five steps that never block
 *
 * One interface, two implementations: client_mariadb.c over MariaDB Connector/C, client_oracle.c over Oracle's
 * libmysqlclient; meson takes the one whose header it finds. No other file depends on which of the two is used. A step
 * is called with the events that have occurred (0 at first) and returns the events that it waits for. When it waits for
 * none, it has finished, and `failed` has the result. Results are read completely into memory, so reading their rows
 * never blocks.
 *
 * One thread at a time: a worker while connecting (names, certificates and the TLS handshake take their time in
 * either library), the loop from then on.
 */
#ifndef OBX_BACKENDS_MYSQL_CLIENT_H
#define OBX_BACKENDS_MYSQL_CLIENT_H

#include <mysql.h>

#include <outbox/plugin.h>

/* Where to connect and as whom; strings are borrowed. */
struct mys_target {
    const char *host; /* NULL: the socket */
    unsigned port;
    const char *socket;
    const char *user, *password, *database; /* may be NULL */
    const char *tls_ca, *tls_cert, *tls_key;
    bool tls, tls_verify;
    bool ask_for_key; /* without TLS, a password may be encrypted with a key that the server itself names */
    bool statements;  /* many in one packet; only where no text of a user can be in it */
    bool waits;       /* its thread may block: blocking calls follow */
    unsigned timeout_s;
};

struct mys_wait {
    uint32_t events;   /* OUTBOX_READABLE, OUTBOX_WRITABLE */
    uint32_t again_us; /* call again after this time even without an event; 0: no such time */
};

static inline bool mys_waits(struct mys_wait wait)
{
    return wait.events || wait.again_us;
}

struct mys_client {
    MYSQL *mysql;      /* NULL: closed */
    MYSQL_RES *result; /* of mys_store(): the caller's from then on; NULL: no rows belong to this statement */
    bool failed;       /* the step that has finished */
    bool running;      /* private: the library is in the middle of a step */
    bool sent;         /* private */
};

/* What must be done once before there are threads. 0: fine. */
int mys_library(void);
/* A handle with all options set; not connected. False: no memory. */
bool mys_new(struct mys_client *client, const struct mys_target *target);
struct mys_wait mys_connect(struct mys_client *client, const struct mys_target *target, uint32_t events);
struct mys_wait mys_query(struct mys_client *client, const char *sql, size_t size, uint32_t events);
struct mys_wait mys_store(struct mys_client *client, uint32_t events);
struct mys_wait mys_next(struct mys_client *client, uint32_t events); /* while mysql_more_results() */
int mys_fd(const struct mys_client *client);                          /* -1: none */
/* After connecting: makes the descriptor non-blocking, and wipes the password, which the library no longer needs. */
void mys_finish_connect(struct mys_client *client);
/* in_flight: a step has not finished; then no QUIT is sent. */
void mys_close(struct mys_client *client, bool in_flight);

#endif

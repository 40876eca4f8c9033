/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/target.h - where to connect: the conninfo and the addresses of its hosts */
#ifndef OBX_BACKENDS_POSTGRES_TARGET_H
#define OBX_BACKENDS_POSTGRES_TARGET_H

#include <libpq-fe.h>

#include <outbox/plugin.h>

struct pg_candidate {
    char host[256];   /* as in the conninfo; a socket's directory too */
    char address[64]; /* numeric; "" for sockets */
    char port[8];
};
enum { PG_KEYWORDS = 64, PG_CANDIDATES = 16 };
struct pg_target {
    PQconninfoOption *parsed; /* owned */
    const char *keywords[PG_KEYWORDS];
    const char *values[PG_KEYWORDS];
    char application[80];
    char wakeup[80], options[256]; /* of the connection that receives the log */
    struct pg_candidate candidates[PG_CANDIDATES];
    uint32_t candidate_count;
    int64_t connect_ms; /* of the conninfo's connect_timeout; 0: it has none */
    bool insecure;      /* resolved, and the conninfo has a weaker sslmode than verify-full for a remote host */
};

/* application: the connections' application_name, if the dsn has none; NULL: made from the relay's name. */
int pg_target_parse(struct pg_target *target, const char *dsn, const char *application, const char *relay,
                    struct outbox_error *error);
void pg_target_free(struct pg_target *target);
/* Worker thread: fill the candidates. Fails only when no host has an address. */
int pg_target_resolve(struct pg_target *target, struct outbox_error *error);
/* The index-th option of the dsn that the store ignores, and why; NULL past the last. */
const char *pg_target_ignored(const struct pg_target *target, unsigned index, const char **why);
/* Statements; the log of the server; or a logical slot, and statements. */
enum pg_target_use { PG_FOR_STATEMENTS = 0, PG_FOR_LOG, PG_FOR_SLOT };
void pg_target_choose(struct pg_target *target, uint32_t candidate, enum pg_target_use use); /* keywords and values */

#endif

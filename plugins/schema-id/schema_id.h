/* SPDX-License-Identifier: Apache-2.0 */
/* plugins/schema-id/schema_id.h - the id of a subject: cached, else fetched from the registry */
#ifndef OBX_PLUGINS_SCHEMA_ID_H
#define OBX_PLUGINS_SCHEMA_ID_H

#include <curl/curl.h>
#include <pthread.h>

#include "transform.h"

enum { SUBJECT_SIZE = 512 };

/* What is known of a subject. A failure is remembered for a moment, so that a registry that is away gets few requests.
 */
struct schema {
    struct schema *next;
    char subject[SUBJECT_SIZE];
    uint32_t id;
    struct outbox_error failure; /* code 0: id is valid */
    uint64_t fetched_ns;         /* 0: never */
    bool fetching;               /* by a worker; others wait for its result */
};

struct schema_id {
    /* options */
    const char *registry, *subject, *version, *user, *password, *tls_ca;
    int64_t id, timeout_ms;

    const struct outbox_host *host;
    pthread_mutex_t mutex; /* of the schemas; not held while a subject is fetched */
    pthread_cond_t answered;
    struct schema *schemas;
    bool ready;
};

/* The memory of an op: a check. */
struct schema_check {
    struct outbox_work work;
    struct schema_id *self;
    outbox_op_t op;
    const struct outbox_check *check;
    struct outbox_error failure; /* code 0: the registry answers */
};

void schema_check(void *arg, outbox_op_t op, const struct outbox_check *check); /* check.c; `check` of the ops */

/* registry.c. Worker; may block for `timeout`: *failure has code 0 if the registry lists its subjects. */
void schema_reach(const struct schema_id *self, struct outbox_error *failure);
/* registry.c. Worker; may block for `timeout`. Fills *id, or *failure with its reason. */
void schema_fetch(const struct schema_id *self, const char *subject, uint32_t *id, struct outbox_error *failure);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/capture/dump_open.h - private to dump: connecting and requesting the stream, on a worker */
#ifndef OBX_BACKENDS_MYSQL_CAPTURE_DUMP_OPEN_H
#define OBX_BACKENDS_MYSQL_CAPTURE_DUMP_OPEN_H

#include <pthread.h>

#include "mysql/dial.h"
#include "dump.h"
#include "sql/server/store.h"

/* One stream, from its request to its end. The worker's until done() on the loop. */
struct mys_dump_job {
    struct outbox_work work;
    struct mys_dump *dump;  /* NULL: closed meanwhile */
    struct mys_dump *owner; /* counts it in `works` */
    const struct outbox_host *host;
    struct mys_attempt attempt;
    bool mariadb;
    uint32_t server_id;
    char identity[256];
    struct mys_gtid_set from, done; /* own copies */
    struct obx_sql_text sql;        /* scratch */
    struct mys_dump_facts facts;
    struct outbox_error error;

    /* with TLS */
    struct mys_dump_stream *stream;
    pthread_t thread;
    bool has_thread;
    int ends[2]; /* of the pair: the loop's, the thread's; -1 */
    struct outbox_task ended;
};

/* On a worker: connects, prepares the session, checks that the position is in the log, requests the stream. Errors in
 * job->error; the client is closed then. */
void mys_dump_make(struct mys_dump_job *job);
/* With TLS: the thread that reads. Errors: NO_MEMORY. */
int mys_dump_start_thread(struct mys_dump_job *job, struct outbox_error *error);

#endif

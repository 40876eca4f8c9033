/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/wakeup.h - the wakeup: a thread that reads the server's binlog while the relay is idle
 *
 * The loop's side is bell.c, the thread's is listen.c. What both touch is under the lock; the only way back to the loop
 * is host->post().
 */
#ifndef OBX_BACKENDS_MYSQL_WAKEUP_H
#define OBX_BACKENDS_MYSQL_WAKEUP_H

#include <pthread.h>

#include "dial.h"

enum mys_bell_told { MYS_BELL_NEW = 0, MYS_BELL_HEARS, MYS_BELL_DEAF };

struct mys_bell {
    /* the loop's; the thread only reads what is set before it starts */
    const struct outbox_host *host;
    struct mys_target target;
    uint64_t timeout_ms;
    const char *schema, *table;
    struct outbox_task news; /* posted by the thread: look at what it has told */
    pthread_t thread;
    bool running;
    enum mys_bell_told told; /* to the log */
    uint64_t asked_ns;       /* when the host last asked to park */

    pthread_mutex_t lock;
    pthread_cond_t changed;     /* stop, wanted */
    bool stop, wanted;          /* the loop tells: end; read */
    bool dozing;                /* the loop tells: the host does not look often, so ring */
    bool armed;                 /* the thread tells: from here on every commit is heard */
    bool rung, ended;           /* the thread tells */
    uint64_t heard_ns;          /* the thread tells: when the last commit was heard */
    struct outbox_error error;  /* the thread tells: why it is not armed; code 0: nothing is wrong */
    struct mys_attempt attempt; /* the thread's, but for `abandoned`: it is not to go on */
    int fd;                     /* of the stream, for shutdown(); -1: none */
};

void *mys_listen(void *bell); /* the thread */

#endif

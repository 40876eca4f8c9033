/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/wakeup.h - wake-up by the binlog: a thread reads it while the relay is idle
 *
 * The loop's side is wakeup.c, the thread's is listen.c. Both use the fields below `lock` only under the lock. The
 * thread's only way to the loop is host->post().
 */
#ifndef OBX_BACKENDS_MYSQL_WAKEUP_H
#define OBX_BACKENDS_MYSQL_WAKEUP_H

#include <pthread.h>

#include "dial.h"

struct mys_wakeup {
    /* the loop's; the thread only reads what is set before it starts */
    const struct outbox_host *host;
    struct mys_target target;
    uint64_t timeout_ms;
    const char *schema, *table;
    struct outbox_task news; /* posted by the thread: its fields have changed */
    pthread_t thread;
    bool running;
    bool may_sleep;            /* of the claim in flight */
    uint64_t arm_requested_ns; /* when the host last requested to arm the wake-up */

    pthread_mutex_t lock;
    pthread_cond_t changed; /* stop, wanted */

    /* set by the loop */
    bool stop;     /* it must end */
    bool wanted;   /* it must read the stream */
    bool sleeping; /* the host polls seldom: wake it */

    /* set by the thread */
    bool armed;          /* from here on it sees every commit */
    bool pending_wakeup; /* a commit has come that the loop does not know of */
    bool ended;
    uint64_t seen_ns;           /* when it saw the last commit */
    struct outbox_error error;  /* why it is not armed; code 0: no failure */
    struct mys_attempt attempt; /* the thread's alone, except `abandoned`: the connect must stop */
    int fd;                     /* of the stream, for shutdown(); -1: none */
};

void *mys_listen(void *wakeup); /* the thread */

#endif

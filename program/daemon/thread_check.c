/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/daemon/thread_check.c - can this process have the threads that it will need?
 *
 * libuv starts its workers when the first work comes, and aborts the process where one cannot be had: under a limit on
 * the number of processes (ulimit -u, a container's), or on memory (ulimit -v). So as many are started and ended here
 * first, which takes a tenth of a millisecond.
 */
#include "daemon/thread_check.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define USUAL 4 /* workers of libuv */
#define MOST 64

static void *wait_for(void *gate)
{
    pthread_mutex_lock(gate); /* so that all are there at once */
    pthread_mutex_unlock(gate);
    return NULL;
}

static int wanted(void)
{
    const char *text = getenv("UV_THREADPOOL_SIZE");
    int count = text ? atoi(text) : USUAL;
    return count < 1 ? 1 : count > MOST ? MOST : count;
}

int obx_workers_try(struct outbox_error *error)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_t threads[MOST];
    int count = 0, number = 0;
    pthread_mutex_lock(&gate);
    while (count < wanted() && !(number = pthread_create(&threads[count], NULL, wait_for, &gate)))
        count++;
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    if (!number)
        return OUTBOX_OK;
    return obx_error_set(error, OUTBOX_E_NO_MEMORY,
                         "start worker %d of %d: %s; raise the limit on processes or memory (ulimit -u, ulimit -v), or "
                         "set UV_THREADPOOL_SIZE to less",
                         count + 1, wanted(), strerror(number));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/cli/thread_check.c - can this process create the worker threads that it needs?
 *
 * libuv creates its workers with the first work item and aborts the process if pthread_create() fails, for example
 * under a limit on processes (ulimit -u, a container's pids limit) or on memory (ulimit -v). So this check creates and
 * joins as many threads first, which takes 0.1 ms.
 */
#include "cli/thread_check.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define DEFAULT_WORKERS 4 /* of libuv */
#define MAX_WORKERS 64

static void *wait_at(void *gate)
{
    pthread_mutex_lock(gate); /* until all threads exist */
    pthread_mutex_unlock(gate);
    return NULL;
}

static int worker_count(void)
{
    const char *text = getenv("UV_THREADPOOL_SIZE");
    long count = text ? strtol(text, NULL, 10) : DEFAULT_WORKERS;
    return count < 1 ? 1 : count > MAX_WORKERS ? MAX_WORKERS : (int)count;
}

int obx_thread_check(struct outbox_error *error)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_t threads[MAX_WORKERS];
    int count = 0, number = 0;
    pthread_mutex_lock(&gate);
    while (count < worker_count() && !(number = pthread_create(&threads[count], NULL, wait_at, &gate)))
        count++;
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    if (!number)
        return OUTBOX_OK;
    return obx_error_set(error, OUTBOX_E_NO_MEMORY,
                         "start worker %d of %d: %s; raise the limit on processes or memory (ulimit -u, ulimit -v), or "
                         "set UV_THREADPOOL_SIZE to less",
                         count + 1, worker_count(), strerror(number));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/program/threads.c - snapshots and the log from many threads; a plain program, for the thread sanitizer */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>
#include <fcntl.h>

#include "base/mem.h"
#include "loop/uv_loop.h"
#include "daemon/logger.h"
#include "daemon/snapshot.h"

#define THREADS 4
#define ROUNDS 300

struct rig {
    struct obx_loop *loop;
    struct obx_snapshots *snapshots;
    struct obx_logger *logger;
    struct obx_task end;
    atomic_int left, wrong;
    uint64_t filled; /* loop thread */
};

static void fill(void *arg, struct obx_snapshot *snapshot)
{
    struct rig *rig = arg;
    struct obx_relay_view *view = obx_snapshot_more(snapshot);
    if (view)
        view->stats.settled = view->stats.claimed = ++rig->filled;
}

static void end(struct obx_task *task)
{
    obx_uv_loop_stop(OBX_CONTAINER(task, struct rig, end)->loop);
}

static void *read_often(void *arg)
{
    struct rig *rig = arg;
    uint64_t last = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct obx_snapshot copy;
        int status = obx_snapshots_get(rig->snapshots, 10000, &copy);
        bool good = !status && copy.count == 1 && copy.relays[0].stats.settled == copy.relays[0].stats.claimed &&
                    copy.relays[0].stats.settled > last; /* every answer is younger than its question */
        rig->wrong += !good;
        last = good ? copy.relays[0].stats.settled : last;
        obx_snapshot_free(&copy);
        obx_log_write(obx_logger_log(rig->logger), OUTBOX_LOG_INFO, "reader", "round %d", i);
    }
    if (--rig->left == 0)
        rig->loop->ops->post(rig->loop, &rig->end);
    return NULL;
}

int main(void)
{
    struct rig rig = {.left = THREADS, .end.run = end};
    struct outbox_error error = {0};
    pthread_t threads[THREADS];
    struct obx_snapshot none;
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (obx_uv_loop_new(NULL, &rig.loop, &error) || obx_snapshots_new(rig.loop, fill, &rig, &rig.snapshots, &error) ||
        obx_logger_new(nowhere, OUTBOX_LOG_INFO, OBX_LOG_TEXT, &rig.logger, &error))
        return fprintf(stderr, "%s\n", error.text), 1;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, read_often, &rig);
    obx_uv_loop_run(rig.loop);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    obx_snapshots_close(rig.snapshots);
    rig.wrong += obx_snapshots_get(rig.snapshots, 0, &none) != OUTBOX_E_CANCELED;
    obx_snapshots_free(rig.snapshots);
    obx_logger_free(rig.logger);
    close(nowhere);
    int closed = obx_uv_loop_free(rig.loop, NULL, NULL);
    return rig.wrong || closed ? 1 : 0;
}

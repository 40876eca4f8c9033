/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/program/threads.c - snapshots and the log used by many threads; has a main(), for the thread sanitizer */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>
#include <fcntl.h>

#include "base/mem.h"
#include "loop/uv_loop.h"
#include "cli/logger.h"
#include "daemon/snapshot.h"

#define THREADS 4
#define ROUNDS 300

struct fixture {
    struct obx_loop *loop;
    struct obx_snapshots *snapshots;
    struct obx_logger *logger;
    struct obx_task end;
    atomic_int running, wrong;
    uint64_t filled; /* loop thread */
};

static void fill(void *arg, struct obx_snapshot *snapshot)
{
    struct fixture *fixture = arg;
    struct obx_relay_view *view = obx_snapshot_more(snapshot);
    if (view)
        view->stats.settled = view->stats.claimed = ++fixture->filled;
}

static void end(struct obx_task *task)
{
    obx_uv_loop_stop(OBX_CONTAINER(task, struct fixture, end)->loop);
}

static void *read_often(void *arg)
{
    struct fixture *fixture = arg;
    uint64_t last = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct obx_snapshot copy;
        int status = obx_snapshots_get(fixture->snapshots, 10000, &copy);
        bool good = !status && copy.count == 1 && copy.relays[0].stats.settled == copy.relays[0].stats.claimed &&
                    copy.relays[0].stats.settled > last; /* every snapshot was filled after its request */
        fixture->wrong += !good;
        last = good ? copy.relays[0].stats.settled : last;
        obx_snapshot_free(&copy);
        obx_log_write(obx_logger_log(fixture->logger), OUTBOX_LOG_INFO, "reader", "round %d", i);
    }
    if (--fixture->running == 0)
        fixture->loop->ops->post(fixture->loop, &fixture->end);
    return NULL;
}

int main(void)
{
    struct fixture fixture = {.running = THREADS, .end.run = end};
    struct outbox_error error = {0};
    pthread_t threads[THREADS];
    struct obx_snapshot none;
    int null_device = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (obx_uv_loop_new(NULL, &fixture.loop, &error) ||
        obx_snapshots_new(fixture.loop, fill, &fixture, &fixture.snapshots, &error) ||
        obx_logger_new(null_device, OUTBOX_LOG_INFO, OBX_LOG_TEXT, &fixture.logger, &error))
        return fprintf(stderr, "%s\n", error.text), 1;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, read_often, &fixture);
    obx_uv_loop_run(fixture.loop);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    obx_snapshots_close(fixture.snapshots);
    fixture.wrong += obx_snapshots_get(fixture.snapshots, 0, &none) != OUTBOX_E_CANCELED;
    obx_snapshots_free(fixture.snapshots);
    obx_logger_free(fixture.logger);
    close(null_device);
    int closed = obx_uv_loop_free(fixture.loop, NULL, NULL);
    return fixture.wrong || closed ? 1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/loop/threads.c - posts, wakes and work between threads, as a program: Criterion does not run under
 * ThreadSanitizer. Exits 0 if no post of any thread was lost.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "config/config.h"
#include "loop/uv_loop.h"
#include "mem_fault.h"
#include "plugin/instance.h"
#include "plugin/registry.h"
#include "plugin_fixture.h"

#define THREADS 4
#define ROUNDS 2000

/* A queue of one counter: the thread raises it and posts; the task on the loop must see the last value. */
struct poster {
    struct obx_task task;
    struct outbox_task plugin_task;
    const struct outbox_host *host;
    struct obx_loop *loop;
    pthread_t thread;
    atomic_uint sent;
    unsigned run_count, plugin_run_count;
};

struct job {
    struct outbox_work work;
    const struct outbox_host *host;
    atomic_uint worked; /* compilers may read it together with done */
    unsigned done;
};

static void on_task(struct obx_task *task)
{
    struct poster *poster = OBX_CONTAINER(task, struct poster, task);
    poster->run_count = atomic_load(&poster->sent);
}

static void on_plugin_task(struct outbox_task *task)
{
    struct poster *poster = task->arg;
    poster->plugin_run_count = atomic_load(&poster->sent);
}

static void *send(void *arg)
{
    struct poster *poster = arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        atomic_fetch_add(&poster->sent, 1);
        poster->loop->ops->post(poster->loop, &poster->task);
        poster->host->post(poster->host, &poster->plugin_task);
        poster->host->log(poster->host, OUTBOX_LOG_TRACE, "%llu",
                          (unsigned long long)poster->host->random(poster->host));
    }
    return NULL;
}

static void job_work(struct outbox_work *work)
{
    struct job *job = work->arg;
    job->worked++;
}

static void job_done(struct outbox_work *work)
{
    struct job *job = work->arg;
    job->done++;
    if (job->done < ROUNDS)
        job->host->offload(job->host, &job->work);
}

static bool all_ran(const struct poster *posters, const struct job *job)
{
    for (size_t i = 0; i < THREADS; i++)
        if (posters[i].run_count < ROUNDS || posters[i].plugin_run_count < ROUNDS)
            return false;
    return job->done == ROUNDS && job->worked == ROUNDS;
}

static void run(struct obx_loop *loop, struct obx_instance *instance)
{
    static struct poster posters[THREADS];
    static struct job job;
    const struct outbox_host *host = ((struct plugin_fixture *)obx_instance_self(instance))->host;
    job = (struct job){.work = {.work = job_work, .done = job_done, .arg = &job}, .host = host};
    host->offload(host, &job.work);
    for (size_t i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){.task.run = on_task,
                                     .plugin_task = {.run = on_plugin_task, .arg = &posters[i]},
                                     .host = host,
                                     .loop = loop};
        pthread_create(&posters[i].thread, NULL, send, &posters[i]);
    }
    while (!all_ran(posters, &job))
        obx_uv_loop_turn(loop);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(posters[i].thread, NULL);
}

int main(void)
{
    struct outbox_error error = {0};
    struct obx_loop *loop;
    struct obx_registry *registry;
    struct obx_config *config;
    struct obx_instance *instance;
    static const char yaml[] = "plugin: test";
    if (obx_uv_loop_new(NULL, &loop, &error) ||
        obx_registry_new(NULL, plugin_fixture_plugins, NULL, &registry, &error) ||
        obx_config_parse("test.yaml", yaml, strlen(yaml), &config, &error))
        return 1;
    struct obx_instance_setup setup = {
        .loop = loop, .registry = registry, .relay = "orders", .section = obx_config_root(config)};
    if (obx_instance_new(&setup, OUTBOX_STORE, &instance, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    run(loop, instance);
    obx_instance_free(instance);
    obx_config_free(config);
    obx_registry_free(registry);
    int status = obx_uv_loop_free(loop, NULL, NULL);
    return status || mem_live() ? 1 : 0;
}

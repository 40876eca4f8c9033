/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/plugin/instance_test.c - making instances, their options, events, the host's services, out of memory */
#include "fixture.h"

Test(instance, options_are_set_before_init)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, "{plugin: test, note: hello, number: 42}");
    cr_assert_eq(f.status, 0, "%s", f.error.text);
    struct plugin_fixture *plugin = fixture_plugin(&f);
    cr_assert_str_eq(plugin->note, "hello");
    cr_assert_eq(plugin->number, 42);
    cr_assert_null(plugin->inner);
    cr_assert_str_eq(obx_instance_name(f.instance), "test");
    cr_assert_eq(obx_instance_caps(f.instance), plugin_fixture_store.caps);
    cr_assert_eq(plugin_fixture_alive, 1);
    fixture_close(&f);
    cr_assert_eq(plugin_fixture_alive, 0);
    cr_assert_eq(mem_live(), 0);
}

Test(instance, section_without_plugin_is_refused)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, "note: hello");
    cr_assert_eq(f.status, OUTBOX_E_CONFIG);
    cr_assert_str_eq(f.error.text, "test.yaml:1:1: plugin is missing: add 'plugin:' with the name of a store");
    cr_assert_null(f.instance);
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(instance, unknown_options_are_refused)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, "{plugin: test, note: hello, numbre: 3}");
    cr_assert_eq(f.status, OUTBOX_E_CONFIG);
    cr_assert_str_eq(f.error.text, "test.yaml:1:29: unknown key 'numbre'; did you mean 'number'?");
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(instance, failed_init_is_followed_by_fini)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, "{plugin: pass, fail_init: true, wraps: {plugin: test}}");
    cr_assert_eq(f.status, OUTBOX_E_CONFIG);
    cr_assert_str_eq(f.error.text, "test.yaml:1:1: init of the test: fail_init is set");
    cr_assert_null(f.instance);
    cr_assert_eq(plugin_fixture_alive, 0);
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(instance, wakes_are_deferred_and_coalesced)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, "plugin: test");
    struct plugin_fixture *plugin = fixture_plugin(&f);
    plugin->host->wake(plugin->host);
    plugin->host->wake(plugin->host);
    cr_assert_eq(f.wakes, 0);
    fake_loop_settle(&f.loop);
    cr_assert_eq(f.wakes, 1);
    plugin->host->wake(plugin->host);
    fixture_close(&f); /* the one that waits is dropped */
    fake_loop_settle(&f.loop);
    cr_assert_eq(f.wakes, 1);
    cr_assert_eq(mem_live(), 0);
}

Test(instance, loss_is_reported_once_with_its_first_reason)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, "plugin: test");
    struct plugin_fixture *plugin = fixture_plugin(&f);
    struct outbox_error error = {.code = OUTBOX_E_NOT_CONNECTED, .text = "server closed the connection"};
    plugin->host->lost(plugin->host, &error);
    plugin->host->lost(plugin->host, NULL);
    fake_loop_settle(&f.loop);
    cr_assert_eq(f.losts, 1);
    cr_assert_str_eq(f.lost_error.text, "server closed the connection");
    plugin->host->lost(plugin->host, NULL);
    fake_loop_settle(&f.loop);
    cr_assert_str_eq(f.lost_error.text, "store test: the connection was lost");
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

static void count(void *arg)
{
    ++*(unsigned *)arg;
}

Test(instance, timers_fire_move_and_are_closed_with_the_instance)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, "plugin: test");
    const struct outbox_host *host = fixture_plugin(&f)->host;
    unsigned fired = 0;
    struct outbox_timer *timer, *left;
    cr_assert_eq(host->timer_open(host, count, &fired, &timer), OUTBOX_OK);
    cr_assert_eq(host->timer_open(host, count, &fired, &left), OUTBOX_OK);
    host->timer_set(timer, 1000);
    host->timer_set(timer, 5000);
    fake_loop_run_for(&f.loop, 4 * OBX_MS);
    cr_assert_eq(fired, 0);
    fake_loop_run_for(&f.loop, 2 * OBX_MS);
    cr_assert_eq(fired, 1);
    host->timer_set(timer, 1000);
    host->timer_clear(timer);
    host->timer_close(timer);
    host->timer_close(NULL);
    host->timer_set(left, UINT64_MAX);
    fixture_close(&f);
    cr_assert_str_eq(f.logged, "1 orders store test: the plugin left 0 watches and 1 timers open; closed\n");
    cr_assert(fake_loop_idle(&f.loop));
    cr_assert_eq(fired, 1);
    cr_assert_eq(mem_live(), 0);
}

struct posting {
    struct outbox_task task;
    const struct outbox_host *host;
    unsigned runs, again;
};

static void posted(struct outbox_task *task)
{
    struct posting *posting = task->arg;
    posting->runs++;
    if (posting->again && posting->again--)
        posting->host->post(posting->host, task);
}

Test(instance, posts_are_coalesced_repeated_and_dropped_with_the_instance)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, "plugin: test");
    const struct outbox_host *host = fixture_plugin(&f)->host;
    struct posting a = {.task = {.run = posted, .arg = &a}, .host = host, .again = 2};
    struct posting b = {.task = {.run = posted, .arg = &b}, .host = host};
    host->post(host, &a.task);
    host->post(host, &b.task);
    host->post(host, &a.task);
    cr_assert_eq(a.runs, 0);
    fake_loop_settle(&f.loop);
    cr_assert_eq(a.runs, 3);
    cr_assert_eq(b.runs, 1);
    host->post(host, &a.task);
    fixture_close(&f);
    fake_loop_settle(&f.loop);
    cr_assert_eq(a.runs, 3);
    cr_assert_eq(mem_live(), 0);
}

struct job {
    struct outbox_work work;
    unsigned worked, done;
};

static void job_work(struct outbox_work *work)
{
    ((struct job *)work->arg)->worked++;
}

static void job_done(struct outbox_work *work)
{
    struct job *job = work->arg;
    cr_assert_eq(job->worked, 1);
    job->done++;
}

Test(instance, offloaded_work_is_done_on_the_loop)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, "plugin: test");
    const struct outbox_host *host = fixture_plugin(&f)->host;
    struct job job = {.work = {.work = job_work, .done = job_done, .arg = &job}};
    f.loop.fail_offload = 1;
    cr_assert_eq(host->offload(host, &job.work), OUTBOX_E_NO_MEMORY);
    cr_assert_eq(host->offload(host, &job.work), OUTBOX_OK);
    cr_assert_eq(job.worked, 0);
    fake_loop_run_for(&f.loop, 10 * OBX_MS);
    cr_assert_eq(job.done, 1);
    cr_assert(fake_loop_idle(&f.loop));
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

Test(instance, instance_freed_while_work_runs_is_leaked_not_corrupted)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, "plugin: test");
    const struct outbox_host *host = fixture_plugin(&f)->host;
    struct job job = {.work = {.work = job_work, .done = job_done, .arg = &job}};
    host->offload(host, &job.work);
    fixture_close(&f);
    cr_assert_str_eq(f.logged,
                     "0 orders store test: freed while 1 of its jobs run on worker threads; its memory is leaked\n");
    fake_loop_run_for(&f.loop, 10 * OBX_MS);
    cr_assert_eq(job.done, 1);
}

Test(instance, host_table_provides_log_random_time_and_memory)
{
    struct fixture f;
    fixture_open(&f, OUTBOX_STORE, "plugin: test");
    const struct outbox_host *host = fixture_plugin(&f)->host;
    host->log(host, OUTBOX_LOG_INFO, "hello %d", 5);
    cr_assert_str_eq(f.logged, "2 orders store test: hello 5\n");
    f.log.level = OUTBOX_LOG_WARN;
    cr_assert(!host->log_enabled(host, OUTBOX_LOG_INFO));
    host->log(host, OUTBOX_LOG_INFO, "nothing");
    cr_assert_eq(f.logs, 1);
    cr_assert_neq(host->random(host), host->random(host));
    cr_assert_eq(host->now(host), f.loop.now_ns);
    char *memory = host->alloc(host, 8);
    cr_assert_eq(memory[7], 0);
    memory = host->resize(host, memory, 100);
    host->release(host, memory);
    host->release(host, NULL);
    struct outbox_watch *watch = NULL;
    cr_assert_eq(host->watch_open(host, 0, NULL, NULL, &watch), OUTBOX_E_UNSUPPORTED);
    cr_assert_null(watch);
    host->watch_close(NULL);
    fixture_close(&f);
    cr_assert_eq(mem_live(), 0);
}

/* Make, call, free, with each allocation failing in turn, once and for good. */
static bool survives(size_t n, bool persistent)
{
    struct fixture f;
    mem_fail_at(n, persistent);
    fixture_open(&f, OUTBOX_STORE, "{plugin: pass, wraps: {plugin: test, note: x}}");
    if (f.instance) {
        struct recorded_call call;
        recorded_call_init(&call);
        obx_store_renew(f.instance, &call.call, 1);
        fake_loop_settle(&f.loop);
        cr_assert_eq(call.dones, 1);
        cr_assert(call.error.code == 0 || call.error.code == OUTBOX_E_NO_MEMORY);
    } else {
        cr_assert_eq(f.status, OUTBOX_E_NO_MEMORY, "%zu: %s", n, f.error.text);
    }
    bool failed = mem_failed();
    mem_fail_at(0, false);
    fixture_close(&f);
    cr_assert_eq(plugin_fixture_alive, 0);
    cr_assert_eq(mem_live(), 0, "allocation %zu", n);
    return failed;
}

Test(instance, every_allocation_may_fail)
{
    size_t n = 1;
    while (survives(n, false))
        n++;
    cr_assert_gt(n, 10);
    for (n = 1; survives(n, true); n++) {
    }
}

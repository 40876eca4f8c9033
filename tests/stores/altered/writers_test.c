/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/altered/writers_test.c - an application whose server answers anything at all
 *
 * Each run opens a connection through the altering proxy and uses the writer's library in a transaction: events, and
 * the inbox of both levels. Each call may fail in any way, but it ends, and nothing is read that is not there. The
 * calls wait for an answer without a limit: so the proxy closes a connection on which nothing moves. The variables are
 * those of altered_test.c.
 */
#include <stdio.h>
#include <string.h>

#include <outbox/window.h>

#include "altered.h"

enum { RUNS = 200, IDLE_MS = 100 };

struct application {
    struct sql_fixture fixture;
    struct altering_proxy proxy;
    uint64_t seed, succeeded, failed;
};

static void make_inbox(struct sql_fixture *fixture)
{
    struct loop_fixture_call call = {0};
    struct obx_instance *admin = fixture_another(fixture);
    cr_assert_eq(loop_fixture_store_start(&fixture->base, admin, NULL, 0, &fixture->error), 0, "%s",
                 fixture->error.text);
    loop_fixture_reset(&call);
    obx_store_setup_inbox(admin, &call.call, 0);
    cr_assert_eq(loop_fixture_wait(&fixture->base, &call), 0, "%s", call.error.text);
    cr_assert_eq(loop_fixture_stop(&fixture->base, admin, NULL), 0);
    obx_instance_free(admin);
}

static bool note(struct application *application, int code)
{
    application->succeeded += !code;
    application->failed += code != 0;
    return !code;
}

static void write_events(struct application *application, struct session *session)
{
    const struct outbox_bytes some = {"x", 1};
    const struct outbox_event event = {
        .struct_size = sizeof event, .aggregate_type = some, .aggregate_id = some, .type = some, .payload = some};
    const struct outbox_event *events[] = {&event, &event, &event};
    struct outbox_error error;
    int64_t id;
    note(application, server_add(session, application->fixture.table, &event, &id, &error));
    note(application, server_add_many(session, application->fixture.table, events, 3, &error));
}

/* The ids of the run before, and new ones. */
static void take(struct application *application, struct session *session)
{
    char texts[4][40];
    struct outbox_bytes ids[4];
    struct outbox_error error;
    bool is_new[4];
    for (unsigned i = 0; i < 4; i++) {
        snprintf(texts[i], sizeof texts[i], "00000000-0000-4000-8000-%012llx",
                 (unsigned long long)(2 * application->seed + i));
        ids[i] = (struct outbox_bytes){texts[i], 36};
    }
    note(application, server_inbox_take(session, ids, 4, is_new, &error));
}

/* The last message again, and a new one. */
static void judge(struct outbox_window *window)
{
    const struct outbox_bytes header = {"1.1-a.1.2", 9}, id = {"00000000-0000-4000-8000-000000000001", 36};
    enum outbox_window_verdict verdict;
    for (int64_t i = 0, offset = outbox_window_seek(window); i < 2; i++)
        cr_assert_eq(outbox_window_judge(window, offset + i, header, id, &verdict, NULL), OUTBOX_OK);
}

static void use_window(struct application *application, struct session *session)
{
    const struct outbox_window_place place = {
        .struct_size = sizeof place, .consumer = "altered", .topic = "altered", .partitions = 1, .log_end = 1ll << 40};
    struct outbox_window *window = NULL;
    struct outbox_error error;
    if (!note(application, server_window_open(session, &place, &window, &error)))
        return;
    judge(window);
    note(application, server_window_save(session, window, &error));
    outbox_window_close(window);
}

static void run(struct application *application)
{
    atomic_store(&application->proxy.seed, application->seed);
    struct session *session = session_open_if((int)application->proxy.port);
    if (!note(application, !session))
        return;
    session_try(session, "BEGIN");
    write_events(application, session);
    take(application, session);
    use_window(application, session);
    session_try(session, "COMMIT");
    session_close(session);
}

Test(altered, writers_survive_whatever_a_server_answers, .timeout = 7200)
{
    static struct application a;
    uint64_t first = altering_proxy_setting("OUTBOX_ALTERED_SEED", 1);
    uint64_t runs = altering_proxy_setting("OUTBOX_ALTERED_RUNS", RUNS);
    uint64_t answers = altering_proxy_setting("OUTBOX_ALTERED_ANSWERS", 0);
    if (client_crashes())
        cr_skip_test("MariaDB Connector/C before 3.3.20 crashes on malformed answers");
    a.proxy.idle_ms = IDLE_MS;
    fixture_open(&a.fixture, "altered_writers", true, "");
    make_inbox(&a.fixture);
    altering_proxy_start(&a.proxy, BY_SERVER(&alter_postgres, &alter_mysql), server_port());
    for (a.seed = first; a.seed < first + runs || atomic_load(&a.proxy.altered) < answers; a.seed++)
        run(&a);
    printf("# writers: %llu runs, %llu of %llu messages altered; %llu calls succeeded, %llu failed\n",
           (unsigned long long)(a.seed - first), (unsigned long long)atomic_load(&a.proxy.altered),
           (unsigned long long)atomic_load(&a.proxy.messages), (unsigned long long)a.succeeded,
           (unsigned long long)a.failed);
    fflush(stdout);
    cr_assert_gt(a.succeeded, runs);
    cr_assert_gt(a.failed, runs / 2);
    altering_proxy_stop(&a.proxy);
    fixture_close(&a.fixture);
}

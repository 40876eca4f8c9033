/* SPDX-License-Identifier: Apache-2.0 */
/* tests/embed/attach_test.c - a relay on the host application's libuv loop */
#include <criterion/criterion.h>
#include <string.h>

#include <outbox/uv.h>

#include "mem_fault.h"

static const char config[] = "relays: {orders: {store: {plugin: memory, events: 200}, broker: {plugin: memory}}}\n";

struct host {
    uv_loop_t loop;
    struct outbox *relay;
    bool detached;
};

static void open_host(struct host *host)
{
    const struct outbox_options options = {.struct_size = sizeof options, .config_text = config};
    struct outbox_error error = {0};
    memset(host, 0, sizeof *host);
    cr_assert_eq(uv_loop_init(&host->loop), 0);
    cr_assert_eq(outbox_new(&options, &host->relay, &error), OUTBOX_OK, "%s", error.text);
}

static uint64_t settled(struct outbox *relay)
{
    struct outbox_stats stats = {.struct_size = sizeof stats};
    outbox_stats(relay, &stats);
    return stats.settled;
}

static void free_detached(void *arg)
{
    struct host *host = arg;
    host->detached = true;
    outbox_free(host->relay); /* allowed inside the callback */
    host->relay = NULL;
}

Test(attach, relay_runs_on_the_hosts_loop)
{
    struct host host;
    struct outbox_error error;
    open_host(&host);
    cr_assert_eq(outbox_attach(host.relay, &host.loop, &error), OUTBOX_OK);
    while (settled(host.relay) < 200)
        cr_assert_neq(uv_run(&host.loop, UV_RUN_ONCE), 0);
    outbox_wake(host.relay);
    cr_assert_eq(outbox_detach(host.relay, 5000, free_detached, &host, &error), OUTBOX_OK);
    cr_expect_not(host.detached, "detached() is called on a later turn");
    cr_assert_eq(uv_run(&host.loop, UV_RUN_DEFAULT), 0, "no handles are left on the loop");
    cr_expect(host.detached);
    cr_assert_eq(uv_loop_close(&host.loop), 0);
    cr_assert_eq(mem_live(), 0);
}

static void on_detached(void *arg)
{
    ((struct host *)arg)->detached = true;
}

Test(attach, detached_handle_can_be_attached_again)
{
    struct host host;
    struct outbox_error error;
    open_host(&host);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(outbox_attach(host.relay, &host.loop, &error), OUTBOX_OK);
        while (settled(host.relay) < 200)
            cr_assert_neq(uv_run(&host.loop, UV_RUN_ONCE), 0);
        host.detached = false;
        cr_assert_eq(outbox_detach(host.relay, 5000, on_detached, &host, &error), OUTBOX_OK);
        cr_assert_eq(uv_run(&host.loop, UV_RUN_DEFAULT), 0);
        cr_assert(host.detached);
    }
    outbox_free(host.relay);
    cr_assert_eq(uv_loop_close(&host.loop), 0);
    cr_assert_eq(mem_live(), 0);
}

Test(attach, calls_in_the_wrong_mode_are_refused)
{
    struct host host;
    struct outbox_error error;
    open_host(&host);
    cr_expect_eq(outbox_detach(host.relay, 0, NULL, NULL, &error), OUTBOX_E_INVALID);
    cr_expect_str_eq(error.text, "detach relay orders: it is not attached to a loop");
    cr_assert_eq(outbox_attach(host.relay, &host.loop, &error), OUTBOX_OK);
    cr_expect_eq(outbox_attach(host.relay, &host.loop, &error), OUTBOX_E_INVALID);
    cr_expect_str_eq(error.text, "attach relay orders: it is already running");
    cr_expect_eq(outbox_start(host.relay, &error), OUTBOX_E_INVALID);
    cr_expect_eq(outbox_stop(host.relay, 0, &error), OUTBOX_E_INVALID);
    cr_expect_str_eq(error.text, "stop relay orders: it is attached to a loop; call outbox_detach");
    outbox_free(host.relay);
    cr_expect_eq(outbox_attach(host.relay, NULL, &error), OUTBOX_E_INVALID);
    cr_expect_eq(outbox_attach(NULL, &host.loop, &error), OUTBOX_E_INVALID);
    cr_expect_eq(outbox_detach(NULL, 0, NULL, NULL, &error), OUTBOX_E_INVALID);
    cr_assert_eq(outbox_detach(host.relay, 0, free_detached, &host, &error), OUTBOX_OK);
    cr_expect_eq(outbox_detach(host.relay, 0, NULL, NULL, &error), OUTBOX_E_INVALID);
    cr_expect_str_eq(error.text, "detach relay orders: it is being detached");
    outbox_wake(host.relay);
    cr_expect_eq(outbox_stop(host.relay, 0, &error), OUTBOX_E_INVALID);
    cr_assert_eq(uv_run(&host.loop, UV_RUN_DEFAULT), 0);
    cr_assert(host.detached);
    cr_assert_eq(uv_loop_close(&host.loop), 0);
    cr_assert_eq(mem_live(), 0);
}

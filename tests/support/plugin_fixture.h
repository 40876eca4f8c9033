/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/plugin_fixture.h - a store and a broker controlled by the test, as built-in plugins
 *
 * By default an op completes at once, within the submission. With `hold`, ops wait in `held` for the test to complete
 * them through plugin->host. What was called is counted in `calls` and noted in `trace`.
 */
#ifndef OBX_TESTS_SUPPORT_PLUGIN_FIXTURE_H
#define OBX_TESTS_SUPPORT_PLUGIN_FIXTURE_H

#include <outbox/plugin.h>

#define PLUGIN_FIXTURE_HELD 64

struct plugin_fixture {
    const struct outbox_host *host;
    const struct outbox_inner *inner;
    bool hold;                             /* option: ops wait for the test */
    bool fail_init;                        /* option */
    const char *note;                      /* option */
    int64_t number;                        /* option */
    outbox_op_t held[PLUGIN_FIXTURE_HELD]; /* ops submitted, oldest first */
    uint32_t held_count;
    outbox_op_t canceled[PLUGIN_FIXTURE_HELD];
    uint32_t canceled_count;
    uint32_t publish_count; /* messages of the last publish */
    char trace[256];        /* "start claim ..." */
};

extern const struct outbox_plugin plugin_fixture_store;  /* store test: every function */
extern const struct outbox_plugin plugin_fixture_bare;   /* store bare: only what is required */
extern const struct outbox_plugin plugin_fixture_broker; /* broker test */
extern const struct outbox_plugin plugin_fixture_pass;   /* broker pass, a decorator with init and fini alone */
extern const struct outbox_plugin plugin_fixture_wrap; /* broker wrap, a decorator that forwards start, stop, publish */
extern const struct outbox_plugin plugin_fixture_store_pass; /* store pass, a decorator with init and fini alone */
extern const struct outbox_plugin *const plugin_fixture_plugins[];

extern uint32_t plugin_fixture_alive; /* inited and not finished */

#endif

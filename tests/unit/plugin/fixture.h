/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/plugin/fixture.h - an instance of a plugin on a fake loop, and calls that record their results */
#ifndef OBX_TESTS_UNIT_PLUGIN_FIXTURE_H
#define OBX_TESTS_UNIT_PLUGIN_FIXTURE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "config/config.h"
#include "fake_loop.h"
#include "mem_fault.h"
#include "plugin/instance.h"
#include "plugin/registry.h"
#include "plugin_fixture.h"

struct fixture {
    struct fake_loop loop;
    struct obx_log log;
    struct obx_registry *registry;
    struct obx_config *config;
    struct obx_instance *instance;
    struct outbox_error error;
    int status;
    char logged[2048];
    uint32_t logs, wakes, losts;
    struct outbox_error lost_error;
};

/* A call that records its results. */
struct recorded_call {
    struct obx_call call; /* first */
    uint32_t dones;
    struct outbox_error error;
    char outcomes[512]; /* "D0-3 R5 ..." in the order of the reports; kinds D R J U N */
    uint32_t reported;
    char why[OUTBOX_ERROR_TEXT_SIZE]; /* of the last outcome with an error */
};

/* yaml: the section of the plugin. On failure instance is NULL; status and error have the reason. */
void fixture_open(struct fixture *f, enum outbox_kind kind, const char *yaml);
void fixture_close(struct fixture *f);
struct plugin_fixture *fixture_plugin(struct fixture *f);
struct plugin_fixture *plugin_fixture_inner(const struct plugin_fixture *plugin);

void recorded_call_init(struct recorded_call *call);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/plugin/fixture.h - an instance of a stub on a fake loop, and calls that note what they hear */
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
#include "stub.h"

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

/* A call that remembers. */
struct heard {
    struct obx_call call; /* first */
    uint32_t dones;
    struct outbox_error error;
    char outcomes[512]; /* "D0-3 R5 ..." in the order told; kinds D R J U N */
    uint32_t told;
    char why[OUTBOX_ERROR_TEXT_SIZE]; /* of the last outcome with an error */
};

/* yaml: the section of the plugin. On failure instance is NULL and status, error say why. */
void fixture_open(struct fixture *f, enum outbox_kind kind, const char *yaml);
void fixture_close(struct fixture *f);
struct stub *fixture_stub(struct fixture *f);
struct stub *stub_under(const struct stub *stub);

void heard_init(struct heard *heard);

#endif

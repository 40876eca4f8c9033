/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/kafka/mock_fixture.h - a started broker on a mock cluster, and its end with all checks in the test's
 * body */
#ifndef OBX_TESTS_BROKERS_KAFKA_MOCK_FIXTURE_H
#define OBX_TESTS_BROKERS_KAFKA_MOCK_FIXTURE_H

#include "fixture.h"
#include "mem_fault.h"
#include "mock.h"

struct mock_fixture {
    struct mock mock;
    struct fixture broker;
};

/* yaml: more keys of the broker's section. The broker is started. */
void mock_fixture_open(struct mock_fixture *f, const char *yaml);
/* Publish to a topic so that it is open. */
void mock_fixture_verify(struct mock_fixture *f, const char *topic);

#define MOCK_FIXTURE_END(f)                                                          \
    do {                                                                             \
        cr_assert_eq(fixture_stop(&(f)->broker), OUTBOX_OK);                         \
        cr_assert_eq(obx_instance_in_flight((f)->broker.instance), 0);               \
        cr_assert_eq(obx_instance_violations((f)->broker.instance).unknown_ops, 0);  \
        cr_assert_eq(obx_instance_violations((f)->broker.instance).bad_outcomes, 0); \
        cr_assert_eq(fixture_close(&(f)->broker), 0);                                \
        cr_assert_eq(mem_live(), 0);                                                 \
        mock_close(&(f)->mock);                                                      \
    } while (0)

#endif

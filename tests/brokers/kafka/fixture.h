/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/kafka/fixture.h - a started broker on a mock cluster, and its end with all checks in the test's body */
#ifndef OBX_TESTS_BROKERS_KAFKA_FIXTURE_H
#define OBX_TESTS_BROKERS_KAFKA_FIXTURE_H

#include "harness.h"
#include "mem_fault.h"
#include "mock.h"

struct fixture {
    struct mock mock;
    struct kt t;
};

/* yaml: more keys of the broker's section. The broker is started. */
void fixture_open(struct fixture *f, const char *yaml);
/* Publish to a topic so that it counts as proven. */
void fixture_prove(struct fixture *f, const char *topic);

#define FIXTURE_END(f)                                                          \
    do {                                                                        \
        cr_assert_eq(kt_stop(&(f)->t), OUTBOX_OK);                              \
        cr_assert_eq(obx_instance_in_flight((f)->t.instance), 0);               \
        cr_assert_eq(obx_instance_violations((f)->t.instance).unknown_ops, 0);  \
        cr_assert_eq(obx_instance_violations((f)->t.instance).bad_outcomes, 0); \
        cr_assert_eq(kt_close(&(f)->t), 0);                                     \
        cr_assert_eq(mem_live(), 0);                                            \
        mock_close(&(f)->mock);                                                 \
    } while (0)

#endif

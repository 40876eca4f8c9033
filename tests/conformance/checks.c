/* SPDX-License-Identifier: Apache-2.0 */
/* tests/conformance/checks.c - the list of all checks */
#include "checks.h"

#define STORE_CHECK(name) {#name, OUTBOX_STORE, conf_##name},
#define BROKER_CHECK(name) {#name, OUTBOX_BROKER, conf_##name},
#define TRANSFORM_CHECK(name) {#name, OUTBOX_TRANSFORM, conf_##name},

const struct conf_check conf_checks[] = {CONF_STORE_CHECKS(STORE_CHECK) CONF_BROKER_CHECKS(BROKER_CHECK)
                                             CONF_TRANSFORM_CHECKS(TRANSFORM_CHECK){0}};

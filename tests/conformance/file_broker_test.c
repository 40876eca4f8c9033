/* SPDX-License-Identifier: Apache-2.0 */
/* tests/conformance/file_broker_test.c - the file broker, read as a consumer reads it */
#define CONF_SUITE conformance_file_broker
#include "criterion.h"

static const struct conf_subject subject = {.name = "test.yaml",
                                            .yaml = "broker:\n"
                                                    "  plugin: file\n"
                                                    "  path: ${OUTBOX_TMP}/events.ndjson\n",
                                            .read = "cat $OUTBOX_TMP/events.ndjson",
                                            .live = mem_live};

CONF_BROKER_CHECKS(CONF_BROKER_TEST)

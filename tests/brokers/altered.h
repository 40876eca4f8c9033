/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/altered.h - what altered.c of a broker's folder gives to altered_test.c */
#ifndef OBX_TESTS_BROKERS_ALTERED_H
#define OBX_TESTS_BROKERS_ALTERED_H

#include "altering_proxy.h"

struct altered_broker {
    const struct alter_protocol *protocol;
    const char *topic;          /* one that works */
    const char *sections[2];    /* of the configuration, used in turn; PORT stands for the proxy's */
    uint32_t start_ms, wait_ms; /* for a start; for a publish, a check, and a stop */
    unsigned answers;           /* that are altered, at least */
    void (*begin)(struct altering_proxy *proxy, int *target); /* NULL: the target is the port of server() */
};
extern const struct altered_broker altered_broker;

#endif

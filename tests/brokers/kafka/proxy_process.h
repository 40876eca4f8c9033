/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/kafka/proxy_process.h - tests/proxy before the broker of with-broker --proxied, as the route "kafka"
 *
 * OUTBOX_PROXY names the program. Commands: tests/proxy/control.c.
 */
#ifndef OBX_TESTS_BROKERS_KAFKA_PROXY_PROCESS_H
#define OBX_TESTS_BROKERS_KAFKA_PROXY_PROCESS_H

#include <stdio.h>
#include <sys/types.h>

struct proxy_process {
    pid_t pid;
    FILE *to, *from;
    char bootstrap[32]; /* reaches the broker through the proxy */
};

void proxy_process_open(struct proxy_process *proxy);
void proxy_process_command(struct proxy_process *proxy, const char *command);
void proxy_process_close(struct proxy_process *proxy);

#endif

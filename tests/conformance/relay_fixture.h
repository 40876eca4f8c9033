/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conformance/relay_fixture.h - a relay from the memory store to the broker under test, and commands meanwhile
 *
 * What a broker must keep under failures is the host's and the plugin's work together, so these checks run a relay.
 */
#ifndef OBX_TESTS_CONFORMANCE_RELAY_FIXTURE_H
#define OBX_TESTS_CONFORMANCE_RELAY_FIXTURE_H

#include <sys/types.h>

#include "fixture.h"
#include "relay/relay.h"

struct conf_relay {
    struct conf_fixture *fixture;
    struct obx_config *config; /* of the relay; the section `broker` is the subject's */
    struct obx_relay *relay;
    uint32_t count, keys; /* events that were added: 1 .. count, key: number % keys */
    uint64_t settled;     /* what conf_relay_reaches() waits for */
    bool stopped;
    pid_t command; /* 0: none */
};

/* settings: YAML lines of a relay, such as order. */
void conf_relay_begin(struct conf_fixture *fixture, struct conf_relay *relay, const char *settings);
void conf_relay_add(struct conf_relay *relay, uint32_t count, uint32_t keys);
/* Runs until so many events left the outbox; fails the check when that takes longer than the timeout. */
void conf_relay_reaches(struct conf_relay *relay, uint64_t settled);
void conf_relay_runs_for(struct conf_relay *relay, uint32_t ms);
/* Runs a shell command while the relay works; the check fails if it fails. */
void conf_relay_command(struct conf_relay *relay, const char *command);
void conf_relay_end(struct conf_relay *relay); /* stops and frees it */

/* Requires that each event can be read, and that the first occurrences keep the order of their keys; all: of all
 * events. Returns how many were read a second time. */
uint32_t conf_relay_published(struct conf_relay *relay, bool all);

#endif

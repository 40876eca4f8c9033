/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conformance/conformance.h - the requirements of every store and every broker, as lists of named checks
 *
 * The same checks run under Criterion for the plugins of this repository, and in the program outbox-conformance for any
 * plugin. A check is a plain function that uses the plugin through core/plugin/instance.h, as the relay does. Each
 * check runs in a separate process, so a failed check just ends, and a plugin that crashes fails one check.
 *
 * The configuration is YAML with a section `store:` or `broker:` as in outbox.yaml. ${OUTBOX_TMP} in it is an empty
 * directory and ${OUTBOX_CHECK} the name of the check, so that each check has its own outbox or file. Brokers get
 * events for topics whose names begin with $OUTBOX_TOPIC, which no run had before.
 */
#ifndef OBX_TESTS_CONFORMANCE_CONFORMANCE_H
#define OBX_TESTS_CONFORMANCE_CONFORMANCE_H

#include <stddef.h>

#include "loop_fixture.h"

struct conf_fixture;

/* One event as a consumer reads it; owned by the list. data NULL: null. */
struct conf_header {
    char *name;
    char *value; /* NULL: null */
};
struct conf_event {
    struct outbox_bytes topic, key, value, id;
    struct conf_header *headers;
    uint32_t header_count;
};
struct conf_events {
    struct conf_event *items;
    uint32_t count;
};

struct conf_subject {
    const char *name; /* of the configuration, for messages */
    const char *yaml;
    const char *directory; /* of modules; NULL: built in only */
    bool alone;            /* store: each instance has its own outbox, invisible to others */
    bool text_only;        /* payloads must be UTF-8 */
    const char *fence;     /* store: a shell command that ends the owner's session; NULL: not tested */
    const char *prepare;   /* a shell command to run before each check, e.g. to make topics; may be NULL */
    /* Broker: shell commands that hurt the server while events are published, and heal it; NULL: not tested. */
    const char *refuse, *accept; /* it refuses some messages, one by one, and takes others */
    const char *break_, *repair; /* it is gone, as after kill -9 */
    const char *pause, *resume;  /* it does not answer, as after SIGSTOP */
    bool in_process;             /* no fork: for a debugger */
    const char *read; /* broker: a shell command that prints what was published as NDJSON; NULL: use collect */
    /* broker in memory: the same from inside; may be NULL */
    void (*collect)(struct obx_instance *broker, struct conf_events *events);
    size_t (*live)(void); /* blocks of memory not freed; may be NULL */
};

struct conf_check {
    const char *name;
    enum outbox_kind kind;
    void (*run)(struct conf_fixture *fixture);
};

/* All checks in a fixed order; ends with a NULL name. */
extern const struct conf_check conf_checks[];

enum conf_result { CONF_OK, CONF_SKIPPED, CONF_FAILED };
#define CONF_WHY_SIZE 600
/* Run one check in a child process; why: the reason when it is not OK. */
enum conf_result conf_run(const struct conf_check *check, const struct conf_subject *subject, char why[CONF_WHY_SIZE]);

#endif

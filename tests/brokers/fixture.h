/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/brokers/fixture.h - a broker on a real loop, events to publish, and what the server has
 *
 *     fixture_open("plugin: http\n url: %s/hook/{topic}", server());  ... fixture_publish("topic") ... fixture_close();
 *
 * The script that runs the test names the server: OUTBOX_TEST_SERVER, OUTBOX_TEST_DIR, and OUTBOX_TEST_SERVICE, a
 * script of tests/services. OUTBOX_TEST_PLUGINS is a directory of modules; the plugins of this tree are linked in.
 */
#ifndef OBX_TESTS_BROKERS_FIXTURE_H
#define OBX_TESTS_BROKERS_FIXTURE_H

#include <jansson.h>

#include "loop_fixture.h"

#define EVENTS_MAX 64

struct result {
    uint32_t outcome; /* 0: not reported */
    uint32_t reports;
    uint32_t retry_after_ms;
    struct outbox_error error;
};

struct publishing {
    struct obx_call call; /* first */
    struct outbox_publish publish;
    struct outbox_message messages[EVENTS_MAX];
    struct result results[EVENTS_MAX];
    bool is_done;
};

extern struct loop_fixture base;
extern struct obx_instance *broker;
extern char logged[4096]; /* warnings and information, a line each */

const char *server(void); /* without TLS */

/* The broker's section, as printf. */
int fixture_try(struct outbox_error *error, const char *yaml, ...) __attribute__((format(printf, 2, 3)));
void fixture_open(const char *yaml, ...) __attribute__((format(printf, 1, 2)));
/* Again while the server does not answer, as a relay does: a busy one takes its time. */
void fixture_must_start(void);
void fixture_close(void);
/* The result of stop(), canceled after so long. */
int fixture_stop_within(uint32_t timeout_ms);
/* Findings of check() as lines "severity finding". */
void fixture_check(char *findings, size_t size);
void fixture_run_for(uint32_t ms);

/* An event of a topic with key, value, id "id-INDEX", type "placed" and a creation time. */
void event_set(struct publishing *publishing, uint32_t index, const char *topic, const char *key, const char *value);
void fixture_submit(struct publishing *publishing, uint32_t count);
void fixture_wait(struct publishing *publishing);
bool fixture_is_done(void *publishing);
/* One event of the topic, to its outcome. */
struct result fixture_publish(const char *topic);

/* What the server has, as a JSON array; the caller frees it. queue: "" for a server that has none. */
json_t *stored(const char *queue);
/* NULL: the header is missing. */
const char *header_of(const json_t *event, const char *name);
void service(const char *verb, ...) __attribute__((format(printf, 1, 2))); /* with arguments for the shell */

#endif

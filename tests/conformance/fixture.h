/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conformance/fixture.h - the fixture of a check: a loop, the plugin under test, and ways to end
 *
 * conf_require() and conf_must() end the process if the requirement fails, so a check reads as a straight line.
 */
#ifndef OBX_TESTS_CONFORMANCE_FIXTURE_H
#define OBX_TESTS_CONFORMANCE_FIXTURE_H

#include "conformance.h"

struct conf_fixture {
    const struct conf_subject *subject;
    struct loop_fixture base;
    struct obx_instance *store;  /* the instance under test; owned */
    struct obx_instance *other;  /* a second one over the same outbox; the same as store when that cannot be */
    struct obx_instance *broker; /* owned */
    uint32_t awaited;            /* the number of the row that a check waits for */
    int report;                  /* where the result is written; conf_run() reads it in the parent */
};

const char *conf_outcome_name(uint32_t outcome); /* "DELIVERED" */
void conf_fail(struct conf_fixture *fixture, const char *file, int line, const char *format, ...)
    __attribute__((noreturn, format(printf, 4, 5)));
void conf_skip(struct conf_fixture *fixture, const char *why) __attribute__((noreturn));

#define conf_require(fixture, condition, ...)                    \
    do {                                                         \
        if (!(condition))                                        \
            conf_fail(fixture, __FILE__, __LINE__, __VA_ARGS__); \
    } while (0)
/* An operation that must succeed. */
#define conf_must(fixture, call)                                                \
    do {                                                                        \
        struct outbox_error why_ = {0};                                         \
        struct outbox_error *error = &why_;                                     \
        if ((call) != OUTBOX_OK)                                                \
            conf_fail(fixture, __FILE__, __LINE__, "%s: %s", #call, why_.text); \
    } while (0)

/* Opens loop and configuration; for conf_run() alone. Close requires that nothing is left open and that the plugin
 * broke no contract. */
void conf_fixture_open(struct conf_fixture *fixture);
void conf_fixture_close(struct conf_fixture *fixture);

/* ---- stores: store_fixture.c ---- */

/* What the checks claim, by index into a row's values. */
enum conf_column {
    COL_EVENT_ID,
    COL_AGGREGATE_TYPE,
    COL_AGGREGATE_ID,
    COL_TYPE,
    COL_PAYLOAD,
    COL_HEADERS,
    COL_CREATED_AT,
    COL_COUNT
};

void conf_store_open(struct conf_fixture *fixture);  /* instance(s), tables, started; owns nothing yet */
void conf_store_begin(struct conf_fixture *fixture); /* the same, and it owns the outbox */
void conf_store_start(struct conf_fixture *fixture, struct obx_instance *store);
void conf_store_acquire(struct conf_fixture *fixture, struct obx_instance *store);

/* Add events number first .. first + count - 1, each in the form that conf_row_is() knows. */
void conf_add(struct conf_fixture *fixture, uint32_t first, uint32_t count);
void conf_add_payload(struct conf_fixture *fixture, uint32_t number, struct outbox_bytes payload);
/* Claim up to rows; NULL when there is none. */
struct outbox_batch *conf_claim(struct conf_fixture *fixture, uint32_t rows);
struct outbox_batch *conf_claim_flags(struct conf_fixture *fixture, uint32_t rows, uint32_t flags);
void conf_release(struct conf_fixture *fixture, struct outbox_batch *batch);
void conf_settle(struct conf_fixture *fixture, const struct outbox_batch *batch, uint32_t first, uint32_t count);

const struct outbox_value *conf_value(const struct outbox_batch *batch, uint32_t row, enum conf_column column);
bool conf_value_is(const struct outbox_value *value, const void *data, size_t size);
/* Requires that the row is event `number`, as conf_add() made it. */
void conf_row_is(struct conf_fixture *fixture, const struct outbox_batch *batch, uint32_t row, uint32_t number);
/* Requires that exactly these events, by number and ascending, are in the outbox. Rewinds. */
void conf_outbox_is(struct conf_fixture *fixture, const uint32_t *numbers, uint32_t count);
void conf_outbox_is_range(struct conf_fixture *fixture, uint32_t first, uint32_t count);

/* ---- brokers: broker_fixture.c ---- */

void conf_broker_begin(struct conf_fixture *fixture); /* instance, started */

#define CONF_BURST_MAX 2048u
/* Messages of one publish, made by number: topic, key and value follow from it. */
struct conf_burst {
    struct loop_fixture_call call;
    struct outbox_message messages[CONF_BURST_MAX];
    struct outbox_publish publish;
    uint8_t outcomes[CONF_BURST_MAX];
    uint32_t reports[CONF_BURST_MAX];
    char text[CONF_BURST_MAX][96];
    struct outbox_header headers[CONF_BURST_MAX][2]; /* id, type */
};
/* Events first .. first + count - 1 over `keys` keys: key k is number % keys. On the heap; free() it. */
struct conf_burst *conf_burst_new(struct conf_fixture *fixture, uint32_t first, uint32_t count, uint32_t keys);
void conf_burst_send(struct conf_fixture *fixture, struct conf_burst *burst); /* does not wait */
/* Requires that it completes, and that each message was reported once, as DELIVERED. */
void conf_burst_delivered(struct conf_fixture *fixture, struct conf_burst *burst);

/* The id of event `number`: drawn for this check of this run, so that a server that drops known ids takes all. */
void conf_event_id(char id[40], uint32_t number);
/* The number in the value of an event that conf_burst_new() or conf_relay_add() made. */
uint32_t conf_event_number(struct conf_fixture *fixture, const struct conf_event *event);

/* The events that can be read now; freed with the process. Skips the check if the subject cannot read. */
struct conf_events conf_read(struct conf_fixture *fixture);
/* Requires these events, each once, in order within their keys. */
void conf_published_range(struct conf_fixture *fixture, const struct conf_events *events, uint32_t first,
                          uint32_t count, uint32_t keys);
const struct conf_event *conf_published_find(const struct conf_events *events, const char *id);

#endif

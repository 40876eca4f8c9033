/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/fixture_broker.c - the in-memory broker */
#include "base/mem.h"
#include "fixture_internal.h"

static struct {
    outbox_op_t op;
    const struct outbox_publish *publish;
    void *self;
} held[64];
static uint32_t held_count;

static void broker_start(void *self, outbox_op_t op, const struct outbox_broker_start *start)
{
    the_fixture->broker_epoch = start->epoch;
    snprintf(the_fixture->broker_outbox, sizeof the_fixture->broker_outbox, "%s", start->outbox);
    if (!fixture_fails(self, op, FIXTURE_BROKER_START))
        fixture_done(self, op);
}

void fixture_append(const struct outbox_message *message)
{
    uint32_t at = the_fixture->published_count++;
    cr_assert_lt(at, OBX_COUNT(the_fixture->published));
    snprintf(the_fixture->published[at].key, 16, "%.*s", (int)message->key.size,
             message->key.data ? (const char *)message->key.data : "");
    snprintf(the_fixture->published[at].text, 24, "%.*s", (int)message->value.size, (const char *)message->value.data);
    for (uint32_t i = 0; i < message->header_count; i++)
        if (message->headers[i].name.size == 15 && !memcmp(message->headers[i].name.data, "outbox-position", 15))
            snprintf(the_fixture->published[at].place, sizeof the_fixture->published[at].place, "%.*s",
                     (int)message->headers[i].value.size, (const char *)message->headers[i].value.data);
    snprintf(the_fixture->published[at].id, 40, "%.*s", (int)message->id.size, (const char *)message->id.data);
}

/* Keys with an event that failed: later events that were submitted before that report fail, too. */
static struct {
    char key[16];
    uint64_t until_ns;
    uint32_t outcome;
} failed_keys[16];

/* 0: no. */
static uint32_t failed_before(const struct outbox_message *message)
{
    for (size_t i = 0; i < OBX_COUNT(failed_keys) && message->key.data; i++) {
        bool same = strlen(failed_keys[i].key) == message->key.size &&
                    !memcmp(failed_keys[i].key, message->key.data, message->key.size);
        if (same && the_fixture->loop.now_ns < failed_keys[i].until_ns)
            return failed_keys[i].outcome;
    }
    return 0;
}

static void fail_key(const struct outbox_message *message, uint32_t outcome)
{
    static size_t next;
    snprintf(failed_keys[next].key, sizeof failed_keys[next].key, "%.*s", (int)message->key.size,
             message->key.data ? (const char *)message->key.data : "");
    failed_keys[next].outcome = outcome == OUTBOX_RETRY ? OUTBOX_RETRY : OUTBOX_NOT_CONNECTED;
    failed_keys[next].until_ns = the_fixture->loop.now_ns + OBX_MS;
    next = (next + 1) % OBX_COUNT(failed_keys);
}

static uint32_t usual_outcome(const struct outbox_message *message)
{
    bool is_k1 = message->key.size == 2 && !memcmp(message->key.data, "k1", 2);
    return is_k1 && the_fixture->k1_failures && the_fixture->k1_failures-- ? OUTBOX_RETRY : OUTBOX_DELIVERED;
}

static uint32_t publish_one(const struct outbox_message *message, struct outbox_error *error)
{
    uint32_t outcome = failed_before(message);
    if (the_fixture->refuse && the_fixture->refuse(the_fixture, message)) {
        *error = (struct outbox_error){.code = OUTBOX_E_REJECTED, .text = "refused"};
        return OUTBOX_REJECTED;
    }
    if (outcome) {
        *error = (struct outbox_error){.code = OUTBOX_E_AGAIN, .text = "an earlier event failed"};
        return outcome;
    }
    outcome = the_fixture->outcome ? the_fixture->outcome(the_fixture, message, error) : usual_outcome(message);
    if (outcome == OUTBOX_DELIVERED || outcome == OUTBOX_UNKNOWN)
        fixture_append(message);
    if (outcome != OUTBOX_DELIVERED && outcome != OUTBOX_REJECTED)
        fail_key(message, outcome);
    return outcome;
}

static void finish(void *self, outbox_op_t op, const struct outbox_publish *publish)
{
    struct fixture_instance *instance = self;
    for (uint32_t i = 0; i < publish->count; i++) {
        struct outbox_error error = {.code = OUTBOX_E_IO, .text = "simulated"};
        struct outbox_outcomes report = {.struct_size = sizeof report,
                                         .outcome = publish_one(outbox_message_at(publish, i), &error),
                                         .first = i,
                                         .count = 1,
                                         .error = &error};
        report.flags = the_fixture->already && report.outcome == OUTBOX_DELIVERED ? OUTBOX_OUTCOME_ALREADY : 0;
        instance->host->outcomes(instance->host, op, &report);
    }
    instance->host->op_done(instance->host, op, NULL);
}

static void broker_publish(void *self, outbox_op_t op, const struct outbox_publish *publish)
{
    the_fixture->publishes++;
    if (fixture_fails(self, op, FIXTURE_PUBLISH))
        return;
    if (!the_fixture->hold) {
        finish(self, op, publish);
        return;
    }
    held[held_count].op = op;
    held[held_count].publish = publish;
    held[held_count++].self = self;
    the_fixture->most_in_flight = OBX_MAX(the_fixture->most_in_flight, held_count);
}

void fixture_broker_release(void)
{
    uint32_t count = held_count;
    held_count = 0;
    for (uint32_t i = 0; i < count; i++)
        finish(held[i].self, held[i].op, held[i].publish);
}

static outbox_op_t waiting_stop;

static void broker_stop(void *self, outbox_op_t op)
{
    if (the_fixture->stubborn && held_count) {
        waiting_stop = op;
        return;
    }
    fixture_broker_release();
    fixture_done(self, op);
}

static void broker_cancel(void *self, outbox_op_t op)
{
    outbox_op_t stop = waiting_stop;
    (void)op;
    waiting_stop = 0;
    if (!stop)
        return;
    fixture_broker_release();
    fixture_done(self, stop);
}

int fixture_broker_admit(void *self, const struct outbox_message *message, struct outbox_error *error)
{
    (void)self;
    if (!the_fixture->admit || the_fixture->admit(the_fixture, message))
        return OUTBOX_OK;
    *error = (struct outbox_error){.code = OUTBOX_E_REJECTED, .text = "not admitted"};
    return OUTBOX_E_REJECTED;
}

static void broker_record(void *self, const struct outbox_record *record)
{
    (void)self;
    for (uint32_t i = 0; i < record->count; i++) {
        cr_assert(record->positions[i].major);
        struct fixture_row *row = &the_fixture->rows[record->positions[i].major - 1];
        row->present = row->present || record->what == OUTBOX_RECORD_PRESENT;
        if (record->what == OUTBOX_RECORD_SETTLED)
            cr_assert(row->gone, "row %llu may come again", (unsigned long long)row->id);
    }
    the_fixture->settled_reported += record->what == OUTBOX_RECORD_SETTLED ? record->count : 0;
    the_fixture->complete_reported += record->what == OUTBOX_RECORD_COMPLETE;
    for (uint32_t i = 0; record->what == OUTBOX_RECORD_REWIND && i < the_fixture->row_count; i++)
        the_fixture->rows[i].present = false;
    for (uint32_t i = 0; record->what == OUTBOX_RECORD_COMPLETE && i < the_fixture->row_count; i++)
        cr_assert(the_fixture->rows[i].present || !the_fixture->rows[i].there_at_rewind, "row %u is not named", i + 1);
}

static const struct outbox_broker_ops broker_ops = {.struct_size = sizeof broker_ops,
                                                    .init = fixture_init,
                                                    .fini = fixture_fini,
                                                    .start = broker_start,
                                                    .cancel = broker_cancel,
                                                    .stop = broker_stop,
                                                    .publish = broker_publish,
                                                    .record = broker_record,
                                                    .admit = fixture_broker_admit};
struct outbox_plugin fixture_broker_plugin = {.abi_major = OUTBOX_ABI_MAJOR,
                                              .struct_size = sizeof fixture_broker_plugin,
                                              .kind = OUTBOX_BROKER,
                                              .option_size = sizeof(struct outbox_option),
                                              .caps = OUTBOX_CAP_ORDERED | OUTBOX_CAP_GLOBAL_ORDER | OUTBOX_CAP_ADMIT,
                                              .name = "fixture",
                                              .version = "1",
                                              .description = "an in-memory broker",
                                              .instance_size = sizeof(struct fixture_instance),
                                              .ops = &broker_ops};

void fixture_broker_reset(void)
{
    memset(failed_keys, 0, sizeof failed_keys);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conformance/store_older_host.c - a host of the first version of the ABI: its structures end before the members
 * that came later, and what follows them in memory is not the store's to read or write
 */
#include <stddef.h>
#include <string.h>

#include "checks.h"

#define OTHER_MEMORY 0xa5 /* also where the store would find the pointers of later members */

/* object begins with struct_size; its members from `end` on are not there. */
static void end_before(void *object, size_t size, size_t end)
{
    uint32_t struct_size = (uint32_t)end;
    memset((char *)object + end, OTHER_MEMORY, size - end);
    memcpy(object, &struct_size, sizeof struct_size);
}

static void is_untouched(struct conf_fixture *fixture, const void *object, size_t size, size_t end, const char *name)
{
    const unsigned char *bytes = object;
    for (size_t i = end; i < size; i++)
        conf_require(fixture, bytes[i] == OTHER_MEMORY,
                     "struct_size of %s is %zu, and the store has written the byte at %zu", name, end, i);
}

#define END_BEFORE(object, type, member) end_before(&(object), sizeof(object), offsetof(struct type, member))
#define IS_UNTOUCHED(object, type, member) \
    is_untouched(fixture, &(object), sizeof(object), offsetof(struct type, member), "struct " #type)

static void ends(struct conf_fixture *fixture, struct loop_fixture_call *call, const char *what)
{
    conf_require(fixture, loop_fixture_wait(&fixture->base, call) == OUTBOX_OK, "%s: %s", what, call->error.text);
}

static void acquire(struct conf_fixture *fixture)
{
    struct outbox_acquire acquire = {.lease_ms = 15000};
    struct loop_fixture_call call = {0};
    END_BEFORE(acquire, outbox_acquire, since_us);
    loop_fixture_reset(&call);
    obx_store_acquire(fixture->store, &call.call, 0, &acquire);
    ends(fixture, &call, "acquire");
    IS_UNTOUCHED(acquire, outbox_acquire, since_us);
}

static struct outbox_batch *claim(struct conf_fixture *fixture, uint32_t rows, uint32_t flags)
{
    struct outbox_claim claim = {.max_rows = rows, .max_bytes = 1 << 20, .flags = flags};
    struct loop_fixture_call call = {0};
    END_BEFORE(claim, outbox_claim, log_bytes);
    loop_fixture_reset(&call);
    obx_store_claim(fixture->store, &call.call, 0, &claim);
    ends(fixture, &call, "claim");
    IS_UNTOUCHED(claim, outbox_claim, log_bytes);
    return claim.batch;
}

static void settle(struct conf_fixture *fixture, const struct outbox_batch *batch)
{
    struct outbox_refused refused = {0};
    const struct outbox_span span = {batch, 0, 1};
    const struct outbox_settle settle = {
        .struct_size = sizeof settle, .spans = &span, .span_count = 1, .refused = &refused};
    struct loop_fixture_call call = {0};
    END_BEFORE(refused, outbox_refused, locked);
    loop_fixture_reset(&call);
    obx_store_settle(fixture->store, &call.call, 0, &settle);
    ends(fixture, &call, "settle");
    IS_UNTOUCHED(refused, outbox_refused, locked);
}

static void status(struct conf_fixture *fixture)
{
    struct outbox_store_status status = {.pending = -1};
    struct loop_fixture_call call = {0};
    END_BEFORE(status, outbox_store_status, owner_since_us);
    loop_fixture_reset(&call);
    obx_store_status(fixture->other, &call.call, 0, &status);
    ends(fixture, &call, "status");
    IS_UNTOUCHED(status, outbox_store_status, owner_since_us);
    conf_require(fixture, status.pending == 2, "%lld rows are pending, not 2", (long long)status.pending);
}

static void replay(struct conf_fixture *fixture, const struct outbox_batch *batch)
{
    const struct outbox_dead_row row = {
        .position = batch->positions[1], .topic = {"t", 1}, .key = {"k", 1}, .reason = "why"};
    const struct outbox_dead_letter_rows rows = {
        .struct_size = offsetof(struct outbox_dead_letter_rows, kept), .count = 1, .rows = &row};
    struct outbox_dead dead = {.action = OUTBOX_DEAD_REPLAY};
    struct loop_fixture_call moving = {0}, replaying = {0};
    loop_fixture_reset(&moving);
    loop_fixture_reset(&replaying);
    obx_store_dead_letter(fixture->store, &moving.call, 0, &rows);
    ends(fixture, &moving, "move a row to the dead letters");
    END_BEFORE(dead, outbox_dead, set_column);
    obx_store_dead(fixture->other, &replaying.call, 0, &dead);
    ends(fixture, &replaying, "replay a dead letter");
    IS_UNTOUCHED(dead, outbox_dead, set_column);
    conf_require(fixture, dead.affected == 1, "%llu dead letters were replayed, not 1",
                 (unsigned long long)dead.affected);
}

void conf_store_serves_an_older_host(struct conf_fixture *fixture)
{
    conf_store_open(fixture);
    uint64_t caps = obx_instance_caps(fixture->store);
    acquire(fixture);
    conf_add(fixture, 1, 3);
    if (caps & (OUTBOX_CAP_AHEAD | OUTBOX_CAP_LOG))
        conf_require(fixture, !claim(fixture, 0, OUTBOX_CLAIM_MEASURE), "a claim that only measures returned rows");
    struct outbox_batch *batch = claim(fixture, 3, 0);
    conf_require(fixture, batch && batch->rows == 3, "a claim of 3 rows did not give them");
    settle(fixture, batch);
    status(fixture);
    if (caps & OUTBOX_CAP_DEAD_LETTERS)
        replay(fixture, batch);
    conf_release(fixture, batch);
}

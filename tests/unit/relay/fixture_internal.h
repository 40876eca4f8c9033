/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/fixture_internal.h - what the files of the fixture share */
#ifndef OBX_TESTS_UNIT_RELAY_FIXTURE_INTERNAL_H
#define OBX_TESTS_UNIT_RELAY_FIXTURE_INTERNAL_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"

extern struct fixture *the_fixture; /* one for each test process */
extern struct outbox_plugin fixture_store_plugin;
extern struct outbox_plugin fixture_broker_plugin;
extern const struct outbox_plugin fixture_transform_plugin;

struct fixture_instance {
    const struct outbox_host *host;
};

int fixture_init(void *self, const struct outbox_init *init, struct outbox_error *error);
void fixture_fini(void *self);
/* The call of this kind fails, as the test has set it; the op is complete. */
bool fixture_fails(void *self, outbox_op_t op, enum fixture_op kind);
void fixture_done(void *self, outbox_op_t op);

/* Of a store that reads a log (fixture_log.c). */
bool fixture_is_log(void);
void fixture_log_claim(struct outbox_claim *claim);
bool fixture_log_wants(const struct outbox_claim *claim, const struct fixture_row *row);
uint32_t fixture_log_took(const struct fixture_row *row); /* OUTBOX_BATCH_* */
void fixture_log_pass(uint64_t low);                      /* a position is stored; checks it */
void fixture_log_spool(void *self, outbox_op_t op, const struct outbox_spool *spool);

void fixture_append(const struct outbox_message *message); /* to the log of the broker */
int fixture_broker_admit(void *self, const struct outbox_message *message, struct outbox_error *error);
void fixture_broker_release(void); /* complete the publishes that are held */
void fixture_broker_reset(void);   /* a new fixture has a clock that begins anew */

#endif

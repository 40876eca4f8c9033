/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/abi/modules/rogue.c - a broker that breaks the completion contract in the way that `mode` names
 *
 * twice: completes each op twice. late: completes it once more when the next comes. foreign: also completes an op that
 * nobody has given it. cancel: completes only when canceled. wild: tells outcomes that cannot be.
 */
#include "plain.h"

enum mode { TWICE, LATE, FOREIGN, CANCEL, WILD };
static const char *const modes[] = {"twice", "late", "foreign", "cancel", "wild", NULL};

struct rogue {
    const struct outbox_host *host; /* first, as in struct plain */
    int64_t mode;
    outbox_op_t last;
};

static const struct outbox_option options[] = {
    {.name = "mode",
     .type = OUTBOX_OPT_ENUM,
     .offset = offsetof(struct rogue, mode),
     .default_value = "twice",
     .choices = modes,
     .help = "how it breaks the contract"},
};

static void publish(void *self, outbox_op_t op, const struct outbox_publish *arguments)
{
    struct rogue *rogue = self;
    const struct outbox_host *host = rogue->host;
    uint32_t indexes[] = {0, 0, UINT32_MAX};
    struct outbox_outcomes wild = {
        .struct_size = sizeof wild, .outcome = OUTBOX_DELIVERED, .indexes = indexes, .count = 3};
    if (rogue->mode == WILD)
        host->outcomes(host, op, &wild);
    if (rogue->mode == LATE && rogue->last)
        host->op_done(host, rogue->last, NULL);
    if (rogue->mode == FOREIGN)
        host->op_done(host, op ^ 0x5555000000000000u, NULL);
    rogue->last = op;
    if (rogue->mode == CANCEL)
        return;
    if (rogue->mode == WILD)
        plain_done(self, op);
    else
        plain_publish(self, op, arguments);
    if (rogue->mode == TWICE)
        host->op_done(host, op, NULL);
}

static void cancel(void *self, outbox_op_t op)
{
    struct rogue *rogue = self;
    struct outbox_error error = {.code = OUTBOX_E_CANCELED, .text = "canceled"};
    rogue->host->op_done(rogue->host, op, &error);
}

static const struct outbox_broker_ops ops = {
    .struct_size = sizeof ops, PLAIN_BROKER_OPS, .publish = publish, .cancel = cancel};

OUTBOX_PLUGIN(broker, rogue) = {PLAIN_DESCRIPTOR("rogue", &ops), .kind = OUTBOX_BROKER,
                                .instance_size = sizeof(struct rogue), .options = options, .option_count = 1};

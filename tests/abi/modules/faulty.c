/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/abi/modules/faulty.c - a broker that breaks the completion contract in the way that `mode` names
 *
 * twice: completes each op twice. late: completes an op again when the next one comes. foreign: also completes an op
 * that the host never submitted. cancel: completes only when canceled. wild: reports impossible outcomes.
 */
#include "plain.h"

enum mode { TWICE, LATE, FOREIGN, CANCEL, IMPOSSIBLE };
static const char *const modes[] = {"twice", "late", "foreign", "cancel", "impossible", NULL};

struct faulty {
    const struct outbox_host *host; /* first, as in struct plain */
    int64_t mode;
    outbox_op_t last;
};

static const struct outbox_option options[] = {
    {.name = "mode",
     .type = OUTBOX_OPT_ENUM,
     .offset = offsetof(struct faulty, mode),
     .default_value = "twice",
     .choices = modes,
     .help = "how it breaks the contract"},
};

static void publish(void *self, outbox_op_t op, const struct outbox_publish *arguments)
{
    struct faulty *faulty = self;
    const struct outbox_host *host = faulty->host;
    uint32_t indexes[] = {0, 0, UINT32_MAX};
    struct outbox_outcomes wild = {
        .struct_size = sizeof wild, .outcome = OUTBOX_DELIVERED, .indexes = indexes, .count = 3};
    if (faulty->mode == IMPOSSIBLE)
        host->outcomes(host, op, &wild);
    if (faulty->mode == LATE && faulty->last)
        host->op_done(host, faulty->last, NULL);
    if (faulty->mode == FOREIGN)
        host->op_done(host, op ^ 0x5555000000000000u, NULL);
    faulty->last = op;
    if (faulty->mode == CANCEL)
        return;
    if (faulty->mode == IMPOSSIBLE)
        plain_done(self, op);
    else
        plain_publish(self, op, arguments);
    if (faulty->mode == TWICE)
        host->op_done(host, op, NULL);
}

static void cancel(void *self, outbox_op_t op)
{
    struct faulty *faulty = self;
    struct outbox_error error = {.code = OUTBOX_E_CANCELED, .text = "canceled"};
    faulty->host->op_done(faulty->host, op, &error);
}

static const struct outbox_broker_ops ops = {
    .struct_size = sizeof ops, PLAIN_BROKER_OPS, .publish = publish, .cancel = cancel};

OUTBOX_PLUGIN(broker, faulty) = {PLAIN_DESCRIPTOR("faulty", &ops), .kind = OUTBOX_BROKER,
                                 .instance_size = sizeof(struct faulty), .options = options, .option_count = 1};

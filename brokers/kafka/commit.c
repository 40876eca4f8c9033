/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/commit.c - writes the progress record and commits; on a worker
 *
 *     fold what was settled and what was handed over -> produce the record -> commit in slices -> begin the next one
 *
 * commit_transaction waits until all messages are reported, and the loop thread reads those reports meanwhile. It may
 * take as long as a broker hangs, so it is called in slices, between which a stop can end it.
 *
 * Failure modes: before the commit was called, nothing is committed. A commit that fails or is given up: unknown, and
 * the next start finds out. A commit that succeeded with more than one EndTxn: committed, and the producer is replaced.
 */
#include <string.h>
#include <time.h>

#include "broker.h"

#define QUEUE_FULL_NS 5000000 /* until the next attempt to put a record into a full queue */

static rd_kafka_resp_err_t produce(struct kafka_broker *self, uint32_t part, size_t size)
{
    char key[KAFKA_PROGRESS_KEY];
    struct kafka_transaction *transaction = &self->transaction;
    size_t key_size = kafka_progress_key(self->transactional_id, part, key);
    int failed = rd_kafka_produce(transaction->topic, (int32_t)self->progress_partition, RD_KAFKA_MSG_F_COPY,
                                  transaction->buffer, size, key, key_size, NULL);
    return failed ? rd_kafka_last_error() : RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* The events of the transaction may fill librdkafka's queue. Their reports, which the loop thread reads, empty it. */
static int produce_part(struct kafka_broker *self, const struct kafka_progress_part *part, struct outbox_error *error)
{
    const struct timespec pause = {.tv_nsec = QUEUE_FULL_NS};
    struct kafka_transaction *transaction = &self->transaction;
    size_t size = kafka_progress_encode(&transaction->progress, part, transaction->buffer);
    rd_kafka_resp_err_t err;
    while ((err = produce(self, part->part, size)) == RD_KAFKA_RESP_ERR__QUEUE_FULL &&
           !atomic_load(&transaction->cancel))
        nanosleep(&pause, NULL);
    if (!err)
        return OUTBOX_OK;
    return kafka_error(error, OUTBOX_E_NOT_CONNECTED, err, "write the progress record to topic '%s': %s",
                       self->progress_topic, rd_kafka_err2str(err));
}

static int prepare(struct kafka_broker *self, struct outbox_error *error)
{
    struct kafka_transaction *transaction = &self->transaction;
    if (!transaction->buffer)
        transaction->buffer = self->host->alloc(self->host, KAFKA_PROGRESS_BYTES);
    if (!transaction->topic)
        transaction->topic = rd_kafka_topic_new(self->clients[KAFKA_MAIN].rk, self->progress_topic, NULL);
    if (!transaction->buffer || !transaction->topic || kafka_progress_fold(&transaction->progress))
        return kafka_error(error, OUTBOX_E_NO_MEMORY, 0, "write the progress record: out of memory");
    return OUTBOX_OK;
}

static int write_record(struct kafka_broker *self, struct outbox_error *error)
{
    struct kafka_transaction *transaction = &self->transaction;
    struct kafka_progress_part part = {.epoch = transaction->epoch,
                                       .sequence = ++transaction->sequence,
                                       .parts = kafka_progress_parts(&transaction->progress)};
    memcpy(part.outbox, transaction->outbox, sizeof part.outbox);
    int rc = OUTBOX_OK;
    for (; !rc && part.part < part.parts; part.part++)
        rc = produce_part(self, &part, error);
    memcpy(transaction->written_outbox, transaction->outbox, sizeof transaction->written_outbox);
    return rc;
}

static int commit(struct kafka_broker *self, struct outbox_error *error)
{
    rd_kafka_t *rk = self->clients[KAFKA_MAIN].rk;
    for (rd_kafka_error_t *cause; (cause = rd_kafka_commit_transaction(rk, KAFKA_SLICE_MS));) {
        if (!rd_kafka_error_is_retriable(cause))
            return kafka_transaction_error(self, "commit a transaction", cause, error);
        rd_kafka_error_destroy(cause);
        if (atomic_load(&self->transaction.cancel))
            return kafka_error(error, OUTBOX_E_CANCELED, 0,
                               "commit a transaction of transactional.id '%s': no answer in time",
                               self->transactional_id);
    }
    return OUTBOX_OK;
}

/* After a commit that succeeded. */
static void go_on(struct kafka_broker *self, unsigned ends, struct outbox_error *error)
{
    if (ends == 1)
        kafka_transaction_begin(self, error);
    else
        kafka_error(error, OUTBOX_E_NOT_CONNECTED, 0,
                    "a transaction of transactional.id '%s' is committed, and its end was sent %u times: a late one "
                    "would end the next transaction, so a new producer is made",
                    self->transactional_id, ends);
}

void kafka_commit_work(struct outbox_work *work)
{
    struct kafka_broker *self = work->arg;
    struct kafka_transaction *transaction = &self->transaction;
    struct outbox_error *error = &self->commit.error;
    int rc = OUTBOX_FAILPOINT_ERROR(self->host, kafka_transaction, before_commit, error);
    if (!rc)
        rc = prepare(self, error);
    if (!rc)
        rc = write_record(self, error);
    if (rc)
        return;
    unsigned before = atomic_load(&transaction->ends);
    transaction->attempted = true;
    OUTBOX_FAILPOINT(self->host, kafka_transaction, in_commit);
    if (commit(self, error))
        return;
    transaction->committed = true;
    OUTBOX_FAILPOINT(self->host, kafka_transaction, committed);
    go_on(self, atomic_load(&transaction->ends) - before, error);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* brokers/kafka/transaction.c - when a transaction ends, and what its events are reported as; see transaction.h */
#include <outbox/plugin_util.h>
#include <stdio.h>
#include <string.h>

#include "broker.h"

#define IDLE_NS 10000000u /* nothing has come for so long: commit what there is */
/* After the last commit, when nothing comes: a record without the events that have left the outbox since. */
#define CLEAR_NS 1000000000u

/* ---- start ------------------------------------------------------------------------------------------------------- */

/* What the relay knows of positions holds for one ownership. */
static bool is_same_ownership(const struct kafka_transaction *transaction, const struct outbox_broker_start *start)
{
    return start->epoch && start->epoch == transaction->epoch && start->outbox &&
           !strcmp(start->outbox, transaction->outbox);
}

void kafka_transaction_start(struct kafka_broker *self, const struct outbox_broker_start *start)
{
    struct kafka_transaction *transaction = &self->transaction;
    transaction->progress.host = self->host;
    if (!is_same_ownership(transaction, start))
        kafka_progress_forget(&transaction->progress);
    transaction->epoch = start->epoch;
    snprintf(transaction->outbox, sizeof transaction->outbox, "%s", start->outbox ? start->outbox : "");
    transaction->ended_at = self->host->now(self->host);
    transaction->state = KAFKA_TRANSACTION_OPEN;
    transaction->broken = transaction->full = false;
    transaction->rows = 0;
    transaction->publishes = NULL;
    atomic_store(&transaction->cancel, false);
    self->order = start->order;
}

/* The clients are to be destroyed. */
void kafka_transaction_close(struct kafka_broker *self)
{
    struct kafka_transaction *transaction = &self->transaction;
    self->host->timer_clear(transaction->timer);
    if (transaction->topic)
        rd_kafka_topic_destroy(transaction->topic);
    transaction->topic = NULL;
    self->host->release(self->host, transaction->buffer);
    transaction->buffer = NULL;
    kafka_progress_close(&transaction->progress);
}

/* ---- handing over ------------------------------------------------------------------------------------------------ */

bool kafka_transaction_takes(const struct kafka_broker *self)
{
    const struct kafka_transaction *transaction = &self->transaction;
    return transaction->state == KAFKA_TRANSACTION_OPEN && !transaction->full &&
           transaction->rows < KAFKA_TRANSACTION_ROWS;
}

bool kafka_transaction_takes_alone(struct kafka_broker *self)
{
    struct kafka_transaction *transaction = &self->transaction;
    if (transaction->rows)
        transaction->full = true; /* it comes with the next one */
    return !transaction->rows;
}

void kafka_transaction_fill(struct kafka_broker *self)
{
    self->transaction.full = true;
}

bool kafka_transaction_reserve(struct kafka_broker *self)
{
    struct outbox_error error;
    if (!kafka_progress_reserve(&self->transaction.progress) && !kafka_progress_refresh(&self->transaction.progress))
        return true;
    kafka_error(&error, OUTBOX_E_NO_MEMORY, 0, "publish: out of memory for the progress record");
    kafka_replace_producer(self, &error);
    return false;
}

static void join(struct kafka_transaction *transaction, struct kafka_publish *publish)
{
    if (publish->in_transaction)
        return;
    publish->in_transaction = true;
    publish->next_in_transaction = transaction->publishes;
    transaction->publishes = publish;
}

void kafka_transaction_sent(struct kafka_broker *self, struct kafka_publish *publish,
                            const struct outbox_message *message)
{
    struct kafka_transaction *transaction = &self->transaction;
    uint64_t now = self->host->now(self->host);
    if (!transaction->rows++)
        transaction->began_at = now;
    transaction->last_at = now;
    kafka_progress_add(&transaction->progress, message);
    join(transaction, publish);
}

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

static void report_kept(struct kafka_broker *self, struct kafka_publish *publish, uint32_t outcome,
                        const struct outbox_error *error)
{
    uint32_t count = publish->delivered;
    publish->delivered = 0;
    kafka_report(self, publish, self->slots[publish->slot].indexes, count, outcome, error);
}

static void count_ended(const struct outbox_host *host, bool committed)
{
    if (OUTBOX_HAS_MEMBER(host, transaction_ended))
        host->transaction_ended(host, committed);
}

/* The transaction is over: each of its publishes gets rid of what was kept back. error NULL: committed. */
static void release(struct kafka_broker *self, uint32_t outcome, const struct outbox_error *error)
{
    struct kafka_transaction *transaction = &self->transaction;
    for (struct kafka_publish *publish = transaction->publishes, *next; publish; publish = next) {
        next = publish->next_in_transaction;
        publish->in_transaction = false;
        if (error)
            report_kept(self, publish, outcome, error);
        kafka_publish_changed(self, publish);
    }
    transaction->publishes = NULL;
    transaction->rows = 0;
    transaction->full = false;
    count_ended(self->host, !error);
}

void kafka_transaction_report_late(struct kafka_broker *self, struct kafka_publish *publish, uint32_t index)
{
    struct outbox_error error;
    kafka_error(&error, OUTBOX_E_UNKNOWN_OUTCOME, 0, "publish: reported after its transaction was given up");
    kafka_report(self, publish, &index, 1, OUTBOX_UNKNOWN, &error);
}

bool kafka_transaction_note_silence(struct kafka_broker *self, const struct kafka_topic *topic)
{
    if (self->state != KAFKA_RUNNING) /* of the same producer, after the first message */
        return topic->state == KAFKA_TOPIC_FAILING;
    return topic->failures || self->transaction.silences++;
}

void kafka_transaction_break(struct kafka_broker *self)
{
    if (self->exactly_once && self->transaction.state != KAFKA_TRANSACTION_COMMITTING)
        self->transaction.broken = true;
}

void kafka_transaction_cancel(struct kafka_broker *self)
{
    atomic_store(&self->transaction.cancel, true);
    kafka_transaction_break(self);
}

static void release_broken(struct kafka_broker *self)
{
    struct outbox_error error;
    kafka_error(&error, OUTBOX_E_NOT_CONNECTED, 0, "publish: its transaction is not committed");
    release(self, OUTBOX_NOT_CONNECTED, &error);
}

/* ---- the commit -------------------------------------------------------------------------------------------------- */

static void log_forgotten(struct kafka_broker *self)
{
    struct kafka_progress *progress = &self->transaction.progress;
    if (!progress->forgotten)
        return;
    self->host->log(
        self->host, OUTBOX_LOG_WARN,
        "%u published events are not known to have left the outbox, and the progress record has no room for "
        "more than %u: should they still be there at the next start, they are published again",
        progress->forgotten, KAFKA_PROGRESS_MAX);
    progress->forgotten = 0;
}

static void begin_pause(struct kafka_broker *self)
{
    struct kafka_transaction *transaction = &self->transaction;
    uint64_t length_us = kafka_pause_next(&transaction->pause) / 1000;
    if (!length_us)
        return;
    transaction->state = KAFKA_TRANSACTION_PAUSED;
    self->host->timer_set(transaction->timer, length_us);
}

static void commit_done(struct outbox_work *work)
{
    struct kafka_broker *self = work->arg;
    struct kafka_transaction *transaction = &self->transaction;
    const struct outbox_error *error = &self->commit.error;
    self->commit.running = false;
    if (error->code == OUTBOX_E_FENCED)
        kafka_replace_producer(self, error); /* before messages that failed for it give another reason */
    kafka_read_reports(self);
    transaction->state = KAFKA_TRANSACTION_OPEN;
    transaction->ended_at = self->host->now(self->host);
    kafka_progress_end_commit(&transaction->progress, transaction->committed);
    log_forgotten(self);
    if (transaction->committed && transaction->rows && !transaction->full) /* a message that was alone proves little */
        transaction->silences = 0;
    if (transaction->committed)
        release(self, OUTBOX_DELIVERED, NULL);
    else
        release(self, transaction->attempted ? OUTBOX_UNKNOWN : OUTBOX_NOT_CONNECTED, error);
    if (error->code) {
        transaction->broken = true;
        kafka_replace_producer(self, error);
    } else {
        begin_pause(self);
    }
    kafka_request_turn(self);
}

static void begin_commit(struct kafka_broker *self)
{
    struct kafka_transaction *transaction = &self->transaction;
    self->host->timer_clear(transaction->timer);
    transaction->state = KAFKA_TRANSACTION_COMMITTING;
    transaction->attempted = transaction->committed = false;
    kafka_progress_take_settled(&transaction->progress);
    self->commit = (struct kafka_job){0};
    kafka_run_job(self, &self->commit, kafka_commit_work, commit_done);
}

static uint64_t due_at(const struct kafka_broker *self)
{
    const struct kafka_transaction *transaction = &self->transaction;
    uint64_t interval = transaction->began_at + (uint64_t)self->transaction_ms * 1000000u;
    uint64_t idle = transaction->last_at + IDLE_NS;
    return !self->pending && idle < interval ? idle : interval;
}

static bool is_over(struct kafka_broker *self, uint64_t due)
{
    uint64_t now = self->host->now(self->host);
    if (now >= due)
        return true;
    self->host->timer_set(self->transaction.timer, (due - now) / 1000 + 1);
    return false;
}

static bool is_due(struct kafka_broker *self)
{
    const struct kafka_transaction *transaction = &self->transaction;
    return transaction->full || transaction->rows >= KAFKA_TRANSACTION_ROWS || self->state == KAFKA_STOPPING ||
           is_over(self, due_at(self));
}

/* Without events: only the record is to be written again. */
static bool is_clear_due(struct kafka_broker *self)
{
    const struct kafka_transaction *transaction = &self->transaction;
    return transaction->progress.settled.count && self->state == KAFKA_RUNNING &&
           is_over(self, transaction->ended_at + CLEAR_NS);
}

void kafka_transaction_step(struct kafka_broker *self)
{
    struct kafka_transaction *transaction = &self->transaction;
    if (!self->exactly_once || transaction->state != KAFKA_TRANSACTION_OPEN)
        return;
    if (transaction->broken && transaction->rows && !self->in_flight)
        release_broken(self); /* all that it has was reported */
    else if (!transaction->broken && (transaction->rows ? is_due(self) : is_clear_due(self)))
        begin_commit(self);
}

void kafka_transaction_due(void *plugin)
{
    struct kafka_broker *self = plugin;
    if (self->transaction.state == KAFKA_TRANSACTION_PAUSED)
        self->transaction.state = KAFKA_TRANSACTION_OPEN;
    kafka_request_turn(self);
}

bool kafka_transaction_idle(const struct kafka_broker *self)
{
    const struct kafka_transaction *transaction = &self->transaction;
    return !self->exactly_once || (transaction->state != KAFKA_TRANSACTION_COMMITTING && !transaction->rows);
}

/* ---- what the relay knows ---------------------------------------------------------------------------------------- */

void kafka_record(void *plugin, const struct outbox_record *record)
{
    struct kafka_broker *self = plugin;
    struct kafka_progress *progress = &self->transaction.progress;
    if (!self->exactly_once || !progress->host)
        return;
    if (record->what == OUTBOX_RECORD_SETTLED)
        kafka_progress_settled(progress, record->positions, record->count);
    else if (record->what == OUTBOX_RECORD_REWIND && self->state != KAFKA_STARTING) /* a worker reads the record */
        kafka_progress_rewind(progress);
    else if (record->what == OUTBOX_RECORD_PRESENT)
        kafka_progress_present(progress, record->positions, record->count);
    else if (record->what == OUTBOX_RECORD_COMPLETE)
        kafka_progress_complete(progress);
    if (progress->settled.count && !self->transaction.rows)
        kafka_request_turn(self); /* kafka_transaction_step() */
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/progress_read.c - reads the last progress record at a start; on a worker
 *
 *     high water -> read from a few offsets before it up to it -> no whole record of ours? further back, to the begin
 *
 * Called after init_transactions, so no transaction of this outbox is open. The high water must be the true one, and
 * the reader waits until its position reaches it: a read_committed reader stops before the open transaction of anybody
 * else, and would not see our record behind that. Such a writer in our partition is refused afterwards, when it shows a
 * record.
 *
 * Failure modes: no topic or partition (NOT_FOUND), not readable (PERMISSION), records of another outbox (CONFIG), of a
 * later owner of this outbox (FENCED, once for each record), or that cannot be understood (CORRUPT). Each ends the
 * start with what to do.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <outbox/text_util.h>

#include "broker.h"

#define UNKNOWN_TRIES 30
#define STEP_MIN 8 /* offsets; eight times as many after each step without a whole record */

struct reading {
    struct kafka_broker *self;
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    struct kafka_progress_part last; /* of our messages; parts 0: there is none */
    uint32_t seen;                   /* parts of it, from its first on */
    char stranger[128];              /* the key of a record of another outbox; "": none */
};

/* ---- the reader -------------------------------------------------------------------------------------------------- */

static int fail(const struct kafka_broker *self, int code, rd_kafka_resp_err_t err, const char *why,
                struct outbox_error *error)
{
    return kafka_error(error, code, err, "read the progress record in partition %lld of topic '%s': %s",
                       (long long)self->progress_partition, self->progress_topic, why);
}

static rd_kafka_t *open_client(struct kafka_broker *self, struct outbox_error *error)
{
    char text[KAFKA_ERRSTR];
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(self->conf);
    static const char *const settings[][2] = {
        {"isolation.level", "read_committed"}, {"enable.partition.eof", "true"}, {"enable.auto.commit", "false"},
        {"auto.offset.reset", "earliest"},     {"fetch.wait.max.ms", "50"},      {"allow.auto.create.topics", "false"}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        rd_kafka_conf_set(conf, settings[i][0], settings[i][1], text, sizeof text);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (rk)
        return rk;
    rd_kafka_conf_destroy(conf);
    fail(self, OUTBOX_E_CONFIG, rd_kafka_last_error(), text, error);
    return NULL;
}

static int error_of(const struct kafka_broker *self, rd_kafka_resp_err_t err, struct outbox_error *error)
{
    char why[400];
    switch (err) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        snprintf(why, sizeof why,
                 "it does not exist; create it: kafka-topics.sh --bootstrap-server '%.*s' --create --topic '%.*s' "
                 "--partitions %lld --config cleanup.policy=compact",
                 OUTBOX_CUT(self->bootstrap, 100), OUTBOX_CUT(self->progress_topic, 100),
                 (long long)self->progress_partition + 1);
        return fail(self, OUTBOX_E_NOT_FOUND, err, why, error);
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return fail(self, OUTBOX_E_PERMISSION, err, "allow this user Read, Write and Describe on the topic", error);
    default:
        return fail(self, OUTBOX_E_NOT_CONNECTED, err, rd_kafka_err2str(err), error);
    }
}

static int canceled(const struct kafka_broker *self, struct outbox_error *error)
{
    return fail(self, OUTBOX_E_CANCELED, 0,
                "not done in time; is another producer's transaction open there, or no broker reachable?", error);
}

static bool may_pass(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR__TIMED_OUT || err == RD_KAFKA_RESP_ERR__TRANSPORT ||
           err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE || err == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
           err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
}

static bool is_unknown(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
           err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

/* A topic that was just created is unknown to some brokers for a moment. By the transactional client, which is
 * read_uncommitted: see kafka_transactional_conf(). */
static int get_bounds(struct kafka_broker *self, int64_t *low, int64_t *high, struct outbox_error *error)
{
    const struct timespec pause = {.tv_nsec = 100000000};
    for (int tries = 0;; tries++) {
        rd_kafka_resp_err_t err =
            rd_kafka_query_watermark_offsets(self->clients[KAFKA_MAIN].rk, self->progress_topic,
                                             (int32_t)self->progress_partition, low, high, KAFKA_SLICE_MS * 5);
        if (!err)
            return OUTBOX_OK;
        if (!may_pass(err) && !(is_unknown(err) && tries < UNKNOWN_TRIES))
            return error_of(self, err, error);
        if (atomic_load(&self->cancel_workers))
            return canceled(self, error);
        nanosleep(&pause, NULL);
        kafka_broker_answers(self, self->transaction.topic, KAFKA_SLICE_MS); /* else "unknown" is remembered */
    }
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static void note_stranger(struct reading *reading, const rd_kafka_message_t *message)
{
    if (message->payload && !reading->stranger[0])
        snprintf(reading->stranger, sizeof reading->stranger, "%.*s",
                 outbox_cut_bytes((struct outbox_bytes){message->key, message->key_len}, sizeof reading->stranger - 1),
                 message->key ? (const char *)message->key : "");
}

/* Parts that follow their first part count; others are of a record whose begin lies before the window. */
static int note_ours(struct reading *reading, const rd_kafka_message_t *message, struct outbox_error *error)
{
    struct kafka_broker *self = reading->self;
    struct kafka_progress_part part;
    int rc = kafka_progress_decode(&self->transaction.progress, message->payload, message->len, &part);
    if (rc)
        return fail(self, rc, 0,
                    rc == OUTBOX_E_NO_MEMORY
                        ? "out of memory"
                        : "a record cannot be read: a later version of outbox, or something else, wrote it; use that "
                          "version, or drain the outbox and use another partition",
                    error);
    bool follows = part.part && part.part == reading->seen && part.sequence == reading->last.sequence;
    reading->seen = !part.part ? 1 : follows ? reading->seen + 1 : 0;
    reading->last = part;
    return OUTBOX_OK;
}

static int on_message(struct reading *reading, const rd_kafka_message_t *message, int64_t *position,
                      struct outbox_error *error)
{
    if (message->err && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
        return may_pass(message->err) ? OUTBOX_OK : error_of(reading->self, message->err, error);
    int64_t next = message->offset + (message->err ? 0 : 1);
    *position = next > *position ? next : *position;
    if (message->err)
        return OUTBOX_OK;
    if (message->key && kafka_progress_is_key(reading->self->transactional_id, message->key, message->key_len))
        return note_ours(reading, message, error);
    note_stranger(reading, message);
    return OUTBOX_OK;
}

static int read_to(struct reading *reading, int64_t position, int64_t end, struct outbox_error *error)
{
    int32_t partition = (int32_t)reading->self->progress_partition;
    int rc = OUTBOX_OK;
    while (!rc && position < end) {
        rd_kafka_message_t *message = rd_kafka_consume(reading->topic, partition, KAFKA_SLICE_MS);
        if (message) {
            rc = on_message(reading, message, &position, error);
            rd_kafka_message_destroy(message);
        }
        if (!rc && position < end && atomic_load(&reading->self->cancel_workers))
            rc = canceled(reading->self, error);
    }
    return rc;
}

static int read_window(struct reading *reading, int64_t from, int64_t end, struct outbox_error *error)
{
    int32_t partition = (int32_t)reading->self->progress_partition;
    reading->seen = reading->last.parts = 0;
    kafka_progress_clear(&reading->self->transaction.progress);
    if (rd_kafka_consume_start(reading->topic, partition, from))
        return error_of(reading->self, rd_kafka_last_error(), error);
    int rc = read_to(reading, from, end, error);
    rd_kafka_consume_stop(reading->topic, partition);
    return rc;
}

static bool has_whole_record(const struct reading *reading)
{
    return reading->last.parts && reading->seen == reading->last.parts;
}

static int read_back(struct reading *reading, struct outbox_error *error)
{
    int64_t low = 0, high = 0;
    int rc = get_bounds(reading->self, &low, &high, error);
    for (int64_t step = STEP_MIN; !rc && low < high; step *= 8) {
        int64_t from = high - low > step ? high - step : low;
        rc = read_window(reading, from, high, error);
        if (has_whole_record(reading) || from == low)
            break;
    }
    return rc;
}

/* ---- the result -------------------------------------------------------------------------------------------------- */

static int refuse_stranger(const struct reading *reading, struct outbox_error *error)
{
    const struct kafka_broker *self = reading->self;
    char why[320];
    snprintf(why, sizeof why,
             "it has records of transactional.id '%.*s', and a partition is for one outbox; set progress_partition or "
             "progress_topic to one of its own",
             OUTBOX_CUT(reading->stranger, 80));
    return fail(self, OUTBOX_E_CONFIG, 0, why, error);
}

/* This instance wrote a record for its outbox, and after that somebody wrote one for another outbox. */
static bool is_used_twice(const struct kafka_transaction *transaction, const struct kafka_progress_part *last)
{
    return transaction->written_outbox[0] && last->outbox[0] &&
           !strcmp(transaction->written_outbox, transaction->outbox) && strcmp(last->outbox, transaction->outbox) != 0;
}

/* The host proves its ownership before the next start. If the same record is found again, the database has lost the
 * commits of that owner. */
static int judge_later(struct kafka_broker *self, const struct kafka_progress_part *last, struct outbox_error *error)
{
    struct kafka_transaction *transaction = &self->transaction;
    if (transaction->fenced_by != last->sequence) {
        transaction->fenced_by = last->sequence;
        return kafka_error(error, OUTBOX_E_FENCED, 0,
                           "read the progress record of transactional.id '%s': a later owner of the outbox wrote it",
                           self->transactional_id);
    }
    self->host->log(
        self->host, OUTBOX_LOG_WARN,
        "the progress record is of epoch %llu, and this relay owns the outbox with epoch %llu: the database "
        "lost commits, as after a restore; each event is compared with the record by its event id, too",
        (unsigned long long)last->epoch, (unsigned long long)transaction->epoch);
    return OUTBOX_OK;
}

static int judge(const struct reading *reading, struct outbox_error *error)
{
    struct kafka_broker *self = reading->self;
    const struct kafka_transaction *transaction = &self->transaction;
    const struct kafka_progress_part *last = &reading->last;
    if (reading->stranger[0])
        return refuse_stranger(reading, error);
    if (!has_whole_record(reading))
        return OUTBOX_OK;
    if (is_used_twice(transaction, last))
        return kafka_error(error, OUTBOX_E_CONFIG, 0,
                           "transactional.id '%s' is also used for another outbox, '%s': give each its own",
                           self->transactional_id, last->outbox);
    bool same = !strcmp(last->outbox, transaction->outbox);
    if (same && transaction->epoch && last->epoch > transaction->epoch && judge_later(self, last, error))
        return error->code;
    if (!same && last->outbox[0] && transaction->outbox[0])
        self->host->log(self->host, OUTBOX_LOG_WARN,
                        "the progress record is of '%s', the outbox is '%s' now: its positions may mean other events, "
                        "so each is compared by its event id, too",
                        last->outbox, transaction->outbox);
    return OUTBOX_OK;
}

static int take(struct reading *reading, struct outbox_error *error)
{
    struct kafka_broker *self = reading->self;
    struct kafka_transaction *transaction = &self->transaction;
    if (!has_whole_record(reading))
        kafka_progress_clear(&transaction->progress);
    else if (reading->last.sequence > transaction->sequence)
        transaction->sequence = reading->last.sequence;
    if (kafka_progress_recover(&transaction->progress))
        return fail(self, OUTBOX_E_NO_MEMORY, 0, "out of memory", error);
    uint32_t count = transaction->progress.recovered.count;
    self->host->log(self->host, count ? OUTBOX_LOG_INFO : OUTBOX_LOG_DEBUG,
                    "the progress record names %u published events; those that are still in the outbox are removed "
                    "without being published again",
                    count);
    return OUTBOX_OK;
}

int kafka_progress_read(struct kafka_broker *self, struct outbox_error *error)
{
    struct reading reading = {.self = self, .rk = open_client(self, error)};
    if (!reading.rk)
        return error->code;
    kafka_progress_clear(&self->transaction.progress);
    if (!self->transaction.topic)
        self->transaction.topic = rd_kafka_topic_new(self->clients[KAFKA_MAIN].rk, self->progress_topic, NULL);
    reading.topic = rd_kafka_topic_new(reading.rk, self->progress_topic, NULL);
    int rc = reading.topic ? read_back(&reading, error) : error_of(self, rd_kafka_last_error(), error);
    if (!rc)
        rc = judge(&reading, error);
    if (!rc)
        rc = take(&reading, error);
    if (reading.topic)
        rd_kafka_topic_destroy(reading.topic);
    rd_kafka_destroy(reading.rk);
    return rc;
}

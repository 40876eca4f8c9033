/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/error.h - what the errors of librdkafka and of the broker mean for an event, its topic and the producer
 */
#ifndef OBX_BROKERS_KAFKA_ERROR_H
#define OBX_BROKERS_KAFKA_ERROR_H

#include <librdkafka/rdkafka.h>

#include <outbox/failpoint.h>

/* The cause of an error. */
enum kafka_fault {
    KAFKA_FAULT_EVENT,   /* this event */
    KAFKA_FAULT_BATCH,   /* one event of the batch that the broker refused as a whole */
    KAFKA_FAULT_TOPIC,   /* the topic: none of its events can be written now */
    KAFKA_FAULT_PRODUCER /* the producer: it has to be replaced */
};

struct kafka_verdict {
    uint32_t outcome; /* enum outbox_outcome */
    int32_t code;     /* enum outbox_status; 0 with OUTBOX_DELIVERED */
    enum kafka_fault fault;
};

/* chosen_partition: the event names its partition itself. */
struct kafka_verdict kafka_classify(rd_kafka_resp_err_t err, rd_kafka_msg_status_t status, bool chosen_partition);
/* The enum outbox_status of an error that kept the producer from connecting. */
int kafka_connect_code(rd_kafka_resp_err_t err);
/* The enum outbox_status of an error of a transaction: FENCED, PERMISSION, CONFIG, or NOT_CONNECTED. Any thread. */
int kafka_transaction_code(rd_kafka_resp_err_t err);
/* librdkafka's text about a connection: without its counts and times, which would make each failure another cause, and
 * with what to do. Any thread. */
void kafka_connect_text(const char *text, char *to, size_t size);
/* Fills error, which may be NULL; gives code. */
int kafka_error(struct outbox_error *error, int code, rd_kafka_resp_err_t native, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif

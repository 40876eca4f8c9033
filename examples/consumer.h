/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examples/consumer.h - a consumer that counts the orders of each customer, each order once
 *
 * consumer.c reads events from the file of outbox's file broker, as a Kafka consumer would read a partition: in
 * batches, with a position that it saves after the commit. consumer_postgres.c, consumer_mysql.c and consumer_sqlite.c
 * apply a batch in one transaction, with an inbox.
 */
#ifndef EXAMPLES_CONSUMER_H
#define EXAMPLES_CONSUMER_H

#include <stdbool.h>

#include <outbox/event.h>

enum { BATCH = 100, LINE_SIZE = 4096, KEY_SIZE = 64 };

struct batch {
    unsigned count;
    struct outbox_bytes ids[BATCH]; /* into lines */
    char customers[BATCH][KEY_SIZE];
    char lines[BATCH][LINE_SIZE];
};

/* argv: the program's arguments after NAME and FILE. False: it has printed the reason. */
bool database_open(char **argv);
/* One transaction. False: nothing of the batch was applied, and it has printed the reason. */
bool database_apply(const char *consumer, const struct batch *batch);
void database_close(void);

#endif

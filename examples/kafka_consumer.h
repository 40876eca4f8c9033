/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examples/kafka_consumer.h - counts the orders of each customer, each order once: a consumer of Kafka with the inbox
 * of level 2
 *
 * kafka_consumer.c reads the topic, in a consumer group. kafka_consumer_postgres.c and kafka_consumer_mysql.c apply a
 * batch in one transaction. Each function returns false after a failure, and has printed the reason.
 */
#ifndef EXAMPLES_KAFKA_CONSUMER_H
#define EXAMPLES_KAFKA_CONSUMER_H

#include <stdbool.h>

#include <outbox/window.h>

/* argv: the program's arguments after the topic. */
bool database_open(char **argv);
void database_close(void);

bool database_begin(void);
bool database_commit(void);
void database_rollback(void);

bool database_open_window(const struct outbox_window_place *place, struct outbox_window **window,
                          struct outbox_error *error);
bool database_save_window(struct outbox_window *window, struct outbox_error *error);
/* The inbox of level 1, for one event without a position in its order. */
bool database_take(const char *consumer, struct outbox_bytes id, bool *is_new, struct outbox_error *error);
bool database_count_order(const char *customer);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/common/inbox.h - what the outbox_*_inbox_take() functions share: arguments checked, ids parsed
 *
 * No state; any thread. Errors name the argument, and the index of an id.
 */
#ifndef OBX_WRITERS_COMMON_INBOX_H
#define OBX_WRITERS_COMMON_INBOX_H

#include <stdbool.h>
#include <stdint.h>

#include <outbox/error.h>
#include <outbox/event.h>

enum { INBOX_ID_SIZE = 16, INBOX_CONSUMER_MAX = 64, INBOX_IDS_MAX = 1000000 };

/* An id of the batch, and where it stands in it. */
struct inbox_id {
    uint8_t bytes[INBOX_ID_SIZE];
    uint32_t index;
};

/* "take the events of consumer billing": what is attempted, for errors. */
struct inbox_attempt {
    char text[100];
};
struct inbox_attempt inbox_attempt(const char *consumer);

/* OUTBOX_OK or INVALID. `connection` is only compared with NULL. */
int inbox_check_arguments(const void *connection, const char *consumer, const struct outbox_bytes *ids, size_t count,
                          const bool *is_new, struct outbox_error *error);
/* 1 to `most` printable ASCII characters without spaces. */
bool inbox_name_is_valid(const char *name, size_t most);
/* Fills error and returns INVALID: the caller has not begun a transaction. what: the attempt. */
int inbox_no_transaction(const char *what, struct outbox_error *error);
/* Fills error and returns SCHEMA: the database answered in another form than the inbox does. */
int inbox_bad_answer(const char *consumer, const char *what, struct outbox_error *error);

/* A UUID as text, 36 characters, or 32 without hyphens, to 16 bytes. OUTBOX_OK or INVALID. */
int inbox_parse_id(const char *consumer, const struct outbox_bytes *ids, size_t index, uint8_t to[INBOX_ID_SIZE],
                   struct outbox_error *error);
/* All of them, sorted by bytes and index, in memory of malloc() that the caller frees. OUTBOX_OK, INVALID, NO_MEMORY.
 */
int inbox_parse_sorted(const char *consumer, const struct outbox_bytes *ids, size_t count, struct inbox_id **sorted,
                       struct outbox_error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/common/window.h - what outbox_pg_window_open() and its siblings share: a window from its row, and to it
 *
 * No I/O. The functions of a database read the row before window_new(), and write it after window_to_save().
 */
#ifndef OBX_WRITERS_COMMON_WINDOW_H
#define OBX_WRITERS_COMMON_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include <outbox/window.h>

enum { WINDOW_TOPIC_MAX = 249 };

/* The row of a partition in outbox_inbox_position. */
struct window_row {
    int64_t next_offset, window_offset; /* -1: there is no row */
    int32_t fewest, most;               /* partitions, in all rows of the topic; 0: there are none */
};

/* "save the window of consumer billing for topic orders, partition 3": what is attempted, for errors. */
struct window_attempt {
    char text[224];
};
struct window_attempt window_attempt(const char *what, const struct outbox_window_place *place);

/* Columns: fewest and most partitions, next_offset, window_offset; the last two are null without a row. */
#define WINDOW_SELECT(consumer, topic, part)                                                                      \
    "SELECT min(partitions), max(partitions), max(CASE WHEN part = " part " THEN next_offset END), "              \
    "max(CASE WHEN part = " part " THEN window_offset END) FROM outbox_inbox_position WHERE consumer = " consumer \
    " AND topic = " topic

/* OUTBOX_OK or INVALID: the arguments of an open. `connection` and `window` are only compared with NULL. */
int window_check_place(const void *connection, const struct outbox_window_place *place, const void *window,
                       struct outbox_error *error);
enum { WINDOW_COLUMNS = 4 };
/* The cells of that result, as texts; NULL: null. `cells` NULL: it has not one row of so many columns. OUTBOX_OK, or
 * SCHEMA: it is not what the statement gives. */
int window_read_row(const struct outbox_window_place *place, const char *const *cells, struct window_row *row,
                    struct outbox_error *error);
/* The window begins with the row. OUTBOX_OK; UNSUPPORTED: partitions were added; NOT_FOUND: the broker has removed
 * messages that this consumer has not read; NO_MEMORY. The caller closes it. */
int window_new(const struct outbox_window_place *place, const struct window_row *row, struct outbox_window **window,
               struct outbox_error *error);

const struct outbox_window_place *window_place(const struct outbox_window *window);
/* The row of the last save, or as it was read; next_offset -1: none. */
int64_t window_saved(const struct outbox_window *window);
/* The row to write now. False: nothing was judged since the last save. */
bool window_to_save(struct outbox_window *window, struct window_row *row);
void window_set_saved(struct outbox_window *window, const struct window_row *row);
/* Fills error and returns FENCED: the row is not the one that this window has saved. */
int window_fenced(const struct outbox_window *window, struct outbox_error *error);

#endif

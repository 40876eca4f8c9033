/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/mysql/capture_fixture.h - a store that captures the binlog, as a relay drives it
 *
 * Keys of claimed events are collected as text: "a b c". Batches are kept until they are settled or forgotten.
 */
#ifndef OBX_TESTS_STORES_MYSQL_CAPTURE_FIXTURE_H
#define OBX_TESTS_STORES_MYSQL_CAPTURE_FIXTURE_H

#include "fixture.h"

enum { CAPTURE_BATCHES = 4096 };

struct capture {
    struct sql_fixture base;
    struct outbox_batch *batches[CAPTURE_BATCHES];
    uint32_t count;
    char keys[4000];
    uint32_t rows;    /* that were claimed since the last capture_forget() */
    uint64_t last;    /* major of the last one */
    uint32_t spooled; /* rows of batches with OUTBOX_BATCH_SPOOLED */
    bool behind;      /* the last claim gave nothing, and the reader has not come to the end of the log */
};

/* init, start, acquire. */
void capture_open(struct capture *capture, const char *table);
void capture_open_with(struct capture *capture, const char *table, const char *yaml); /* more lines of the section */
void capture_close(struct capture *capture);
/* Stops, starts and acquires again, as another process would. */
void capture_restart(struct capture *capture);
/* Statements, each %s is the table; with semicolons between. */
void capture_run(struct capture *capture, const char *sql);
/* Claims until a claim gives nothing; the keys must be these. */
void capture_expect(struct capture *capture, const char *keys);
/* The same after a rewind. */
void capture_expect_rewound(struct capture *capture, const char *keys);
int capture_claim(struct capture *capture, uint32_t flags, uint32_t max_rows); /* one batch; gives the error code */
/* The same, again while the reader has not come to the end of the log: on a busy machine it may be behind for long. */
void capture_await(struct capture *capture, uint32_t flags, uint32_t max_rows);
/* Releases the batches; nothing is settled. */
void capture_forget(struct capture *capture);
/* Settles rows `first` up to first + count - 1 of those that were claimed, with this low mark. */
int capture_settle(struct capture *capture, uint32_t first, uint32_t count, uint64_t low);
int capture_settle_asking(struct capture *capture, uint32_t first, uint32_t count, uint64_t low,
                          struct outbox_refused *refused);
int capture_spool(struct capture *capture, uint32_t first, uint32_t count, uint64_t low);
int capture_spool_counting(struct capture *capture, uint32_t first, uint32_t count, uint64_t low, uint64_t *refused);
void capture_replay(struct capture *capture);     /* all dead letters */
void capture_settle_all(struct capture *capture); /* that were claimed; then forgets them */
/* Claims until this error comes. */
void capture_expect_failure(struct capture *capture, int code, const char *part);
/* One text of the position row. */
char *capture_position(struct capture *capture);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/capture/dump.h - a connection on which the server sends its binlog
 *
 *     open: a worker connects, checks the position, sends the request -> events, on the loop -> close, or a failure
 *
 * Without TLS the loop reads the socket itself, in large pieces: the client library has only logged in. With TLS only
 * the library can read; a thread passes what it reads through a pair of sockets, in the same form.
 *
 * The server ends a stream when another with the same number connects: so each draws a random one from a range that is
 * rarely used. It sends a heartbeat when it has nothing else: a silent connection is dead.
 *
 * On the loop thread but for the worker and the thread.
 */
#ifndef OBX_BACKENDS_MYSQL_CAPTURE_DUMP_H
#define OBX_BACKENDS_MYSQL_CAPTURE_DUMP_H

#include <outbox/plugin.h>

#include "mysql/binlog/gtid_set.h"
#include "mysql/client.h"

enum mys_dump_answer {
    MYS_DUMP_NEXT,   /* the event was processed */
    MYS_DUMP_PAUSED, /* not completely: its bytes stay; mys_dump_go_on() */
    MYS_DUMP_TURN,   /* the same, and the stream goes on by itself in the next turn of the loop */
    MYS_DUMP_CLOSED  /* mys_dump_close() was called: nothing is touched any more */
};

/* What the stream begins with. Texts are copied. */
struct mys_dump_from {
    const struct mys_gtid_set *from; /* the log is read after these transactions */
    const struct mys_gtid_set *done; /* those that must have been executed by the server */
    const char *identity;            /* the server must be this one: hosts may have several addresses */
};

struct mys_dump_facts { /* of the server */
    bool has_checksums;
    bool fold_case; /* of table names */
};

struct mys_dump_job;

struct mys_dump {
    const struct outbox_host *host;
    void *arg;
    void (*opened)(void *arg, const struct mys_dump_facts *facts);
    /* data NULL: go on with the event before. */
    enum mys_dump_answer (*event)(void *arg, struct outbox_bytes event);
    void (*drained)(void *arg); /* the events that had come were processed, or it pauses */
    /* The stream has ended, or was never opened; it is closed. SCHEMA: the position is not in this server's log. */
    void (*failed)(void *arg, const struct outbox_error *error);
    void (*idle)(void *arg); /* a worker or thread has ended: `works` is less */

    /* private */
    struct mys_dump_job *job; /* opening, or open */
    uint32_t works;           /* workers and threads that have not ended, those of closed streams included */
    int fd;                   /* that is read */
    struct outbox_watch *watch;
    struct outbox_timer *timer; /* for silence */
    struct outbox_timer *turn;
    unsigned char *buffer;
    size_t room, at, have;
    size_t packet; /* bytes of the event that is being processed, with its head; 0: none */
    bool paused, heard;
    unsigned silent_ticks;
    uint64_t bytes; /* that were read since it was opened */
};

/* target: the strings must stay until works is 0. failed() may be called from inside. */
void mys_dump_open(struct mys_dump *dump, const struct mys_target *target, uint64_t timeout_ms,
                   const struct mys_dump_from *from);
void mys_dump_go_on(struct mys_dump *dump);
void mys_dump_go_on_soon(struct mys_dump *dump); /* in the next turn of the loop */
void mys_dump_close(struct mys_dump *dump);      /* nothing is called back, but for idle() */
void mys_dump_free(struct mys_dump *dump);       /* closed, and works is 0 */

#endif

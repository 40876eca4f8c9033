/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/mysql/blocking.h - detects calls on the loop thread that may block
 *
 * How long a step of the loop takes depends on the machine. A step that *can* take long must make one of a few system
 * calls: read, write or connect on a blocking descriptor, poll with a timeout, sleep, resolve a name, open a file. The
 * program that links blocking.c has those of libc replaced, for the client library and TLS as well; between begin() and
 * end(), on the thread that called begin(), each is noted that could wait. Other threads are ignored. The steps are
 * timed, too: for a reader, not for assertions.
 */
#ifndef OBX_TESTS_STORES_MYSQL_BLOCKING_H
#define OBX_TESTS_STORES_MYSQL_BLOCKING_H

struct blocking {
    unsigned calls;  /* that could have waited */
    char first[64];  /* which the first of them was; "" */
    unsigned io;     /* reads and writes on non-blocking sockets: shows that the detector works */
    unsigned steps;  /* of the loop: from one wait for events to the next */
    double worst_ms; /* of these, by the clock */
    double worst_cpu_ms;
};

void blocking_begin(struct blocking *into); /* adds to what is there; `into` must stay until end() */
void blocking_end(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/mysql/blocking.h - does the loop thread ever call what could wait?
 *
 * A step of the loop that takes long is a matter of the machine's mood, but a step that *can* take long has to make one
 * of a few system calls: it reads, writes or connects on a descriptor that blocks, polls with a timeout, sleeps, looks
 * up a name, opens a file. The program that links blocking.c has those of libc replaced, for the client library and TLS
 * as well; between begin() and end(), on the thread that called begin(), each is noted that could wait. Other threads
 * may do as they like. The steps are timed, too, for whoever wants to know: the figures are for reading, not asserting.
 */
#ifndef OBX_TESTS_STORES_MYSQL_BLOCKING_H
#define OBX_TESTS_STORES_MYSQL_BLOCKING_H

struct blocking {
    unsigned calls;  /* that could have waited */
    char first[64];  /* which the first of them was; "" */
    unsigned io;     /* reads and writes on sockets that do not block: that anything was looked at */
    unsigned steps;  /* of the loop: from one wait for events to the next */
    double worst_ms; /* of these, by the clock */
    double worst_cpu_ms;
};

void blocking_begin(struct blocking *into); /* adds to what is there; `into` must stay until end() */
void blocking_end(void);

#endif

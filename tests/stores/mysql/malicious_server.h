/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/mysql/malicious_server.h - a malicious server: just enough of the protocol for one session
 *
 * It listens on this machine, greets without offering TLS, and then either requests the password in clear text, or
 * accepts any login and answers each statement by requesting a file. It records everything that it receives.
 */
#ifndef OBX_TESTS_STORES_MYSQL_MALICIOUS_SERVER_H
#define OBX_TESTS_STORES_MYSQL_MALICIOUS_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct malicious_server {
    bool requests_password; /* request the password in clear text; else accept any login */
    bool wants_key;         /* wait for a request for the public key */
    const char *file;       /* that it asks for */
    unsigned port;
    int listener;
    pthread_t thread;
    unsigned logins, statements;
    bool was_asked_for_key;
    char got[1 << 16]; /* all that came, one packet after the other, without their heads */
    size_t size;
};

void malicious_server_start(struct malicious_server *malicious); /* with the first two fields set */
void malicious_server_end(
    struct malicious_server *malicious); /* waits for the end of the session, if there is one; then `got` can be read */
bool malicious_server_received(const struct malicious_server *malicious, const char *text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins/template/client.h - stands for a client library with a thread of its own; replace it by yours
 *
 * It takes requests at any time, answers each by itself on its thread, and keeps no order: as libnats, librabbitmq with
 * confirms, or most HTTP clients do. Here the thread writes event files.
 */
#ifndef TEMPLATE_CLIENT_H
#define TEMPLATE_CLIENT_H

#include "event_file.h"

struct client;

/* Owned by the caller; stays in place until answered() is called. */
struct client_request {
    struct client_request *next; /* private */
    const struct outbox_message *message;
    int status;                                       /* 0, an errno, or CLIENT_CLOSED */
    bool maybe;                                       /* with an errno: it may have been written all the same */
    void (*answered)(struct client_request *request); /* on the client's thread */
};
#define CLIENT_CLOSED (-1) /* it was not sent */

int client_open(const char *path, struct client **client); /* 0, or an errno; may block */
void client_send(struct client *client, struct client_request *request);
/* Answers what is left with CLIENT_CLOSED and ends the thread; may block. */
void client_close(struct client *client);

#endif

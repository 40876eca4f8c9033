/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/control/control.h - requests of operators over a socket in the file system (service.control)
 *
 * A request is one connection. The client sends fields, each ended by a NUL, and shuts its side down; the service sends
 * an exit code, a blank, and a line for people, and closes:
 *
 *     pause\0 orders\0                        -> 0 paused: no event is claimed until ...
 *     skip\0 orders\0 key=7\0 topic=placed\0  -> 65 no such key is blocked; ...
 *
 * Only the user of the service and root may connect: the mode of the socket is 0600. The kernel names the client's
 * process and user. Requests are handled one after another; a client that sends nothing is dropped after a second.
 */
#ifndef OBX_PROGRAM_CONTROL_CONTROL_H
#define OBX_PROGRAM_CONTROL_CONTROL_H

#include "base/log.h"
#include "loop/loop.h"
#include "relay/relay.h"

struct obx_control_server;

struct obx_control_events {
    /* Carry the request out; `by` is set. answer: as in obx_relay_control(). */
    void (*request)(void *arg, const char *relay, const struct obx_control_request *request,
                    struct outbox_error *answer);
    void (*idle)(void *arg); /* after obx_control_server_close(): it may be freed */
    void *arg;
};

/* address: "unix:PATH". Before other threads start. Errors: CONFIG, PERMISSION, NO_MEMORY. */
int obx_control_server_new(const char *address, struct obx_loop *loop, const struct obx_log *log,
                           const struct obx_control_events *events, struct obx_control_server **server,
                           struct outbox_error *error);
/* Accept no more; NULL is fine. True: it is idle. False: idle() follows. */
bool obx_control_server_close(struct obx_control_server *server);
void obx_control_server_free(struct obx_control_server *server); /* idle; NULL is fine */

/* "NAME (uid N, process N)" of the peer of a connection; it may read files and ask servers: not on the loop thread. */
void obx_control_describe_peer(int fd, char *text, size_t size);

/* The client's side; blocks. answer: the text for people, and why the service was not reached. Returns the exit code.
 */
int obx_control_send(const char *address, const char *action, const char *relay, const char *key, const char *topic,
                     struct outbox_error *answer);
/* False: the service knows no such action. */
bool obx_control_find_action(const char *name, enum obx_control_action *action);

#endif

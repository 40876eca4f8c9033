/* SPDX-License-Identifier: Apache-2.0 */
/* program/control/peer.c - who is at the other end of a socket, as the kernel knows it */
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>

#include "control/control.h"

void obx_control_describe_peer(int fd, char *text, size_t size)
{
    struct ucred peer;
    struct passwd entry, *found = NULL;
    socklen_t length = sizeof peer;
    char names[4096];
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length)) {
        snprintf(text, size, "an unknown process");
        return;
    }
    if (getpwuid_r(peer.uid, &entry, names, sizeof names, &found))
        found = NULL;
    snprintf(text, size, "%.40s (uid %u, process %d)", found ? found->pw_name : "a user without a name",
             (unsigned)peer.uid, (int)peer.pid);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/control/peer.c - who is at the other end of a socket, as the kernel knows it
 *
 * The name is that of /etc/passwd. getpwuid() may ask a server, without a time limit; the end of the process would wait
 * for it.
 */
#include <outbox/plugin_util.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>

#include "control/control.h"

static void find_name(uid_t uid, char *name, size_t size)
{
    struct passwd entry, *found;
    char names[4096];
    FILE *file = fopen("/etc/passwd", "re");
    snprintf(name, size, "a user without a name");
    while (file && !fgetpwent_r(file, &entry, names, sizeof names, &found))
        if (found->pw_uid == uid) {
            snprintf(name, size, "%.*s", OUTBOX_CUT(found->pw_name, size - 1));
            break;
        }
    if (file)
        fclose(file);
}

void obx_control_describe_peer(int fd, char *text, size_t size)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    char name[41];
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length)) {
        snprintf(text, size, "an unknown process");
        return;
    }
    find_name(peer.uid, name, sizeof name);
    snprintf(text, size, "%s (uid %u, process %d)", name, (unsigned)peer.uid, (int)peer.pid);
}

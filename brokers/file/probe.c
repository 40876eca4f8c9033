/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/probe.c - could the file be opened? For `outbox check`, which must leave everything as it is
 *
 * The same places are looked at as when it is opened in earnest, with the same refusals, but nothing is made, locked,
 * synced or cut. Failure: as of opening, except that another writer is none.
 */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* It would be made: is there the right to? */
static int look_at_directory(struct file_sink *sink, struct outbox_error *error)
{
    return faccessat(sink->dir, ".", W_OK | X_OK, AT_EACCESS) ? file_fail(error, errno, "make", sink->path) : OUTBOX_OK;
}

static int look_at_file(struct file_sink *sink, bool *in_use, struct outbox_error *error)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (file_identify(sink, sink->fd, error))
        return error->code;
    if (fcntl(sink->fd, F_OFD_GETLK, &all))
        return file_fail(error, errno, "look at the lock of", sink->path);
    *in_use = all.l_type != F_UNLCK;
    sink->size = sink->id.st_size;
    return file_check_is_ours(sink, error);
}

int file_sink_look(struct file_sink *sink, struct file_sight *sight, struct outbox_error *error)
{
    int flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    *sight = (struct file_sight){0};
    if (!file_open_dir(sink, error)) {
        sink->fd = sink->sys->openat(sink->dir, sink->name, flags, 0);
        sight->exists = sink->fd >= 0;
        if (sight->exists)
            look_at_file(sink, &sight->in_use, error);
        else if (errno == ENOENT)
            look_at_directory(sink, error);
        else
            file_fail(error, errno, "open", sink->path);
    }
    file_sink_close(sink);
    return error->code;
}

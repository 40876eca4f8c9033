/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/probe.c - could the file be opened? For `outbox check`, which must leave everything as it is
 *
 * Makes the same checks as opening, with the same errors, but creates, locks, syncs and cuts nothing. Another writer is
 * no error.
 */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* The file would be created: is that allowed? */
static int probe_directory(struct file_sink *sink, struct outbox_error *error)
{
    return faccessat(sink->dir, ".", W_OK | X_OK, AT_EACCESS) ? file_fail(error, errno, "create", sink->path)
                                                              : OUTBOX_OK;
}

static int probe_file(struct file_sink *sink, bool *in_use, struct outbox_error *error)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (file_identify(sink, sink->fd, error))
        return error->code;
    if (fcntl(sink->fd, F_OFD_GETLK, &all))
        return file_fail(error, errno, "inspect the lock of", sink->path);
    *in_use = all.l_type != F_UNLCK;
    sink->size = sink->id.st_size;
    return file_check_is_ours(sink, error);
}

int file_sink_probe(struct file_sink *sink, struct file_probe *probe, struct outbox_error *error)
{
    int flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    *probe = (struct file_probe){0};
    if (!file_open_dir(sink, error)) {
        sink->fd = sink->sys->openat(sink->dir, sink->name, flags, 0);
        probe->exists = sink->fd >= 0;
        if (probe->exists)
            probe_file(sink, &probe->in_use, error);
        else if (errno == ENOENT)
            probe_directory(sink, error);
        else
            file_fail(error, errno, "open", sink->path);
    }
    file_sink_close(sink);
    return error->code;
}

/*
 * brokers/file/look.c - could the file be opened? For `outbox check`, which must leave everything as it is
 *
 * The same places are looked at as when it is opened in earnest, with the same refusals, but nothing is made, locked,
 * synced or cut. Failure: as of opening, except that another writer is none.
 */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* It would be made: is there the right to? */
static int look_at_directory(struct obx_file_sink *sink, struct outbox_error *error)
{
    return faccessat(sink->dir, ".", W_OK | X_OK, AT_EACCESS) ? obx_file_fail(error, errno, "make", sink->path)
                                                              : OUTBOX_OK;
}

static int look_at_file(struct obx_file_sink *sink, bool *in_use, struct outbox_error *error)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (obx_file_identify(sink, sink->fd, error))
        return error->code;
    if (fcntl(sink->fd, F_OFD_GETLK, &all))
        return obx_file_fail(error, errno, "look at the lock of", sink->path);
    *in_use = all.l_type != F_UNLCK;
    sink->size = sink->id.st_size;
    return obx_file_check_is_ours(sink, error);
}

int obx_file_sink_look(struct obx_file_sink *sink, struct obx_file_sight *sight, struct outbox_error *error)
{
    int flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    *sight = (struct obx_file_sight){0};
    if (!obx_file_open_dir(sink, error)) {
        sink->fd = sink->sys->openat(sink->dir, sink->name, flags, 0);
        sight->exists = sink->fd >= 0;
        if (sight->exists)
            look_at_file(sink, &sight->in_use, error);
        else if (errno == ENOENT)
            look_at_directory(sink, error);
        else
            obx_file_fail(error, errno, "open", sink->path);
    }
    obx_file_sink_close(sink);
    return error->code;
}

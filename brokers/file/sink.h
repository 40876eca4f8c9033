/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/sink.h - the file that events are appended to
 *
 * Open it, append, sync; what was appended before a sync that succeeded is durable, nothing else is. All functions
 * block: they are for a worker thread, one at a time. After any failure the sink must be closed: a failed sync is
 * never tried again on the same descriptor, since the kernel reports a lost page only once.
 */
#ifndef OBX_BROKERS_FILE_SINK_H
#define OBX_BROKERS_FILE_SINK_H

#include <outbox/failpoint.h>
#include <outbox/plugin_util.h>

#include "sys.h"

struct file_sink {
    /* set by the owner */
    const struct outbox_host *host; /* for its log */
    const struct file_sys *sys;
    const char *path; /* as configured */
    int64_t max_size; /* 0: never rotate */

    /* private */
    const char *name;     /* the last part of path */
    int dir, fd;          /* -1: closed; fd is locked */
    struct stat id;       /* of the open file */
    int64_t size;         /* appended, durable or not */
    int64_t durable;      /* survives a crash */
    int64_t rotate_at;    /* the size that starts the next rotation; 0: never */
    uint64_t last_number; /* of the rotated files */
    struct stat left;     /* closed and unsure: the file as it was then */
    bool unsure;          /* a write or sync failed: what lies behind `durable` is to be cut off */
    int64_t wanted;       /* bytes that found no space; the next open must find them */
};

/* Looks at path alone. */
int file_sink_init(struct file_sink *sink, struct outbox_error *error);
/* Open or create, lock, cut a torn tail off, make the name durable. */
int file_sink_open(struct file_sink *sink, struct outbox_error *error);
/* What `look` saw. in_use: another writer has it. */
struct file_sight {
    bool exists, in_use;
};
/* Could it be opened? Changes nothing; closed before and afterwards. */
int file_sink_look(struct file_sink *sink, struct file_sight *sight, struct outbox_error *error);
void file_sink_close(struct file_sink *sink);
/* Before a batch: is the file still the one that we opened? Opens it again if it was moved, removed or cut. */
int file_sink_check(struct file_sink *sink, struct outbox_error *error);
int file_sink_append(struct file_sink *sink, const char *data, size_t size, struct outbox_error *error);
/* Let the disk begin with what was appended and is not durable, while more is formatted. Cannot fail. */
void file_sink_hasten(struct file_sink *sink);
int file_sink_sync(struct file_sink *sink, struct outbox_error *error);
/* Give up what was appended since the last sync. OUTBOX_OK: certainly gone. Else it is cut at the next open. */
int file_sink_cut(struct file_sink *sink);
/* Has the file, with `more` bytes, reached the size at which it is rotated? Then sync, and rotate. */
bool file_sink_is_full(const struct file_sink *sink, size_t more);
int file_sink_rotate(struct file_sink *sink, struct outbox_error *error);

/* ---- between the files of the sink ---- */

/* Errno as an outbox error: "open /a/b: permission denied; advice". */
int file_fail(struct outbox_error *error, int number, const char *what, const char *path);
int file_open_dir(struct file_sink *sink, struct outbox_error *error);
int file_open_name(struct file_sink *sink, int extra_flags, struct outbox_error *error);
/* Look at the file that fd is; only a regular one will do. */
int file_identify(struct file_sink *sink, int fd, struct outbox_error *error);
/* Does it begin with an event? */
int file_check_is_ours(struct file_sink *sink, struct outbox_error *error);
int file_sync_dir(struct file_sink *sink, struct outbox_error *error);
/* Cut what is not whole lines of ours off the end of a file just opened; sets size and durable. */
int file_recover(struct file_sink *sink, struct outbox_error *error);

#endif

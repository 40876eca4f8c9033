/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/sink.h - the file that events are appended to
 *
 * Open, append, sync. Only bytes that were appended before a successful sync are durable. All functions block; they are
 * for one worker at a time. After any failure the sink must be closed: a sync is never repeated on the same descriptor,
 * because the kernel reports a lost page only once.
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
    mode_t mode;      /* of a new file */

    /* private */
    const char *name;      /* the last part of path */
    int dir, fd;           /* -1: closed; fd is locked */
    struct stat id;        /* of the open file */
    int64_t size;          /* appended, durable or not */
    int64_t durable;       /* survives a crash */
    int64_t rotate_at;     /* the size that starts the next rotation; 0: never */
    uint64_t last_number;  /* of the rotated files */
    struct stat closed_as; /* the file when it was closed with unsynced bytes */
    bool has_unsynced;     /* a write or sync failed: bytes after `durable` are cut off */
    int64_t space_needed;  /* bytes that found no space; the next open reserves them */
};

/* Checks the path; no I/O. */
int file_sink_init(struct file_sink *sink, struct outbox_error *error);
/* Opens or creates, locks, cuts a torn end off, makes the name durable. */
int file_sink_open(struct file_sink *sink, struct outbox_error *error);
/* Result of a probe. in_use: another process writes it. */
struct file_probe {
    bool exists, in_use;
};
/* Could it be opened? Changes nothing. The sink is closed before and afterwards. */
int file_sink_probe(struct file_sink *sink, struct file_probe *probe, struct outbox_error *error);
void file_sink_close(struct file_sink *sink);
/* Before a batch: is it still the file that was opened? Opens the path again if it was moved, removed or cut. */
int file_sink_check(struct file_sink *sink, struct outbox_error *error);
int file_sink_append(struct file_sink *sink, const char *data, size_t size, struct outbox_error *error);
/* Starts to write back what is not durable yet, while more is formatted. Cannot fail; promises nothing. */
void file_sink_start_writeback(struct file_sink *sink);
int file_sink_sync(struct file_sink *sink, struct outbox_error *error);
/* Cuts off what was appended since the last sync. OUTBOX_OK: it is gone. Otherwise the next open cuts it. */
int file_sink_cut(struct file_sink *sink);
/* With `more` bytes the file reaches the size at which it is rotated. */
bool file_sink_is_full(const struct file_sink *sink, size_t more);
int file_sink_rotate(struct file_sink *sink, struct outbox_error *error);

/* ---- between the files of the sink ------------------------------------------------------------------------------- */

/* Errno as an outbox error: "open /a/b: permission denied; advice". */
int file_fail(struct outbox_error *error, int number, const char *what, const char *path);
int file_open_dir(struct file_sink *sink, struct outbox_error *error);
int file_open_name(struct file_sink *sink, int extra_flags, struct outbox_error *error);
/* Fills sink->id. Only a regular file of this user or of root, with one name, that others cannot write, is accepted. */
int file_identify(struct file_sink *sink, int fd, struct outbox_error *error);
/* The file must begin with an event. */
int file_check_is_ours(struct file_sink *sink, struct outbox_error *error);
int file_sync_dir(struct file_sink *sink, struct outbox_error *error);
/* Cuts everything after the last whole line off a file that was just opened; sets size and durable. */
int file_recover(struct file_sink *sink, struct outbox_error *error);

#endif

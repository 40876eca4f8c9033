/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/file/recover.c - repairs the end of a file whose writer may have crashed
 *
 * Only synced events were reported as delivered, so everything after them may be cut off. After a failed sync of this
 * instance the exact place is known. After a crash it is not; then two rules hold:
 *
 *   - everything after the last line end is cut off
 *   - within the last 8 MiB, everything from the first line with a NUL byte is cut off. This broker never writes NUL.
 * Zeros appear when power is lost between the length and the data of a file, or when a page was not written back. The
 * kernel reports such a page once and then treats it as clean, so the cache is dropped before the file is read.
 *
 * A file that does not begin with an event is refused: a wrong path must not destroy another program's data. The
 * beginning may be zeros, if the file is short and the rest is text.
 */
#include "sink.h"

#include <errno.h>
#include <string.h>

#define BLOCK 65536
#define WINDOW INT64_C(8388608) /* 8 MiB */

static const char first_bytes[] = "{\"topic\":";

static int read_exactly(struct file_sink *sink, char *data, size_t size, int64_t offset, struct outbox_error *error)
{
    while (size) {
        ssize_t got = sink->sys->pread(sink->fd, data, size, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return file_fail(error, got ? errno : EIO, "read", sink->path);
        data += got;
        size -= (size_t)got;
        offset += got;
    }
    return OUTBOX_OK;
}

/* Only text and zeros: it may be the first batch of this broker, which lost its beginning. */
static int is_text(struct file_sink *sink, char *block, bool *text, struct outbox_error *error)
{
    *text = sink->size <= WINDOW;
    for (int64_t at = 0; at < sink->size && *text; at += BLOCK) {
        size_t size = sink->size - at < BLOCK ? (size_t)(sink->size - at) : BLOCK;
        if (read_exactly(sink, block, size, at, error))
            return error->code;
        for (size_t i = 0; i < size; i++)
            *text &= !block[i] || block[i] == '\n' || (unsigned char)block[i] >= 0x20;
    }
    return OUTBOX_OK;
}

static int check_beginning(struct file_sink *sink, char *block, struct outbox_error *error)
{
    size_t size = (uint64_t)sink->size < sizeof first_bytes - 1 ? (size_t)sink->size : sizeof first_bytes - 1;
    bool ours = true, zeros = false;
    if (read_exactly(sink, block, size, 0, error))
        return error->code;
    for (size_t i = 0; i < size; i++) {
        ours &= !block[i] || block[i] == first_bytes[i];
        zeros |= !block[i];
    }
    if (ours && zeros && is_text(sink, block, &ours, error))
        return error->code;
    if (ours)
        return OUTBOX_OK;
    return outbox_error_set(error, OUTBOX_E_CORRUPT,
                            "open %s: the file does not begin with an event; move it away, or give another path",
                            sink->path);
}

int file_check_is_ours(struct file_sink *sink, struct outbox_error *error)
{
    char *block = sink->host->alloc(sink->host, BLOCK);
    if (!block)
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "open %s: out of memory", sink->path);
    check_beginning(sink, block, error);
    sink->host->release(sink->host, block);
    return error->code;
}

/* Gives the first NUL of the window, or the end of the file. */
static int find_zero(struct file_sink *sink, char *block, int64_t *zero, struct outbox_error *error)
{
    int64_t at = sink->size > WINDOW ? sink->size - WINDOW : 0;
    for (*zero = sink->size; at < sink->size; at += BLOCK) {
        size_t size = sink->size - at < BLOCK ? (size_t)(sink->size - at) : BLOCK;
        if (read_exactly(sink, block, size, at, error))
            return error->code;
        const char *found = memchr(block, 0, size);
        if (found) {
            *zero = at + (found - block);
            break;
        }
    }
    return OUTBOX_OK;
}

/* Gives the place after the last line end before `end`. */
static int find_line_end(struct file_sink *sink, char *block, int64_t end, int64_t *cut, struct outbox_error *error)
{
    while (end > 0) {
        size_t size = end < BLOCK ? (size_t)end : BLOCK;
        if (read_exactly(sink, block, size, end - (int64_t)size, error))
            return error->code;
        const char *found = memrchr(block, '\n', size);
        if (found) {
            *cut = end - (int64_t)size + (found - block) + 1;
            return OUTBOX_OK;
        }
        end -= (int64_t)size;
    }
    *cut = 0;
    return OUTBOX_OK;
}

static int find_cut(struct file_sink *sink, int64_t *cut, struct outbox_error *error)
{
    char *block = sink->host->alloc(sink->host, BLOCK);
    if (!block)
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "open %s: out of memory", sink->path);
    int64_t zero;
    int code = check_beginning(sink, block, error);
    if (!code)
        code = find_zero(sink, block, &zero, error);
    if (!code)
        code = find_line_end(sink, block, zero, cut, error);
    sink->host->release(sink->host, block);
    return code;
}

int file_recover(struct file_sink *sink, struct outbox_error *error)
{
    int64_t cut = 0;
    sink->size = sink->id.st_size;
    sink->sys->drop_cache(sink->fd, sink->size > WINDOW ? (off_t)(sink->size - WINDOW) : 0); /* best effort */
    if (find_cut(sink, &cut, error))
        return error->code;
    if (sink->has_unsynced && sink->durable < cut)
        cut = sink->durable;
    if (cut < sink->size) {
        sink->host->log(sink->host, OUTBOX_LOG_WARN, "%s: cut off %lld bytes at the end that were never confirmed",
                        sink->path, (long long)(sink->size - cut));
        if ((errno = OUTBOX_FAILPOINT_ERROR(sink->host, file, before_cut, NULL)) ||
            sink->sys->ftruncate(sink->fd, (off_t)cut))
            return file_fail(error, errno, "cut the torn end of", sink->path);
        OUTBOX_FAILPOINT(sink->host, file, after_cut);
    }
    sink->size = sink->durable = cut; /* lines of the writer before are never cut later */
    return OUTBOX_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* brokers/file/error.c - errno as an error with advice */
#include "sink.h"

#include <errno.h>
#include <string.h>

static const struct {
    int number, code;
    const char *text;
} known[] = {
    {ENOSPC, OUTBOX_E_FULL, "no space left on the file system; free some"},
    {EDQUOT, OUTBOX_E_FULL, "the disk quota is used up; raise it, or free space"},
    {EFBIG, OUTBOX_E_FULL, "the file has the largest size that is allowed; set 'max_size', or raise the limit"},
    {EACCES, OUTBOX_E_PERMISSION, "permission denied; let this user write the file and its directory"},
    {EPERM, OUTBOX_E_PERMISSION, "not permitted; check for an immutable flag or a security policy"},
    {EROFS, OUTBOX_E_READ_ONLY, "the file system is read-only; mount it for writing"},
    {ENOENT, OUTBOX_E_NOT_FOUND, "no such directory; create it"},
    {ENOTDIR, OUTBOX_E_NOT_FOUND, "a part of the path is not a directory; correct the path"},
    {ELOOP, OUTBOX_E_PERMISSION, "is a symbolic link; give the path of the file itself"},
    {EISDIR, OUTBOX_E_CONFIG, "is a directory; give the path of a file in it"},
    {EMFILE, OUTBOX_E_AGAIN, "too many open files in this process; raise its limit"},
    {ENFILE, OUTBOX_E_AGAIN, "too many open files in the system; raise the limit"},
    {ENOMEM, OUTBOX_E_NO_MEMORY, "out of memory"},
    {EIO, OUTBOX_E_IO, "input or output error; check the disk"},
};

int file_fail(struct outbox_error *error, int number, const char *what, const char *path)
{
    size_t i = 0, count = sizeof known / sizeof known[0];
    while (i < count && known[i].number != number)
        i++;
    if (i < count)
        outbox_error_set(error, known[i].code, "%s %s: %s", what, path, known[i].text);
    else
        outbox_error_set(error, OUTBOX_E_IO, "%s %s: %s", what, path, strerror(number));
    error->native = number;
    return error->code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/plugin/ancestors.c - can another user put another directory in the place of this one?
 *
 * Whoever may rename a directory on the way to a file decides what the file is, between its check and its use. So each
 * directory above must belong to root or to the effective user, and others may write to it only if it is sticky. The
 * root directory itself cannot be replaced.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "plugin/registry_internal.h"

static int check_one(const char *directory, struct outbox_error *error)
{
    struct stat info;
    if (lstat(directory, &info))
        return obx_error_set(error, OUTBOX_E_IO, "plugin directory: %s: %s", directory, strerror(errno));
    if (info.st_uid != 0 && info.st_uid != geteuid())
        return obx_error_set(
            error, OUTBOX_E_PERMISSION,
            "directory %s above the plugins belongs to user %u, who may replace them; expected root or "
            "user %u: put the plugins elsewhere, or change its owner",
            directory, (unsigned)info.st_uid, (unsigned)geteuid());
    if (obx_others_may_write(&info) && !(info.st_mode & S_ISVTX))
        return obx_error_set(
            error, OUTBOX_E_PERMISSION,
            "directory %s above the plugins has mode %04o, so other users may replace them: chmod go-w %s", directory,
            (unsigned)(info.st_mode & 07777), directory);
    return OUTBOX_OK;
}

int obx_check_ancestors(const char *directory, char canonical[PATH_MAX], struct outbox_error *error)
{
    char above[PATH_MAX];
    int status = OUTBOX_OK;
    if (!realpath(directory, canonical))
        return obx_error_set(error, OUTBOX_E_IO, "plugin directory %s: %s", directory, strerror(errno));
    memcpy(above, canonical, strlen(canonical) + 1);
    for (char *slash; !status && (slash = strrchr(above, '/')) && slash != above;) {
        *slash = '\0';
        status = check_one(above, error);
    }
    return status;
}

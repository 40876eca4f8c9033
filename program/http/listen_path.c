/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/http/listen_path.c - a listening socket in the file system, for service.listen and service.control
 *
 * The mode is set by the umask, so that nobody can connect before it is. A socket that a killed service has left behind
 * is replaced.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "http/address.h"

static int refuse(const char *option, const char *path, int number, struct outbox_error *error)
{
    if (number == EADDRINUSE)
        return obx_error_set(
            error, OUTBOX_E_CONFIG,
            "listen on unix:%s: a file of that name is there, or another service listens on it; remove "
            "it, stop that service, or choose another path in service.%s",
            path, option);
    if (number == ENOENT || number == ENOTDIR)
        return obx_error_set(error, OUTBOX_E_CONFIG,
                             "listen on unix:%s: its directory does not exist; make it, or correct service.%s", path,
                             option);
    if (number == EACCES || number == EPERM || number == EROFS)
        return obx_error_set(error, OUTBOX_E_PERMISSION,
                             "listen on unix:%s: %s; let this user write to the directory, or choose another one in "
                             "service.%s",
                             path, strerror(number), option);
    return obx_error_set(error, OUTBOX_E_CONFIG, "listen on unix:%s: %s; correct service.%s", path, strerror(number),
                         option);
}

/* Nothing else is removed, and no socket that somebody listens on. */
static void remove_stale(const struct sockaddr_un *name)
{
    struct stat info;
    int fd =
        lstat(name->sun_path, &info) || !S_ISSOCK(info.st_mode) ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)name, sizeof *name) && errno == ECONNREFUSED)
        unlink(name->sun_path);
    close(fd);
}

/* -1: errno has the reason. */
static int open_socket(const struct sockaddr_un *name)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || (bind(fd, (const struct sockaddr *)name, sizeof *name) == 0 && listen(fd, 64) == 0))
        return fd;
    int number = errno;
    close(fd);
    errno = number;
    return -1;
}

int obx_listen_on_path(const char *option, const char *path, mode_t mode, int *fd, struct outbox_error *error)
{
    struct sockaddr_un name;
    int status = obx_address_fill(option, path, &name, error);
    if (status)
        return status;
    remove_stale(&name);
    mode_t before = umask(0777 & ~mode);
    *fd = open_socket(&name);
    int number = errno;
    umask(before);
    return *fd < 0 ? refuse(option, path, number, error) : OUTBOX_OK;
}

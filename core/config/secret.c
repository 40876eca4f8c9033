/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/config/secret.c - reads a secret from its file
 *
 * A path without a slash is tried in $CREDENTIALS_DIRECTORY first, where systemd puts credentials. Otherwise relative
 * paths start at the working directory. One line end, LF or CR LF, is removed at the end. Failure: CONFIG at the
 * location of the reference, for a file that is missing, not regular, empty, larger than 64KiB, contains a NUL, is
 * readable or writable by everyone, or not readable by us. Kubernetes and Swarm mount secrets with mode 0644 or
 * 0444 on a tmpfs that is read-only for the container: there everyone may read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "config/limits.h"
#include "config/tree.h"

struct secret {
    struct obx_config *config;
    const struct obx_entry *entry;
    const char *path;
    struct outbox_error *error;
};

static int refuse(const struct secret *secret, const char *why)
{
    return obx_location_error(secret->config->name, secret->entry->value_location, secret->error,
                              "read secret file %s for '%s': %s", secret->path, secret->entry->key, why);
}

static int refuse_errno(const struct secret *secret, int number)
{
    if (number == ENOENT)
        return refuse(secret, "no such file; create it or correct the path");
    if (number == EACCES)
        return refuse(secret, "permission denied; let the user that runs outbox read it");
    return refuse(secret, strerror(number));
}

/* A mount that only the runtime of the container can have made: no file that somebody forgot to protect is here. */
static bool container_mounted(int fd)
{
    struct statfs mount;
    return !fstatfs(fd, &mount) && mount.f_type == TMPFS_MAGIC && (mount.f_flags & ST_RDONLY);
}

static int check(const struct secret *secret, int fd, const struct stat *info)
{
    if (!S_ISREG(info->st_mode))
        return refuse(secret, "it is not a regular file; name a file that contains only the secret");
    if ((info->st_mode & S_IROTH) && !container_mounted(fd))
        return refuse(secret,
                      "everyone can read it; run chmod o-r on it, or set mode 0440 where a container mounts it");
    if (info->st_mode & S_IWOTH)
        return refuse(secret, "everyone can write it; run chmod o-w on it");
    if (info->st_size > OBX_SECRET_MAX_SIZE)
        return refuse(secret, "it is larger than 64KiB; name a file that contains only the secret");
    return OUTBOX_OK;
}

static int trim(const struct secret *secret, char *text, size_t size)
{
    if (memchr(text, '\0', size))
        return refuse(secret, "it contains a NUL character; name a text file");
    if (size && text[size - 1] == '\n')
        size--;
    if (size && text[size - 1] == '\r')
        size--;
    text[size] = '\0';
    return size ? OUTBOX_OK : refuse(secret, "it is empty; write the secret into it");
}

/* If the file grows while it is read, the secret ends at the size at the start. */
static int read_fd(const struct secret *secret, int fd, const char **text)
{
    struct stat info;
    if (fstat(fd, &info))
        return refuse_errno(secret, errno);
    int code = check(secret, fd, &info);
    if (code)
        return code;
    size_t room = (size_t)info.st_size, size = 0;
    char *to = obx_config_alloc(secret->config, room + 1);
    if (!to)
        return obx_error_no_memory(secret->error);
    while (size < room) {
        ssize_t got = read(fd, to + size, room - size);
        if (got < 0 && errno != EINTR)
            return refuse_errno(secret, errno);
        if (got == 0)
            break;
        if (got > 0)
            size += (size_t)got;
    }
    *text = to;
    return trim(secret, to, size);
}

/* -1 with errno; secret->path is the last path that was tried. */
static int open_path(struct secret *secret)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    if (directory && *directory && !strchr(secret->path, '/')) {
        size_t size = strlen(directory) + strlen(secret->path) + 2;
        char *path = obx_config_alloc(secret->config, size);
        if (!path) {
            errno = ENOMEM;
            return -1;
        }
        snprintf(path, size, "%s/%s", directory, secret->path);
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd >= 0 || errno != ENOENT) {
            secret->path = path;
            return fd;
        }
    }
    return open(secret->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

/* For the reload, which compares it with the content of the file then. */
static int remember(struct obx_config *config, const struct obx_entry *entry, const char *text,
                    struct outbox_error *error)
{
    struct obx_secret *secret = obx_config_alloc(config, sizeof *secret);
    if (!secret)
        return obx_error_no_memory(error);
    *secret = (struct obx_secret){config->secrets, entry, text};
    config->secrets = secret;
    return OUTBOX_OK;
}

int obx_secret_read(struct obx_config *config, const struct obx_entry *entry, const char *path, const char **text,
                    struct outbox_error *error)
{
    struct secret secret = {.config = config, .entry = entry, .path = path, .error = error};
    if (!*path)
        return refuse(&secret, "no path; write file:PATH");
    int fd = open_path(&secret);
    if (fd < 0)
        return errno == ENOMEM ? obx_error_no_memory(error) : refuse_errno(&secret, errno);
    int code = read_fd(&secret, fd, text);
    close(fd);
    return code ? code : remember(config, entry, *text, error);
}

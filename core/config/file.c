/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/config/file.c - reads the configuration file
 *
 * The text is read as a whole, parsed, overwritten and freed. A pipe works, too, `-c <(generate)`, if a writer has it
 * open and writes within 5 s. Failure: NOT_FOUND, PERMISSION, IO or CONFIG, each with what to do; then the parser's
 * errors.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "config/config.h"
#include "config/limits.h"

#define PIPE_TIMEOUT_MS 5000

static int refuse(const char *path, int number, struct outbox_error *error)
{
    int code;
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        code = obx_error_set(error, OUTBOX_E_NOT_FOUND,
                             "read configuration %s: no such file; name an existing one with -c FILE or $OUTBOX_CONFIG",
                             path);
        break;
    case EACCES:
    case EPERM:
        code = obx_error_set(error, OUTBOX_E_PERMISSION,
                             "read configuration %s: permission denied; let the user that runs outbox read it", path);
        break;
    case EISDIR:
        code = obx_error_set(error, OUTBOX_E_CONFIG, "read configuration %s: it is a directory; name the file in it",
                             path);
        break;
    case EPIPE:
        code = obx_error_set(error, OUTBOX_E_CONFIG,
                             "read configuration %s: it is a pipe without a writer; name a regular file", path);
        break;
    case ETIMEDOUT:
        code = obx_error_set(
            error, OUTBOX_E_CONFIG,
            "read configuration %s: it is not a regular file, and reading gave nothing for %d s; name a regular file",
            path, PIPE_TIMEOUT_MS / 1000);
        break;
    case EKEYREJECTED:
        code = obx_error_set(error, OUTBOX_E_CONFIG,
                             "read configuration %s: everyone can write it, and it names plugins, which are code; run "
                             "chmod o-w on it",
                             path);
        break;
    default:
        code = obx_error_set(error, OUTBOX_E_IO, "read configuration %s: %s", path, strerror(number));
    }
    if (error)
        error->native = number;
    return code;
}

/* Wait until a pipe can be read. 0, or an errno. */
static int wait_readable(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    int found = poll(&one, 1, PIPE_TIMEOUT_MS);
    if (found < 0)
        return errno == EINTR ? 0 : errno;
    return found ? 0 : ETIMEDOUT;
}

/* Whoever writes the configuration decides what runs. 0, or an errno. */
static int check_mode(int fd)
{
    struct stat info;
    if (fstat(fd, &info))
        return errno;
    return S_ISREG(info.st_mode) && info.st_mode & S_IWOTH ? EKEYREJECTED : 0;
}

/* Read one byte more than the limit, so that the parser detects a file that is too large. 0, or an errno. */
static int read_all(int fd, char *text, size_t room, size_t *size)
{
    struct stat info;
    *size = 0;
    while (*size < room) {
        ssize_t got = read(fd, text + *size, room - *size);
        int number = got >= 0 ? 0 : errno == EAGAIN ? wait_readable(fd) : errno == EINTR ? 0 : errno;
        if (number)
            return number;
        if (got == 0)
            break;
        if (got > 0)
            *size += (size_t)got;
    }
    return !*size && !fstat(fd, &info) && S_ISFIFO(info.st_mode) ? EPIPE : 0;
}

int obx_config_read(const char *path, struct obx_config **config, struct outbox_error *error)
{
    *config = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return refuse(path, errno, error);
    size_t room = OBX_CONFIG_MAX_SIZE + 1, size = 0;
    char *text = obx_alloc(room);
    int number = check_mode(fd);
    if (text && !number)
        number = read_all(fd, text, room, &size);
    close(fd);
    if (!text)
        return obx_error_no_memory(error);
    int code = number ? refuse(path, number, error) : obx_config_parse(path, text, size, config, error);
    obx_wipe(text, room);
    obx_free(text);
    return code;
}

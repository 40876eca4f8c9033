/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/cli/logger.c - log lines as logfmt or JSON on a descriptor that must never block the relay
 *
 * Other programs may share the descriptor, so its flags stay: a pipe or terminal is reopened with O_NONBLOCK, a socket
 * is written with MSG_DONTWAIT, a file does not block. A line is written as a whole or dropped. If a full terminal or
 * disk accepts only a part, the rest is lost, and the next message starts on a new line.
 */
#include "cli/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"

struct obx_logger {
    struct obx_log log;   /* read without the lock: only its level changes, which is atomic */
    pthread_mutex_t lock; /* guards the rest */
    int fd;
    bool own_fd;
    bool is_socket;
    enum obx_log_format format;
    uint64_t dropped;
    uint64_t unreported; /* dropped since the last report about it */
    int last_errno;      /* of the last dropped message */
    bool torn;           /* the last line was written in part */
    struct obx_buf line;
};

static const char *const level_names[] = {"error", "warn", "info", "debug", "trace"};

/* Both formats quote a text in the same way: whatever a server wrote into it, it is one field of one line. */
static void add_string(struct obx_buf *line, const char *text)
{
    obx_json_quote(line, text, strlen(text));
}

static void add_time(struct obx_buf *line, int64_t wall_us)
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm utc;
    char text[32];
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &utc));
    obx_buf_printf(line, "%s.%03dZ", text, (int)(wall_us / 1000 % 1000));
}

void obx_logger_line(struct obx_buf *line, enum obx_log_format format, int64_t wall_us, enum outbox_log_level level,
                     const char *subject, const char *text)
{
    bool json = format == OBX_LOG_JSON;
    obx_buf_puts(line, json ? "{\"time\":\"" : "time=");
    add_time(line, wall_us);
    obx_buf_printf(line, json ? "\",\"level\":\"%s\",\"subject\":" : " level=%s subject=", level_names[level]);
    add_string(line, subject);
    obx_buf_puts(line, json ? ",\"msg\":" : " msg=");
    add_string(line, text);
    obx_buf_puts(line, json ? "}\n" : "\n");
}

/* The number of bytes written; if fewer than size, errno has the reason. */
static size_t send_bytes(const struct obx_logger *logger, const char *bytes, size_t size)
{
    size_t sent = 0;
    ssize_t now = 1;
    while (sent < size && now > 0) {
        now = logger->is_socket ? send(logger->fd, bytes + sent, size - sent, MSG_DONTWAIT | MSG_NOSIGNAL)
                                : write(logger->fd, bytes + sent, size - sent);
        sent += now > 0 ? (size_t)now : 0;
    }
    return sent;
}

/* Caller holds the lock. */
static bool write_line(struct obx_logger *logger, enum outbox_log_level level, const char *subject, const char *text)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    obx_buf_clear(&logger->line);
    if (logger->torn)
        obx_buf_putc(&logger->line, '\n');
    obx_logger_line(&logger->line, logger->format, (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000, level, subject,
                    text);
    errno = ENOMEM;
    size_t sent = obx_buf_failed(&logger->line) ? 0 : send_bytes(logger, logger->line.data, logger->line.size);
    if (sent == logger->line.size && sent)
        logger->torn = false;
    else if (sent)
        logger->torn = sent > (size_t)logger->torn; /* the line end that closes the torn line does not count */
    logger->last_errno = errno;
    return sent && sent == logger->line.size;
}

static const char *drop_reason(const struct obx_logger *logger)
{
    return logger->last_errno == EAGAIN ? "the reader of the log is too slow" : strerror(logger->last_errno);
}

static void write_message(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    struct obx_logger *logger = arg;
    pthread_mutex_lock(&logger->lock);
    if (logger->unreported) {
        char note[160];
        snprintf(note, sizeof note, "%" PRIu64 " messages were dropped: %s", logger->unreported, drop_reason(logger));
        if (write_line(logger, OUTBOX_LOG_WARN, "log", note))
            logger->unreported = 0;
    }
    if (logger->unreported || !write_line(logger, level, subject, text)) {
        logger->dropped++;
        logger->unreported++;
    }
    pthread_mutex_unlock(&logger->lock);
}

static void open_target(struct obx_logger *logger, int fd)
{
    struct stat status;
    char path[32];
    logger->fd = fd;
    if (fstat(fd, &status) != 0)
        return;
    logger->is_socket = S_ISSOCK(status.st_mode);
    if (!S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode))
        return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int reopened = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (reopened < 0)
        return;
    logger->fd = reopened;
    logger->own_fd = true;
}

int obx_logger_new(int fd, enum outbox_log_level level, enum obx_log_format format, struct obx_logger **logger,
                   struct outbox_error *error)
{
    struct obx_logger *made = obx_alloc(sizeof *made);
    *logger = made;
    if (!made)
        return obx_error_no_memory(error);
    pthread_mutex_init(&made->lock, NULL);
    made->log = (struct obx_log){write_message, made, level};
    made->format = format;
    open_target(made, fd);
    return OUTBOX_OK;
}

void obx_logger_free(struct obx_logger *logger)
{
    if (!logger)
        return;
    if (logger->own_fd)
        close(logger->fd);
    obx_buf_free(&logger->line);
    pthread_mutex_destroy(&logger->lock);
    obx_free(logger);
}

void obx_logger_set(struct obx_logger *logger, enum outbox_log_level level, enum obx_log_format format)
{
    pthread_mutex_lock(&logger->lock);
    atomic_store_explicit(&logger->log.level, level, memory_order_relaxed);
    logger->format = format;
    pthread_mutex_unlock(&logger->lock);
}

const struct obx_log *obx_logger_log(struct obx_logger *logger)
{
    return &logger->log;
}

uint64_t obx_logger_dropped(struct obx_logger *logger)
{
    pthread_mutex_lock(&logger->lock);
    uint64_t dropped = logger->dropped;
    pthread_mutex_unlock(&logger->lock);
    return dropped;
}

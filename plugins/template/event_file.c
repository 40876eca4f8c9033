/* SPDX-License-Identifier: Apache-2.0 */
/* plugins/template/event_file.c - see event_file.h */
#include "event_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define NAME_MAX_SIZE 250

static bool is_plain(struct outbox_bytes text)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const char *at = text.data;
    for (size_t i = 0; i < text.size; i++)
        if (!at[i] || !strchr(allowed, at[i]))
            return false;
    return text.size && at[0] != '.';
}

int event_file_admit(const struct outbox_message *message, struct outbox_error *error)
{
    if (!is_plain(message->topic) || !is_plain(message->id))
        return outbox_error_set(error, OUTBOX_E_REJECTED,
                                "write an event: topic and id become a file name, and may have only A-Z a-z 0-9 . _ -");
    if (message->topic.size + message->id.size + 1 > NAME_MAX_SIZE)
        return outbox_error_set(error, OUTBOX_E_REJECTED,
                                "write an event: topic and id together have more than %d bytes", NAME_MAX_SIZE - 1);
    return OUTBOX_OK;
}

static void write_field(FILE *file, const char *name, struct outbox_bytes value)
{
    fprintf(file, "%s %lld\n", name, value.data ? (long long)value.size : -1ll);
    fwrite(value.data ? value.data : "", 1, value.size, file);
    fputc('\n', file);
}

static void write_fields(FILE *file, uint64_t number, const struct outbox_message *message)
{
    fprintf(file, "number %llu\n", (unsigned long long)number);
    write_field(file, "topic", message->topic);
    write_field(file, "key", message->key);
    write_field(file, "id", message->id);
    for (uint32_t i = 0; i < message->header_count; i++) {
        write_field(file, "header", message->headers[i].name);
        write_field(file, "value", message->headers[i].value);
    }
    write_field(file, "payload", message->value);
}

/* Microseconds since 1970, no number twice while the clock is not set back. */
static uint64_t next_number(uint64_t *last)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t micros = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    *last = micros > *last ? micros : *last + 1;
    return *last;
}

/* 0, or an errno. */
static int write_file(int dir, const char *name, uint64_t number, const struct outbox_message *message)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file) {
        int failed = errno;
        if (fd >= 0)
            close(fd);
        return failed;
    }
    write_fields(file, number, message);
    int failed = fflush(file) || fsync(fd) ? errno : 0;
    fclose(file);
    return failed;
}

int event_file_write(int dir, uint64_t *last, const struct outbox_message *message)
{
    char name[NAME_MAX_SIZE + 8], temporary[NAME_MAX_SIZE + 8];
    snprintf(name, sizeof name, "%.*s.%.*s", (int)message->topic.size, (const char *)message->topic.data,
             (int)message->id.size, (const char *)message->id.data);
    snprintf(temporary, sizeof temporary, ".new-%.*s", OUTBOX_CUT(name, 240));
    int failed = write_file(dir, temporary, next_number(last), message);
    if (!failed && renameat(dir, temporary, dir, name))
        failed = errno;
    if (failed)
        unlinkat(dir, temporary, 0);
    return failed;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* plugins/template/spool.c - see spool.h */
#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME_SIZE 21 /* twenty digits and NUL */

const char *const spool_fields[SPOOL_FIELDS] = {"event_id", "aggregatetype", "aggregateid", "type",
                                                "headers",  "created_at",    "payload",     "id"};

/* ---- lists of positions ------------------------------------------------------------------------------------------ */

int spool_list_add(const struct outbox_host *host, struct spool_list *list, uint64_t position)
{
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 64;
        uint64_t *items = host->resize(host, list->items, room * sizeof *items);
        if (!items) {
            errno = ENOMEM;
            return -1;
        }
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = position;
    return 0;
}

void spool_list_free(const struct outbox_host *host, struct spool_list *list)
{
    if (list->items)
        host->release(host, list->items);
    *list = (struct spool_list){0};
}

static int by_size(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

/* 0: not the file of an event. */
static uint64_t position_of(const char *name)
{
    bool digits = strspn(name, "0123456789") == NAME_SIZE - 1 && !name[NAME_SIZE - 1];
    return digits ? strtoull(name, NULL, 10) : 0;
}

int spool_read_dir(const struct outbox_host *host, int dir, struct spool_list *list)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    for (struct dirent *entry; !result && (entry = readdir(stream));) {
        uint64_t position = position_of(entry->d_name);
        if (position)
            result = spool_list_add(host, list, position);
    }
    closedir(stream);
    if (list->count)
        qsort(list->items, list->count, sizeof *list->items, by_size);
    return result;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static int read_all(int fd, char *data, size_t size)
{
    while (size) {
        ssize_t got = read(fd, data, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        data += got;
        size -= (size_t)got;
    }
    return 0;
}

/* A line `name: value`. */
static void parse_line(struct spool_event *event, const char *line, size_t size)
{
    for (int i = 0; i < SPOOL_PAYLOAD; i++) {
        size_t name = strlen(spool_fields[i]);
        if (size >= name + 2 && !memcmp(line, spool_fields[i], name) && !memcmp(line + name, ": ", 2))
            event->fields[i] = (struct outbox_bytes){line + name + 2, size - name - 2};
    }
}

static void parse(struct spool_event *event)
{
    const char *at = event->memory, *end = at + event->size;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t size = line_end ? (size_t)(line_end - at) : (size_t)(end - at);
        if (!size) {
            event->fields[SPOOL_PAYLOAD] = (struct outbox_bytes){at + 1, (size_t)(end - at - 1)};
            return;
        }
        parse_line(event, at, size);
        at += size + 1;
    }
}

int spool_load(const struct outbox_host *host, int dir, uint64_t position, struct spool_event *event)
{
    char name[NAME_SIZE];
    struct stat status;
    memset(event, 0, sizeof *event);
    snprintf(name, sizeof name, "%020" PRIu64, position);
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), result = -1;
    if (fd < 0)
        return -1;
    if (fstat(fd, &status) == 0) {
        event->size = (size_t)status.st_size;
        event->memory = host->alloc(host, event->size + 1);
        if (event->memory)
            result = read_all(fd, event->memory, event->size);
        else
            errno = ENOMEM;
    }
    int number = errno;
    close(fd);
    if (!result) {
        parse(event);
    } else if (event->memory) {
        host->release(host, event->memory);
        event->memory = NULL;
    }
    errno = number;
    return result;
}

int spool_remove(int dir, uint64_t position)
{
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%020" PRIu64, position);
    return unlinkat(dir, name, 0) && errno != ENOENT ? -1 : 0;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void make_id(const struct outbox_host *host, char text[37])
{
    uint64_t high = host->random(host);
    uint64_t low = ~host->random(host); /* another number */
    snprintf(text, 37, "%08x-%04x-4%03x-%04x-%012" PRIx64, (unsigned)(high >> 32), (unsigned)(high >> 16 & 0xffff),
             (unsigned)(high & 0xfff), (unsigned)(0x8000 | (low >> 48 & 0x3fff)), low & 0xffffffffffffu);
}

static void write_line(FILE *stream, enum spool_field field, struct outbox_bytes value)
{
    if (value.data)
        fprintf(stream, "%s: %.*s\n", spool_fields[field], (int)value.size, (const char *)value.data);
}

int64_t spool_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void write_fields(const struct outbox_host *host, FILE *stream, const struct outbox_event *event)
{
    char id[37];
    struct outbox_bytes event_id = event->event_id;
    if (!event_id.data) {
        make_id(host, id);
        event_id = (struct outbox_bytes){id, 36};
    }
    write_line(stream, SPOOL_EVENT_ID, event_id);
    write_line(stream, SPOOL_AGGREGATE_TYPE, event->aggregate_type);
    write_line(stream, SPOOL_AGGREGATE_ID, event->aggregate_id);
    write_line(stream, SPOOL_TYPE, event->type);
    write_line(stream, SPOOL_HEADERS, event->headers);
    fprintf(stream, "%s: %" PRId64 "\n", spool_fields[SPOOL_CREATED_AT], spool_now_us());
    if (event->payload.data) {
        putc('\n', stream);
        fwrite(event->payload.data, 1, event->payload.size, stream);
    }
}

int spool_write(const struct outbox_host *host, int dir, const struct outbox_event *event,
                char temporary[SPOOL_TEMPORARY])
{
    snprintf(temporary, SPOOL_TEMPORARY, ".new-%016" PRIx64, host->random(host));
    int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    FILE *stream = fd < 0 ? NULL : fdopen(fd, "w");
    if (!stream) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    write_fields(host, stream, event);
    bool failed = fflush(stream) || ferror(stream) || fsync(fd);
    failed = fclose(stream) || failed;
    if (failed)
        unlinkat(dir, temporary, 0);
    return failed ? -1 : 0;
}

int spool_publish(int dir, const char *temporary, uint64_t *last)
{
    char name[NAME_SIZE];
    int result;
    do {
        snprintf(name, sizeof name, "%020" PRIu64, ++*last);
        result = linkat(dir, temporary, dir, name, 0);
    } while (result && errno == EEXIST);
    int number = errno;
    unlinkat(dir, temporary, 0);
    errno = number;
    return result;
}

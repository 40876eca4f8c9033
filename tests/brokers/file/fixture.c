/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/file/fixture.c - see fixture.h */
#include "fixture.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "mem_fault.h"

static char last_log[1024];

static void keep(const struct outbox_host *host, enum outbox_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void keep(const struct outbox_host *host, enum outbox_log_level level, const char *format, ...)
{
    (void)host, (void)level;
    va_list args;
    va_start(args, format);
    vsnprintf(last_log, sizeof last_log, format, args);
    va_end(args);
}

static void *alloc(const struct outbox_host *host, size_t size)
{
    (void)host;
    return obx_alloc(size);
}

static void release(const struct outbox_host *host, void *memory)
{
    (void)host;
    obx_free(memory);
}

static const struct outbox_host host = {
    .struct_size = sizeof(struct outbox_host), .log = keep, .alloc = alloc, .release = release};

const char *fixture_log(void)
{
    return last_log;
}

void fixture_make(struct fixture *fixture, int64_t max_size)
{
    static char buffer[FILE_MIN_ROOM];
    *fixture = (struct fixture){.dir = "/tmp/outbox-file-XXXXXX"};
    cr_assert_not_null(mkdtemp(fixture->dir));
    snprintf(fixture->path, sizeof fixture->path, "%s/events.ndjson", fixture->dir);
    fixture->broker.host = &host;
    fixture->broker.out.data = buffer;
    fixture->broker.out.room = sizeof buffer;
    fixture->broker.sink.host = &host;
    fixture->broker.sink.sys = &sys_fixture_sys;
    fixture->broker.sink.path = fixture->path;
    fixture->broker.sink.max_size = max_size;
    fixture->broker.sink.mode = 0640;
    last_log[0] = 0;
    cr_assert_eq(file_sink_init(&fixture->broker.sink, &fixture->error), OUTBOX_OK);
}

int fixture_open(struct fixture *fixture)
{
    return file_sink_open(&fixture->broker.sink, &fixture->error);
}

void fixture_close(struct fixture *fixture)
{
    file_sink_close(&fixture->broker.sink);
}

void fixture_remove(struct fixture *fixture)
{
    fixture_close(fixture);
    DIR *dir = opendir(fixture->dir);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
    rmdir(fixture->dir);
}

const struct file_result *fixture_write(struct fixture *fixture, unsigned first, unsigned count)
{
    struct outbox_message *messages = calloc(count, sizeof *messages);
    char(*text)[2][12] = calloc(count, sizeof *text);
    for (unsigned i = 0; i < count; i++) {
        snprintf(text[i][0], sizeof text[i][0], "%u", (first + i) % 3);
        snprintf(text[i][1], sizeof text[i][1], "%u", first + i);
        messages[i] = (struct outbox_message){.topic = {"orders", 6},
                                              .key = {text[i][0], 1},
                                              .value = {text[i][1], strlen(text[i][1])},
                                              .id = {text[i][1], strlen(text[i][1])},
                                              .created_us = INT64_MIN};
    }
    struct outbox_publish publish = {
        .struct_size = sizeof publish, .count = count, .messages = messages, .stride = sizeof *messages};
    struct file_op op = {.publish = &publish};
    fixture->broker.job = &op;
    file_write_job(&fixture->broker);
    fixture->broker.job = NULL;
    free(messages);
    free(text);
    return &fixture->broker.result;
}

static void read_file(const struct fixture *fixture, const char *name, struct obx_buf *numbers)
{
    char path[400], line[4096];
    snprintf(path, sizeof path, "%s/%s", fixture->dir, name);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    while (fgets(line, sizeof line, file)) {
        json_t *json = json_loads(line, 0, NULL);
        cr_assert(json && strchr(line, '\n'), "%s holds a torn line: %s", name, line);
        obx_buf_printf(numbers, numbers->size ? " %s" : "%s", json_string_value(json_object_get(json, "payload")));
        json_decref(json);
    }
    fclose(file);
}

/* events.ndjson.000001 and so on before events.ndjson itself. */
static int by_age(const struct dirent **a, const struct dirent **b)
{
    size_t left = strlen((*a)->d_name), right = strlen((*b)->d_name);
    return left != right ? (left < right) - (left > right) : strcmp((*a)->d_name, (*b)->d_name);
}

static int is_events(const struct dirent *entry)
{
    return strncmp(entry->d_name, "events.ndjson", 13) == 0;
}

const char *fixture_read(struct fixture *fixture)
{
    static char text[8192];
    struct obx_buf numbers = {0};
    struct dirent **names = NULL;
    int count = scandir(fixture->dir, &names, is_events, by_age);
    for (int i = 0; i < count; i++) {
        read_file(fixture, names[i]->d_name, &numbers);
        free(names[i]);
    }
    free(names);
    snprintf(text, sizeof text, "%s", obx_buf_text(&numbers));
    obx_buf_free(&numbers);
    return text;
}

void fixture_put(struct fixture *fixture, const char *name, const char *bytes, size_t size)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", fixture->dir, name);
    FILE *file = fopen(path, "a");
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

int64_t fixture_size(struct fixture *fixture, const char *name)
{
    char path[200];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", fixture->dir, name);
    return stat(path, &status) ? -1 : (int64_t)status.st_size;
}

void fixture_begin(struct fixture *fixture, int64_t max_size)
{
    fixture_make(fixture, max_size);
    cr_assert_eq(fixture_open(fixture), OUTBOX_OK, "%s", fixture->error.text);
    sys_fixture_reset();
}

void fixture_end(struct fixture *fixture)
{
    fixture_remove(fixture);
    cr_assert_eq(sys_fixture_open_files(), 0);
    cr_assert_eq(mem_live(), 0);
}

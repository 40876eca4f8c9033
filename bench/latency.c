/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/latency.c - from the return of COMMIT to the event in the file
 *
 *     latency DATABASE FILE RATE SECONDS [--durable]
 *
 * One thread inserts a row a transaction at times fixed beforehand, and records when COMMIT returned. It is an open
 * loop: a slow commit does not delay later ones. Another thread follows the file with inotify and records when each
 * event is there. With --durable it calls fdatasync before it reads the clock: an upper bound of when the event was
 * durable. Prints "COUNT P50 P99 MAX" in milliseconds. Exit code 1 if an event did not arrive within 10 s.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "timing.h"

#define PATIENCE_MS 10000

struct latency {
    const char *database, *file;
    uint32_t count;
    uint64_t gap_ns;
    bool durable, failed;
    uint64_t *committed, *seen; /* nanoseconds; 0: not yet */
    uint32_t arrived;
    char tail[256]; /* the beginning of an event whose line is incomplete */
    size_t tail_size;
};

/* ---- the writer -------------------------------------------------------------------------------------------------- */

static bool insert_one(sqlite3 *db, sqlite3_stmt *insert, uint32_t number)
{
    char id[40];
    snprintf(id, sizeof id, "00000000-0000-4000-8000-%012u", number);
    sqlite3_bind_text(insert, 1, id, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int(insert, 2, (int)(number % 1000));
    bool ok = sqlite3_step(insert) == SQLITE_DONE; /* the statement is its own transaction */
    if (!ok)
        fprintf(stderr, "latency: insert: %s\n", sqlite3_errmsg(db));
    sqlite3_reset(insert);
    return ok;
}

static void *write_rows(void *arg)
{
    struct latency *latency = arg;
    sqlite3 *db = NULL;
    sqlite3_stmt *insert = NULL;
    static const char sql[] = "insert into outbox (event_id, aggregatetype, aggregateid, type, payload) "
                              "values (?1, 'bench', ?2, 'measured', printf('%.128c', 'x'))";
    bool ok = sqlite3_open_v2(latency->database, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
              sqlite3_busy_timeout(db, 10000) == SQLITE_OK &&
              sqlite3_exec(db, "pragma synchronous = normal", NULL, NULL, NULL) == SQLITE_OK &&
              sqlite3_prepare_v2(db, sql, -1, &insert, NULL) == SQLITE_OK;
    uint64_t due = now_ns(CLOCK_MONOTONIC) + 50000000u;
    for (uint32_t i = 0; ok && i < latency->count; i++, due += latency->gap_ns) {
        sleep_until(due);
        ok = insert_one(db, insert, i);
        __atomic_store_n(&latency->committed[i], now_ns(CLOCK_MONOTONIC), __ATOMIC_RELEASE);
    }
    if (!ok)
        fprintf(stderr, "latency: %s: %s\n", latency->database, db ? sqlite3_errmsg(db) : "no memory");
    latency->failed |= !ok;
    sqlite3_finalize(insert);
    sqlite3_close(db);
    return NULL;
}

/* ---- the reader -------------------------------------------------------------------------------------------------- */

static void take_line(struct latency *latency, const char *line, uint64_t now)
{
    static const char mark[] = "00000000-0000-4000-8000-";
    const char *id = strstr(line, mark);
    uint32_t number = id ? (uint32_t)strtoul(id + sizeof mark - 1, NULL, 10) : UINT32_MAX;
    if (number >= latency->count || latency->seen[number])
        return;
    latency->seen[number] = now;
    latency->arrived++;
}

/* Only the first bytes of each line are kept; the rest is not needed. */
static void take_bytes(struct latency *latency, const char *bytes, size_t size, uint64_t now)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != '\n') {
            if (latency->tail_size < sizeof latency->tail - 1)
                latency->tail[latency->tail_size++] = bytes[i];
            continue;
        }
        latency->tail[latency->tail_size] = '\0';
        take_line(latency, latency->tail, now);
        latency->tail_size = 0;
    }
}

static bool read_new(struct latency *latency, int fd)
{
    static char chunk[1 << 16];
    ssize_t got;
    while ((got = read(fd, chunk, sizeof chunk)) > 0) {
        if (latency->durable && fdatasync(fd)) {
            perror(latency->file);
            return false;
        }
        take_bytes(latency, chunk, (size_t)got, now_ns(CLOCK_MONOTONIC));
    }
    return got == 0;
}

static bool follow(struct latency *latency, int fd, int watch)
{
    char events[4096];
    while (latency->arrived < latency->count && !latency->failed) {
        struct pollfd poller = {.fd = watch, .events = POLLIN};
        if (poll(&poller, 1, PATIENCE_MS) != 1) {
            fprintf(stderr, "latency: %u of %u events came, then none for %d ms\n", latency->arrived, latency->count,
                    PATIENCE_MS);
            return false;
        }
        if (read(watch, events, sizeof events) < 0 || !read_new(latency, fd))
            return false;
    }
    return !latency->failed;
}

static bool read_events(struct latency *latency)
{
    int fd = open(latency->file, O_RDONLY | O_CLOEXEC), watch = inotify_init1(IN_CLOEXEC);
    bool ok =
        fd >= 0 && watch >= 0 && lseek(fd, 0, SEEK_END) >= 0 && inotify_add_watch(watch, latency->file, IN_MODIFY) >= 0;
    pthread_t writer;
    if (!ok || pthread_create(&writer, NULL, write_rows, latency)) {
        perror(latency->file);
        return false;
    }
    ok = follow(latency, fd, watch);
    pthread_join(writer, NULL);
    close(fd);
    close(watch);
    return ok;
}

static void print(const struct latency *latency)
{
    double *ms = calloc(latency->count, sizeof *ms);
    if (!ms)
        return;
    for (uint32_t i = 0; i < latency->count; i++) {
        uint64_t committed = latency->committed[i], seen = latency->seen[i];
        ms[i] = seen > committed ? (double)(seen - committed) / 1e6 : 0;
    }
    sort(ms, latency->count);
    printf("%u %.2f %.2f %.2f\n", latency->count, ms[latency->count / 2], ms[latency->count - latency->count / 100 - 1],
           ms[latency->count - 1]);
    free(ms);
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 64;
    uint64_t rate = strtoull(argv[3], NULL, 10);
    struct latency latency = {.database = argv[1],
                              .file = argv[2],
                              .count = (uint32_t)(rate * strtoull(argv[4], NULL, 10)),
                              .gap_ns = 1000000000u / (rate ? rate : 1),
                              .durable = argc > 5 && strcmp(argv[5], "--durable") == 0};
    latency.committed = calloc(latency.count + 1, sizeof *latency.committed);
    latency.seen = calloc(latency.count + 1, sizeof *latency.seen);
    bool ok = latency.committed && latency.seen && read_events(&latency);
    if (ok)
        print(&latency);
    free(latency.committed);
    free(latency.seen);
    return ok ? 0 : 1;
}

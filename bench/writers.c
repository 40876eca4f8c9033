/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/writers.c - the waits of an application that commits
 *
 *     writers DATABASE RATE SECONDS
 *
 * Inserts a row a transaction at times fixed beforehand (an open loop, like latency.c), with a busy timeout. Records
 * how long BEGIN IMMEDIATE waited for the write lock and how long the whole transaction took. Prints "COUNT LOCK-P50
 * P99 P99.9 MAX COMMIT-P50 P99 P99.9 MAX LONG" in milliseconds; LONG is the number of waits over 5 ms.
 */
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "timing.h"

static bool run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return true;
    fprintf(stderr, "writers: %s: %s\n", sql, sqlite3_errmsg(db));
    return false;
}

static bool write_rows(sqlite3 *db, uint32_t count, uint64_t gap_ns, double *locks, double *commits)
{
    static const char insert[] = "insert into outbox (aggregatetype, aggregateid, type, payload) "
                                 "values ('bench', '1', 'written', printf('%.128c', 'x'))";
    uint64_t due = now_ns(CLOCK_MONOTONIC) + 50000000u;
    bool ok = true;
    for (uint32_t i = 0; ok && i < count; i++, due += gap_ns) {
        sleep_until(due);
        uint64_t begin = now_ns(CLOCK_MONOTONIC);
        ok = run(db, "begin immediate");
        locks[i] = (double)(now_ns(CLOCK_MONOTONIC) - begin) / 1e6;
        ok = ok && run(db, insert) && run(db, "commit");
        commits[i] = (double)(now_ns(CLOCK_MONOTONIC) - begin) / 1e6;
    }
    return ok;
}

static void print(double *ms, uint32_t count)
{
    sort(ms, count);
    printf(" %.2f %.2f %.2f %.2f", ms[count / 2], ms[count - count / 100 - 1], ms[count - count / 1000 - 1],
           ms[count - 1]);
}

static uint32_t count_long(const double *ms, uint32_t count)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++)
        n += ms[i] > 5;
    return n;
}

int main(int argc, char **argv)
{
    sqlite3 *db = NULL;
    if (argc < 4)
        return 64;
    uint64_t rate = strtoull(argv[2], NULL, 10);
    uint32_t count = (uint32_t)(rate * strtoull(argv[3], NULL, 10));
    double *locks = calloc(count + 1, sizeof *locks), *commits = calloc(count + 1, sizeof *commits);
    bool ok = rate && count && locks && commits &&
              sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
              sqlite3_busy_timeout(db, 10000) == SQLITE_OK && run(db, "pragma synchronous = normal") &&
              write_rows(db, count, 1000000000u / rate, locks, commits);
    if (ok) {
        printf("%u", count);
        print(locks, count);
        print(commits, count);
        printf(" %u\n", count_long(locks, count));
    }
    free(locks);
    free(commits);
    sqlite3_close(db);
    return ok ? 0 : 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/inbox.c - what an inbox costs a consumer, per event
 *
 *     inbox-postgres plain|inbox|window EVENTS BATCH CONNINFO   (inbox-mysql: PORT, inbox-sqlite: FILE)
 *
 * Applies EVENTS in transactions of BATCH: one INSERT of all rows of the batch, in `inbox` mode after a take() of their
 * ids, in `window` mode (level 2) after each was judged, with a window of 2,000 events. Ids are random UUIDs, none
 * twice. Prints microseconds per event, wall clock. The table `bench_applied` must be there: (id, payload).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "inbox.h"

static double now_us(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec * 1e6 + (double)at.tv_nsec / 1e3;
}

static uint64_t state;

static unsigned random_bits(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33);
}

static void fill_ids(char (*texts)[37], struct outbox_bytes *ids, size_t batch)
{
    for (size_t i = 0; i < batch; i++) {
        snprintf(texts[i], sizeof *texts, "%08x-%04x-4%03x-8%03x-%06x%06x", random_bits(), random_bits() & 0xffff,
                 random_bits() & 0xfff, random_bits() & 0xfff, random_bits() & 0xffffff, random_bits() & 0xffffff);
        ids[i] = (struct outbox_bytes){texts[i], 36};
    }
}

/* One statement for the whole batch, as a consumer that cares for speed applies it. */
static size_t apply_sql(char *sql, char (*texts)[37], size_t batch)
{
    char *at = sql + sprintf(sql, "INSERT INTO bench_applied (id, payload) VALUES ");
    for (size_t i = 0; i < batch; i++)
        at += sprintf(at, "%s('%s', 'sixty-four bytes of a business row, which any consumer would write')",
                      i ? "," : "", texts[i]);
    return (size_t)(at - sql);
}

static void require_all_new(const bool *is_new, size_t batch)
{
    for (size_t i = 0; i < batch; i++)
        if (!is_new[i]) {
            fprintf(stderr, "inbox: a random id was a duplicate\n");
            exit(1);
        }
}

static void judge_all(struct outbox_window *window, const struct outbox_bytes *ids, size_t batch)
{
    static int64_t offset = 2000;
    for (size_t i = 0; i < batch; i++, offset++) {
        char header[80];
        enum outbox_window_verdict verdict;
        struct outbox_error error = {.text = "a random id was a duplicate"};
        int size = snprintf(header, sizeof header, "9f3c2a7be01d4455.1f-5a3c77e0.%llx.%llx", (unsigned long long)offset,
                            (unsigned long long)offset - 2000);
        const struct outbox_bytes position = {header, (size_t)size};
        if (outbox_window_judge(window, offset, position, ids[i], &verdict, &error) || verdict != OUTBOX_WINDOW_NEW) {
            fprintf(stderr, "inbox: %s\n", error.text);
            exit(1);
        }
    }
}

static void run_batches(bool with_inbox, struct outbox_window *window, size_t events, size_t batch)
{
    char(*texts)[37] = calloc(batch, sizeof *texts);
    struct outbox_bytes *ids = calloc(batch, sizeof *ids);
    bool *is_new = calloc(batch, sizeof *is_new);
    char *sql = malloc(200 + batch * 130);
    for (size_t done = 0; done < events; done += batch) {
        fill_ids(texts, ids, batch);
        bench_run("BEGIN");
        if (with_inbox) {
            bench_take("bench", ids, batch, is_new);
            require_all_new(is_new, batch);
        }
        if (window)
            judge_all(window, ids, batch);
        apply_sql(sql, texts, batch);
        bench_run(sql);
        if (window)
            bench_save(window);
        bench_run("COMMIT");
    }
    free(texts);
    free(ids);
    free(is_new);
    free(sql);
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: inbox plain|inbox|window EVENTS BATCH PLACE\n");
        return 64;
    }
    size_t events = strtoul(argv[2], NULL, 10), batch = strtoul(argv[3], NULL, 10);
    bool with_inbox = !strcmp(argv[1], "inbox");
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    state = (uint64_t)at.tv_sec * 1000000007u + (uint64_t)at.tv_nsec;
    char topic[40];
    snprintf(topic, sizeof topic, "bench-%016llx", (unsigned long long)state); /* its row is new */
    bench_open(argv[4]);
    struct outbox_window *window = strcmp(argv[1], "window") ? NULL : bench_window(topic);
    run_batches(with_inbox, window, batch * 5, batch); /* plans, caches */
    double start = now_us();
    run_batches(with_inbox, window, events, batch);
    printf("%.2f\n", (now_us() - start) / (double)events);
    outbox_window_close(window);
    bench_close();
    return 0;
}

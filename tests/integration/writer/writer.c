/*
 * tests/integration/writer/writer.c - transactions of random length, some rolled back, until enough or SIGTERM
 *
 *     outbox-writer-DATABASE --db WHERE --ledger FILE [--writer N] [--seed N] [--events N] [--keys N] [--rollback
 * PERCENT]
 *                          [--transaction MAX] [--rate EVENTS_PER_SECOND] [--binary] [--table NAME]
 *     outbox-writer-DATABASE --db WHERE --left     prints the ids of the events that are in the outbox
 *
 * What it is about to commit is in the ledger, in one write, before COMMIT is sent, and the end of the transaction
 * after. Everything follows from the seed but the interleaving with other writers. Exit codes: 0 done, 1 a failure.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "writer.h"

#define TRANSACTION_MAX 64
#define PAYLOAD_MAX 24000
#define FAILURES_MAX 100 /* transactions in a row: then something else is wrong than a server that restarts */

struct writer {
    const char *where, *ledger_path, *table;
    uint64_t number, seed, events, keys, rollback, transaction, rate;
    bool binary, left;
    struct writer_db *db;
    int ledger;
    uint64_t random, made, transactions;
    unsigned failures;
    struct timespec start;
    char *lines; /* of the ledger, for one transaction */
    size_t lines_size;
    char *payload;
};

static volatile sig_atomic_t stopping;

static void stop(int signum)
{
    (void)signum;
    stopping = 1;
}

/* splitmix64 */
static uint64_t draw(struct writer *writer, uint64_t below)
{
    uint64_t z = (writer->random += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (z ^ (z >> 31)) % below;
}

/* Mostly small and plain; some with characters that need escaping, a few large, a few not text at all. */
static void make_payload(struct writer *writer, struct writer_event *event)
{
    uint64_t kind = draw(writer, 100);
    size_t pad = kind == 0 ? draw(writer, 20000) : draw(writer, 200);
    event->binary = writer->binary && kind == 1;
    int size = snprintf(writer->payload, PAYLOAD_MAX, "{\"n\": %" PRIu64 ", \"text\": \"%s\", \"pad\": \"",
                        writer->made, kind < 10 ? "gr\xc3\xbc\xc3\x9f \\\"\xe2\x82\xac\\\" \xf0\x9f\x93\xae" : "plain");
    memset(writer->payload + size, 'a' + (int)draw(writer, 26), pad);
    memcpy(writer->payload + (size_t)size + pad, "\"}", 2);
    event->payload = writer->payload;
    event->size = (size_t)size + pad + 2;
    if (event->binary)
        memcpy(writer->payload, "\0\xff\xfe\x80", 4);
}

static void make_event(struct writer *writer, struct writer_event *event, uint64_t key)
{
    *event = (struct writer_event){0};
    snprintf(event->id, sizeof event->id, "%08x-%04x-4000-8000-%012" PRIx64, (unsigned)writer->seed,
             (unsigned)writer->number & 0xffff, ++writer->made);
    snprintf(event->key, sizeof event->key, "key-%" PRIu64, key);
    make_payload(writer, event);
}

static void note(struct writer *writer, const struct writer_event *event)
{
    writer->lines_size +=
        (size_t)sprintf(writer->lines + writer->lines_size, "E %s %s %" PRIu32 " %016" PRIx64 "\n", event->id,
                        event->key, event->sequence, (uint64_t)XXH3_64bits(event->payload, event->size));
}

static bool write_ledger(struct writer *writer, const char *text, size_t size)
{
    if (write(writer->ledger, text, size) == (ssize_t)size)
        return true;
    fprintf(stderr, "writer: write %s: %s\n", writer->ledger_path, strerror(errno));
    return false;
}

static bool close_entry(struct writer *writer, enum writer_end end)
{
    char line[32];
    int size =
        snprintf(line, sizeof line, "%c %" PRIu64 "\n", end == WRITER_COMMITTED ? 'C' : 'R', writer->transactions);
    return end == WRITER_IN_DOUBT || write_ledger(writer, line, (size_t)size);
}

/* Keys ascend within a transaction, so that two writers never wait for each other in a circle. */
static bool insert_some(struct writer *writer, uint64_t count)
{
    uint64_t key = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t room = writer->keys - key;
        key += room > 1 ? draw(writer, (room + count - i - 1) / (count - i) + 1) : 0;
        struct writer_event event;
        make_event(writer, &event, key < writer->keys ? key : writer->keys - 1);
        if (!writer_db_insert(writer->db, &event))
            return false;
        note(writer, &event);
    }
    return true;
}

static bool one_transaction(struct writer *writer)
{
    uint64_t count = 1 + draw(writer, writer->transaction);
    bool give_up = draw(writer, 100) < writer->rollback;
    if (!writer_db_begin(writer->db))
        return false;
    writer->lines_size = (size_t)sprintf(writer->lines, "B %" PRIu64 "\n", ++writer->transactions);
    bool inserted = insert_some(writer, count);
    if (!write_ledger(writer, writer->lines, writer->lines_size))
        return false;
    enum writer_end end = WRITER_ROLLED_BACK;
    if (inserted && !give_up)
        end = writer_db_commit(writer->db);
    else
        writer_db_rollback(writer->db);
    writer->failures = inserted ? 0 : writer->failures + 1;
    return close_entry(writer, end) && writer->failures < FAILURES_MAX;
}

/* Keep to the rate from the start on, so that a wait for a lock is caught up with. */
static void keep_pace(const struct writer *writer)
{
    if (!writer->rate)
        return;
    uint64_t due = writer->made * 1000000000u / writer->rate + (uint64_t)writer->start.tv_nsec;
    struct timespec until = {writer->start.tv_sec + (time_t)(due / 1000000000u), (long)(due % 1000000000u)};
    while (!stopping && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}

static bool open_all(struct writer *writer)
{
    writer->lines = malloc(TRANSACTION_MAX * 160 + 64);
    writer->payload = malloc(PAYLOAD_MAX);
    writer->ledger = open(writer->ledger_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (!writer->lines || !writer->payload || writer->ledger < 0) {
        fprintf(stderr, "writer: open %s: %s\n", writer->ledger_path, strerror(errno));
        return false;
    }
    writer->db = writer_db_open(writer->where, writer->table);
    return writer->db != NULL;
}

static int work(struct writer *writer)
{
    bool ok = open_all(writer);
    clock_gettime(CLOCK_MONOTONIC, &writer->start);
    while (ok && !stopping && (!writer->events || writer->made < writer->events)) {
        ok = one_transaction(writer);
        keep_pace(writer);
    }
    if (writer->db)
        writer_db_close(writer->db);
    if (writer->ledger >= 0)
        close(writer->ledger);
    free(writer->lines);
    free(writer->payload);
    return ok ? 0 : 1;
}

static bool read_arguments(struct writer *writer, int argc, char **argv)
{
    static const struct option options[] = {{"db", 1, NULL, 0},
                                            {"ledger", 1, NULL, 1},
                                            {"table", 1, NULL, 2},
                                            {"writer", 1, NULL, 3},
                                            {"seed", 1, NULL, 4},
                                            {"events", 1, NULL, 5},
                                            {"keys", 1, NULL, 6},
                                            {"rollback", 1, NULL, 7},
                                            {"rate", 1, NULL, 8},
                                            {"transaction", 1, NULL, 9},
                                            {"binary", 0, NULL, 'b'},
                                            {"left", 0, NULL, 'l'},
                                            {0}};
    const char **texts[] = {&writer->where, &writer->ledger_path, &writer->table};
    uint64_t *numbers[] = {&writer->number,   &writer->seed, &writer->events,     &writer->keys,
                           &writer->rollback, &writer->rate, &writer->transaction};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?')
            return false;
        if (option == 'b' || option == 'l')
            *(option == 'b' ? &writer->binary : &writer->left) = true;
        else if (option < 3)
            *texts[option] = optarg;
        else
            *numbers[option - 3] = strtoull(optarg, NULL, 10);
    }
    return writer->where && (writer->ledger_path || writer->left) && writer->keys && writer->transaction &&
           writer->transaction <= TRANSACTION_MAX && optind == argc;
}

static int print_left(const struct writer *writer)
{
    struct writer_db *db = writer_db_open(writer->where, writer->table);
    bool ok = db && writer_db_left(db, writer->table);
    if (db)
        writer_db_close(db);
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct writer writer = {.table = "outbox", .seed = 1, .keys = 50, .rollback = 10, .transaction = 8, .ledger = -1};
    if (!read_arguments(&writer, argc, argv)) {
        fputs("usage: see the head of writer.c\n", stderr);
        return 64;
    }
    if (writer.left)
        return print_left(&writer);
    writer.random = writer.seed * 1000003 + writer.number;
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    return work(&writer);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/end-to-end/writer/writer.c - transactions of random length, some rolled back, until --events or SIGTERM
 *
 *     outbox-writer-DATABASE --db WHERE --ledger FILE [--table NAME] [--writer N] [--seed N] [--events N]
 *             [--undo PERCENT: an event within a savepoint that is rolled back] [--prepare PERCENT: in two phases]
 *             [--huge EVENTS: of a transaction now and then]
 *             [--keys N] [--rollback PERCENT] [--transaction MAX] [--rate EVENTS_PER_SECOND]
 *             [--late PERCENT] [--large BYTES] [--binary] [--nulls]
 *     outbox-writer-DATABASE --db WHERE --left     prints the ids of the events that are in the outbox
 *
 * --late: before this share of transactions another session begins one, inserts, and stays open while up to 30 others
 * commit: lower ids commit after higher ones. It uses its own keys, so that no transaction waits for it; its ledger is
 * FILE.late.
 * --binary and --nulls: the payload column accepts invalid UTF-8, and null.
 *
 * The events are in the ledger before COMMIT is sent, the outcome afterwards. Everything depends on the seed only,
 * except the interleaving with other writers. Exit codes: 0 done, 1 a failure.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "writer.h"

#define LATE_KEYS 8
#define LATE_FOR 30
#define HUGE_EVERY 300     /* transactions */
#define FAILING_S 120      /* longer than a full disk or a server restart takes */
#define WAIT_NS 5000000000 /* for the rate, at most */

struct writer {
    const char *where, *ledger_path, *table;
    uint64_t number, seed, events, keys, rollback, transaction, rate, late, undo, prepare, huge;
    struct writer_payloads payloads;
    bool left;
    struct writer_random random;
    struct writer_session main, aside; /* aside: commits late */
    uint64_t aside_left;               /* transactions until it commits */
    uint64_t made;
    time_t intact_at; /* the last successful transaction */
    int64_t started_ns;
};

static volatile sig_atomic_t stopping;

static void stop(int signum)
{
    (void)signum;
    stopping = 1;
}

static uint64_t draw(struct writer *writer, uint64_t below)
{
    return writer_random_below(&writer->random, below);
}

static bool make_event(struct writer *writer, struct writer_event *event, const char *prefix, uint64_t key)
{
    *event = (struct writer_event){0};
    snprintf(event->id, sizeof event->id, "%08x-%04x-4000-8000-%012" PRIx64, (unsigned)writer->seed,
             (unsigned)writer->number & 0xffff, ++writer->made);
    snprintf(event->key, sizeof event->key, "%s-%" PRIu64, prefix, key);
    return writer_make_payload(&writer->payloads, &writer->random, writer->made, event);
}

/* Keys ascend within a transaction, so that writers never deadlock. */
static uint64_t next_key(struct writer *writer, uint64_t key, uint64_t keys, uint64_t left)
{
    uint64_t room = keys - key;
    key += room > 1 ? draw(writer, (room + left - 1) / left + 1) : 0;
    return key < keys ? key : keys - 1;
}

static void insert_events(struct writer *writer, struct writer_session *session, const char *prefix, uint64_t keys)
{
    bool is_huge = writer->huge && draw(writer, HUGE_EVERY) == 0;
    uint64_t count = is_huge ? writer->huge : 1 + draw(writer, writer->transaction), key = 0;
    while (count && session->intact) {
        struct writer_event events[WRITER_STATEMENT_MAX];
        unsigned made = 0, wanted = draw(writer, 4) ? 1 : 1 + (unsigned)draw(writer, WRITER_STATEMENT_MAX);
        for (; count && made < wanted; count--, made++) {
            key = next_key(writer, key, keys, count);
            if (!make_event(writer, &events[made], prefix, key))
                abort();
        }
        writer_session_insert(session, events, made);
        while (made)
            free(events[--made].payload);
    }
}

static void insert_undone(struct writer *writer, struct writer_session *session)
{
    struct writer_event event;
    if (draw(writer, 100) >= writer->undo)
        return;
    if (!make_event(writer, &event, "key", draw(writer, writer->keys)))
        abort();
    writer_session_undo(session, &event);
    free(event.payload);
}

static bool begin(struct writer *writer, struct writer_session *session)
{
    return writer_session_begin(session, draw(writer, 100) < writer->prepare);
}

static bool end(struct writer *writer, struct writer_session *session, bool commit)
{
    insert_undone(writer, session);
    return writer_session_end(session, commit);
}

static bool begin_aside(struct writer *writer)
{
    char prefix[32];
    snprintf(prefix, sizeof prefix, "late-%" PRIu64, writer->number);
    writer->aside_left = 1 + draw(writer, LATE_FOR);
    if (!begin(writer, &writer->aside))
        return false;
    insert_events(writer, &writer->aside, prefix, LATE_KEYS);
    return true;
}

static bool one_transaction(struct writer *writer)
{
    bool commit = draw(writer, 100) >= writer->rollback, fine;
    if (!begin(writer, &writer->main))
        return false;
    insert_events(writer, &writer->main, "key", writer->keys);
    time_t now = time(NULL);
    if (writer->main.intact || !writer->intact_at)
        writer->intact_at = now;
    fine = end(writer, &writer->main, commit) && now - writer->intact_at < FAILING_S;
    if (fine && writer->aside.open && --writer->aside_left == 0)
        fine = end(writer, &writer->aside, draw(writer, 100) >= writer->rollback);
    return fine;
}

/* Keep the rate: catch up after a lock wait, but not after an outage of more than 1 s. A huge transaction is no reason
 * to be silent for minutes: a test may wait for the next row. */
static void keep_rate(struct writer *writer)
{
    if (!writer->rate)
        return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t due = writer->started_ns + (int64_t)(writer->made * 1000000000u / writer->rate);
    int64_t late = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - due;
    int64_t shift = late > 1000000000 ? late : late < -WAIT_NS ? late + WAIT_NS : 0;
    writer->started_ns += shift;
    due += shift;
    struct timespec until = {due / 1000000000, due % 1000000000};
    while (!stopping && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}

static int work(struct writer *writer)
{
    bool ok = writer_session_open(&writer->main, writer->where, writer->table, writer->ledger_path, "") &&
              (!writer->late ||
               writer_session_open(&writer->aside, writer->where, writer->table, writer->ledger_path, ".late"));
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    writer->started_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    while (ok && !stopping && (!writer->events || writer->made < writer->events)) {
        if (writer->late && !writer->aside.open && draw(writer, 100) < writer->late)
            ok = begin_aside(writer);
        ok = ok && one_transaction(writer);
        keep_rate(writer);
    }
    if (ok && writer->aside.open)
        ok = writer_session_end(&writer->aside, true);
    writer_session_close(&writer->main);
    writer_session_close(&writer->aside);
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
                                            {"late", 1, NULL, 10},
                                            {"large", 1, NULL, 11},
                                            {"undo", 1, NULL, 12},
                                            {"prepare", 1, NULL, 13},
                                            {"huge", 1, NULL, 14},
                                            {"binary", 0, NULL, 15},
                                            {"nulls", 0, NULL, 16},
                                            {"left", 0, NULL, 17},
                                            {0}};
    const char **texts[] = {&writer->where, &writer->ledger_path, &writer->table};
    uint64_t *numbers[] = {&writer->number,         &writer->seed, &writer->events,      &writer->keys,
                           &writer->rollback,       &writer->rate, &writer->transaction, &writer->late,
                           &writer->payloads.large, &writer->undo, &writer->prepare,     &writer->huge};
    bool *flags[] = {&writer->payloads.binary, &writer->payloads.nulls, &writer->left};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?')
            return false;
        if (option < 3)
            *texts[option] = optarg;
        else if (option < 15)
            *numbers[option - 3] = strtoull(optarg, NULL, 10);
        else
            *flags[option - 15] = true;
    }
    return writer->where && (writer->ledger_path || writer->left) && writer->keys && writer->transaction &&
           writer->payloads.large && optind == argc;
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
    struct writer writer = {.table = "outbox",
                            .seed = 1,
                            .keys = 50,
                            .rollback = 10,
                            .transaction = 8,
                            .payloads.large = 20000,
                            .main.ledger = -1,
                            .aside.ledger = -1};
    if (!read_arguments(&writer, argc, argv)) {
        fputs("usage: see the head of writer.c\n", stderr);
        return 64;
    }
    if (writer.left)
        return print_left(&writer);
    writer.random.state = writer.seed * 1000003 + writer.number;
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    return work(&writer);
}

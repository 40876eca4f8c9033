/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/wal/open_test.c - records mean messages and ends; open transactions keep events until they end */
#include <criterion/criterion.h>

#include "../sql/sql_host.h"
#include "postgres/capture/open.h"
#include "writer.h"

static struct sql_capture_memory memory;
static struct pg_open transactions;
static uint64_t committed[100];
static unsigned committed_count, unknown;

static void set_up(void)
{
    memory = (struct sql_capture_memory){.host = &sql_host};
    transactions = (struct pg_open){0};
    pg_open_begin(&transactions, &memory, 1 << 20);
    committed_count = unknown = 0;
}

static void tear_down(void)
{
    pg_open_free(&transactions);
    sql_capture_memory_free(&memory);
    cr_assert_eq(sql_memory.live, 0);
}

TestSuite(wal_open, .init = set_up, .fini = tear_down);

static void on_message(const struct pg_wal_message *message, uint64_t lsn)
{
    if (message->prefix.size != 8 || memcmp(message->prefix.data, "outbox:a", 8) || message->database != 77)
        return;
    struct sql_capture_event *event = sql_capture_event_new(&memory, (uint32_t)message->content.size);
    event->order = lsn;
    memcpy(event->data, message->content.data, message->content.size);
    cr_assert(pg_open_add(&transactions, message->xid, 1, event));
}

static void on_end(const struct pg_wal_end *end)
{
    struct pg_open_ended ended = pg_open_end(&transactions, end);
    struct sql_capture_event *event;
    while ((event = sql_capture_list_take(&ended.events))) {
        committed[committed_count++] = event->data[0];
        sql_capture_event_drop(&memory, event);
    }
}

static bool on_record(void *arg, const struct pg_wal_record *record)
{
    const unsigned *major = arg;
    struct pg_wal_meaning meaning;
    switch (pg_wal_record_read(record, *major, &meaning)) {
    case PG_WAL_MESSAGE:
        on_message(&meaning.message, record->lsn);
        break;
    case PG_WAL_END:
        on_end(&meaning.end);
        break;
    case PG_WAL_RUNNING:
        pg_open_prune(&transactions, &meaning.running);
        break;
    case PG_WAL_UNKNOWN:
        unknown++;
        break;
    case PG_WAL_OTHER:
        break;
    }
    return true;
}

static void read_wal(struct wal *wal)
{
    struct outbox_error error;
    struct pg_wal_pages pages = {
        .host = &sql_host, .record = on_record, .arg = &wal->major, .major = wal->major, .segment = WAL_SEGMENT};
    pg_wal_pages_begin(&pages, WAL_BEGIN);
    cr_assert(pg_wal_pages_read(&pages, wal->bytes, (size_t)(wal->lsn - WAL_BEGIN), &error), "%s", error.text);
    pg_wal_pages_free(&pages);
    free(wal->bytes);
}

static void event(struct wal *wal, uint32_t xid, unsigned char mark)
{
    wal_message(wal, xid, true, "outbox:a", 20, mark);
}

static void expect(const char *marks)
{
    cr_assert_eq(committed_count, strlen(marks));
    for (unsigned i = 0; marks[i]; i++)
        cr_assert_eq(committed[i], (uint64_t)marks[i], "event %u is %c", i, (int)committed[i]);
    cr_assert_eq(unknown, 0);
}

Test(wal_open, events_come_at_the_commit_in_the_order_of_commits)
{
    struct wal wal = wal_new(15);
    event(&wal, 10, 'a');
    event(&wal, 11, 'b');
    event(&wal, 10, 'c');
    wal_end(&wal, PG_XACT_COMMIT, 11, NULL, 0, 0);
    wal_end(&wal, PG_XACT_COMMIT, 10, NULL, 0, 0);
    read_wal(&wal);
    expect("bac");
    cr_assert_eq(transactions.count, 0);
}

Test(wal_open, a_rolled_back_transaction_gives_nothing)
{
    struct wal wal = wal_new(15);
    event(&wal, 10, 'a');
    wal_end(&wal, PG_XACT_ABORT, 10, NULL, 0, 0);
    wal_end(&wal, PG_XACT_COMMIT, 11, NULL, 0, 0);
    read_wal(&wal);
    expect("");
}

Test(wal_open, subtransactions_are_merged_by_place_and_rolled_back_ones_are_dropped)
{
    static const uint32_t children[] = {12, 14};
    struct wal wal = wal_new(15);
    event(&wal, 12, 'a');
    event(&wal, 10, 'b');
    event(&wal, 13, 'x');
    wal_end(&wal, PG_XACT_ABORT, 13, NULL, 0, 0);
    event(&wal, 14, 'c');
    event(&wal, 12, 'd');
    event(&wal, 10, 'e');
    wal_end(&wal, PG_XACT_COMMIT, 10, children, 2, 0);
    read_wal(&wal);
    expect("abcde");
}

Test(wal_open, prepared_transactions_end_under_their_own_id_in_each_version)
{
    for (unsigned major = 14; major <= 18; major++) {
        static const uint32_t child = 21;
        struct wal wal = wal_new(major);
        committed_count = 0;
        event(&wal, 20, 'a');
        event(&wal, 21, 'b');
        event(&wal, 22, 'x');
        wal_end(&wal, PG_XACT_ABORT_PREPARED, 0, NULL, 0, 22);
        wal_end(&wal, PG_XACT_COMMIT_PREPARED, 0, &child, 1, 20);
        read_wal(&wal);
        expect("ab");
        cr_assert_eq(transactions.count, 0);
    }
}

Test(wal_open, messages_without_a_transaction_of_others_and_of_other_prefixes_are_left_out)
{
    struct wal wal = wal_new(15);
    wal_message(&wal, 10, false, "outbox:a", 20, 'x');
    wal_message(&wal, 10, true, "outbox:ab", 20, 'x');
    wal_message(&wal, 10, true, "outbox:", 20, 'x');
    event(&wal, 10, 'a');
    wal_end(&wal, PG_XACT_COMMIT, 10, NULL, 0, 0);
    read_wal(&wal);
    expect("a");
}

static void running(struct wal *wal, uint32_t next, uint32_t oldest, const uint32_t *xids, uint32_t count,
                    bool complete)
{
    unsigned char data[200] = {0};
    wal_put(data, count, 4);
    data[8] = !complete;
    wal_put(data + 12, next, 4);
    wal_put(data + 16, oldest, 4);
    for (uint32_t i = 0; i < count; i++)
        wal_put(data + 24 + 4 * i, xids[i], 4);
    wal_main(wal, PG_RM_STANDBY, PG_STANDBY_RUNNING, 0, data, 24 + 4 * count);
}

Test(wal_open, transactions_of_before_a_crash_are_dropped)
{
    static const uint32_t runs[] = {10, 12};
    struct wal wal = wal_new(15);
    event(&wal, 10, 'a');
    event(&wal, 11, 'x');
    event(&wal, 12, 'b');
    running(&wal, 20, 10, runs, 2, true);
    event(&wal, 20, 'c');
    running(&wal, 20, 10, runs, 1, false); /* 12 is a subtransaction that is not listed */
    wal_end(&wal, PG_XACT_COMMIT, 20, NULL, 0, 0);
    wal_end(&wal, PG_XACT_COMMIT, 12, NULL, 0, 0);
    wal_end(&wal, PG_XACT_COMMIT, 11, NULL, 0, 0);
    wal_end(&wal, PG_XACT_COMMIT, 10, NULL, 0, 0);
    read_wal(&wal);
    expect("cba");
}

Test(wal_open, the_largest_transaction_is_spilled_at_the_limit)
{
    struct wal wal = wal_new(15);
    struct pg_wal_end end = {.commits = true, .xid = 10};
    event(&wal, 11, 'a');
    for (unsigned i = 0; i < 20; i++)
        wal_message(&wal, 10, true, "outbox:a", 60000, 'x');
    read_wal(&wal);
    cr_assert_leq(transactions.bytes, 1 << 20);
    struct pg_open_ended ended = pg_open_end(&transactions, &end);
    cr_assert(ended.spilled && !ended.events.count && ended.first.lsn > WAL_BEGIN);
    end.xid = 11;
    ended = pg_open_end(&transactions, &end);
    cr_assert(ended.first.lsn && !ended.spilled && ended.events.count == 1);
    sql_capture_list_drop(&memory, &ended.events);
}

/* ---- how much open transactions hold ----------------------------------------------------------------------------- */

static void add(uint32_t xid, uint64_t lsn, uint32_t size)
{
    struct sql_capture_event *event = sql_capture_event_new(&memory, size);
    event->order = lsn;
    cr_assert(pg_open_add(&transactions, xid, 1, event));
}

static struct pg_open_ended end_of(uint32_t xid, bool commits, const uint32_t *children, uint32_t count)
{
    return pg_open_end(&transactions, &(struct pg_wal_end){.commits = commits,
                                                           .xid = xid,
                                                           .subxids = (const unsigned char *)children,
                                                           .subxid_count = count});
}

/* With work or memory for each pair of savepoints this would not end, or not fit. */
Test(wal_open, a_million_savepoints_cost_little)
{
    enum { COUNT = 1000000, FIRST = 5000 };
    uint32_t *children = malloc(COUNT * sizeof *children);
    add(10, 1, 20);
    for (uint32_t i = 0; i < COUNT; i++) {
        children[i] = FIRST + i;
        add(FIRST + i, 100 + i, 20);
    }
    cr_assert_leq(transactions.bytes, 1 << 20);
    cr_assert_leq(sql_memory.peak, 3 << 20, "%ld bytes", sql_memory.peak);
    cr_assert_eq(pg_open_oldest(&transactions).lsn, 1);
    struct pg_open_ended ended = end_of(FIRST - 1, true, children, COUNT);
    cr_assert(ended.spilled && !ended.events.count);
    cr_assert_leq(ended.first.lsn, 100);
    cr_assert_eq(transactions.spilled.count + transactions.count, 1, "only transaction 10 is open");
    end_of(10, false, NULL, 0);
    cr_assert_eq(pg_open_oldest(&transactions).lsn, 0);
    free(children);
}

/* Each event of the slow transaction would keep a chunk that is else empty. */
Test(wal_open, a_slow_transaction_between_many_others_holds_little)
{
    enum { ROUNDS = 2000, OTHERS = 700 };
    uint64_t lsn = 1;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        add(10, lsn++, 50);
        for (uint32_t i = 0; i < OTHERS; i++)
            add(11, lsn++, 50);
        struct pg_open_ended ended = end_of(11, true, NULL, 0);
        sql_capture_list_drop(&memory, &ended.events);
    }
    cr_assert_leq(sql_memory.peak, 6 << 20, "%ld bytes", sql_memory.peak);
    struct pg_open_ended ended = end_of(10, true, NULL, 0);
    cr_assert(ended.spilled);
    cr_assert_eq(ended.first.lsn, 1);
}

Test(wal_open, a_small_transaction_stays_when_a_large_one_is_spilled)
{
    add(10, 1, 100);
    for (uint64_t i = 0; i < 100; i++)
        add(20000, 2 + i, 20000);
    struct pg_open_ended ended = end_of(10, true, NULL, 0);
    cr_assert(!ended.spilled && ended.events.count == 1);
    sql_capture_list_drop(&memory, &ended.events);
    ended = end_of(20000, true, NULL, 0);
    cr_assert(ended.spilled);
    cr_assert_eq(ended.first.lsn, 2, "not that of the other one");
}

/* Outer savepoints with events before, between and after those of inner ones. */
Test(wal_open, savepoints_that_overlap_are_merged)
{
    enum { COUNT = 1000 };
    uint32_t children[COUNT];
    for (uint32_t i = 0; i < COUNT; i++)
        children[i] = 100 + i;
    for (uint64_t lsn = 1; lsn <= 3 * COUNT; lsn++)
        add(children[lsn * 7919 % COUNT], lsn, 20);
    struct pg_open_ended ended = end_of(99, true, children, COUNT);
    struct sql_capture_event *event;
    for (uint64_t lsn = 1; (event = sql_capture_list_take(&ended.events)); lsn++) {
        cr_assert_eq(event->order, lsn);
        sql_capture_event_drop(&memory, event);
    }
    cr_assert_eq(transactions.bytes, 0);
    cr_assert_eq(transactions.weight, 0);
}

Test(wal_open, spilled_transactions_of_before_a_crash_are_dropped)
{
    unsigned char runs[4];
    const struct pg_wal_running running = {.next = 70000, .oldest = 10, .xids = runs, .count = 1, .complete = true};
    for (uint32_t xid = 10; xid < 60000; xid += 4000)
        for (uint64_t i = 0; i < 30; i++)
            add(xid, 1000 * xid + i, 60000);
    cr_assert_gt(transactions.spilled.count, 10);
    wal_put(runs, 10 + 8000, 4);
    pg_open_prune(&transactions, &running);
    cr_assert_eq(transactions.spilled.count + transactions.count, 1);
    cr_assert_eq(pg_open_oldest(&transactions).xid, 10 + 8000);
}

Test(wal_open, memory_that_is_missing_is_an_error)
{
    for (uint64_t i = 0; i < 17; i++)
        add(10, 1 + i, 60000);
    sql_memory.fail_at = 2; /* after the event itself: the set of spilled ids */
    struct sql_capture_event *event = sql_capture_event_new(&memory, 60000);
    event->order = 100;
    cr_assert(!pg_open_add(&transactions, 10, 1, event));
    sql_memory.fail_at = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/position_test.c - what is read and passed, with sources that interleave, and its memory */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "capture/position.h"
#include "sql_host.h"

static struct mys_position position;

static void tear_down(void)
{
    mys_position_free(&position);
    cr_assert_eq(sql_memory.live, 0);
}

TestSuite(position, .fini = tear_down);

static void begin(bool mariadb, const char *text)
{
    mys_position_init(&position, &sql_host, mariadb);
    cr_assert(mys_position_parse(&position, text));
    mys_position_restart(&position, NULL);
}

static struct mys_gtid gtid_of(bool mariadb, unsigned source, uint64_t number)
{
    struct mys_gtid gtid = {.mariadb = mariadb, .number = number};
    if (mariadb) {
        gtid.domain = source;
        gtid.server = 7;
    } else {
        memset(gtid.source.uuid, (int)source + 1, MYS_UUID);
    }
    return gtid;
}

static uint64_t read_one(bool mariadb, unsigned source, uint64_t number, bool ends)
{
    struct mys_gtid gtid = gtid_of(mariadb, source, number);
    return mys_position_read(&position, &gtid, (struct mys_place){.offset = number}, ends);
}

static void expect(const char *text, const struct mys_gtid_set *held)
{
    struct obx_sql_text printed = {.host = &sql_host};
    mys_position_print(&position, held, &printed);
    cr_assert_str_eq(obx_sql_text_get(&printed), text);
    obx_sql_text_free(&printed);
}

Test(position, numbers_of_one_source_are_one_run)
{
    begin(true, "");
    for (uint64_t i = 1; i <= 1000; i++)
        read_one(true, 0, i, i % 3 == 0);
    cr_assert_eq(position.count, 1);
    mys_position_pass(&position, 300);
    expect("0-7-300", NULL);
    cr_assert_eq(mys_position_oldest(&position)->place.offset, 1);
    mys_position_pass(&position, 1000);
    expect("0-7-1000", NULL);
    cr_assert_null(mys_position_oldest(&position));
}

/* One event waits, and two sources write in turn without end. */
static void interleave(bool mariadb)
{
    begin(mariadb, "");
    uint64_t event = read_one(mariadb, 0, 1, true);
    for (uint64_t i = 1; i <= 100000; i++) {
        read_one(mariadb, 1, i, false);
        read_one(mariadb, 0, i + 1, false);
    }
    cr_assert_leq(position.count, 3, "%u", position.count);
    mys_position_pass(&position, event - 1);
    cr_assert_eq(mys_position_oldest(&position)->ordinal, event);
    mys_position_pass(&position, event);
    cr_assert_eq(mys_position_bytes(&position), 2 * sizeof(struct mys_run));
    mys_position_pass(&position, 200001);
    cr_assert_eq(position.count, 0);
}

Test(position, interleaved_sources_of_mysql_take_bounded_memory)
{
    interleave(false);
    expect("01010101-0101-0101-0101-010101010101:1-100001,02020202-0202-0202-0202-020202020202:1-100000", NULL);
}

Test(position, interleaved_domains_of_mariadb_take_bounded_memory)
{
    interleave(true);
    expect("0-7-100001,1-7-100000", NULL);
}

/* A replica may commit in another order than its source. */
Test(position, exchanged_numbers_grow_together)
{
    begin(false, "");
    read_one(false, 1, 1, true);
    for (uint64_t i = 1; i <= 1000; i += 2) {
        read_one(false, 0, i + 1, false);
        read_one(false, 1, i + 1, false);
        read_one(false, 0, i, false);
        read_one(false, 1, i + 2, false);
    }
    cr_assert_leq(position.count, 3, "%u", position.count);
    mys_position_pass(&position, 2001);
    expect("01010101-0101-0101-0101-010101010101:1-1000,02020202-0202-0202-0202-020202020202:1-1001", NULL);
}

/* A prepared transaction is read again; so is what follows it, and ignored. */
Test(position, held_transaction_begins_the_next_reading)
{
    struct mys_gtid_set held;
    begin(true, "0-7-10");
    read_one(true, 0, 11, false);
    mys_gtid_set_init(&held, &sql_host, true);
    mys_gtid_set_copy(&held, &position.read);
    read_one(true, 0, 12, true);
    uint64_t last = read_one(true, 0, 13, false);
    mys_position_pass(&position, last);
    expect("0-7-13 from 0-7-11", &held);
    mys_position_restart(&position, &held);
    cr_assert(position.replays);
    expect("0-7-13 from 0-7-11", NULL); /* until it is read again */
    mys_position_pass(&position, read_one(true, 0, 12, true));
    expect("0-7-13 from 0-7-12", NULL);
    mys_position_pass(&position, read_one(true, 0, 13, false));
    expect("0-7-13", NULL);
    mys_gtid_set_free(&held);
}

/* ---- against a model --------------------------------------------------------------------------------------------- */

enum { SOURCES = 4, COUNT = 400 };

static uint64_t seed;

static unsigned draw(unsigned below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % below;
}

/* After each pass exactly the transactions up to it are in `done`. */
static void run_model(bool mariadb)
{
    struct mys_gtid all[COUNT];
    bool ends[COUNT];
    uint64_t next[SOURCES] = {1, 1, 1, 1};
    unsigned passed = 0, open = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        unsigned source = draw(SOURCES);
        ends[i] = !draw(5);
        all[i] = gtid_of(mariadb, source, next[source]++);
        mys_position_read(&position, &all[i], (struct mys_place){0}, ends[i]);
        open += ends[i];
        cr_assert_leq(position.count, (open + 1) * (SOURCES + 1));
        if (draw(6))
            continue;
        unsigned to = passed + draw(i + 1 - passed);
        while (to < i && !ends[to])
            to++;
        for (; passed <= to; passed++)
            open -= ends[passed];
        mys_position_pass(&position, to + 1);
        for (unsigned k = 0; k <= i; k++)
            cr_assert_eq(mys_gtid_set_has(&position.done, &all[k]), k <= to, "transaction %u of %u, passed %u", k, i,
                         to);
        passed = to + 1 > i ? i : to + 1;
        if (passed == i && to == i) /* the next begins a new one */
            passed = i + 1;
    }
}

Test(position, passed_transactions_are_those_up_to_the_ordinal)
{
    for (seed = 1; seed < 200;) {
        uint64_t from = seed;
        begin(from % 2, "");
        run_model(from % 2);
        mys_position_free(&position);
        seed = from + 1;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/sql-suite/survey_test.c - who owns outboxes, and who wishes to: what one session sees and takes
 *
 * Two stores survey over sessions of their own, as two processes would. Each outbox is named by a store that is not
 * started.
 */
#undef _FORTIFY_SOURCE /* it defines gethostname() */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <outbox/plugin_util.h>

#include "fixture.h"

enum { MOST = 130, SURVEYORS = 2 };

struct survey_fixture {
    struct sql_fixture fixture;
    struct obx_instance *surveyors[SURVEYORS];
    struct obx_instance *named[MOST]; /* which outboxes */
    struct outbox_surveyed outboxes[MOST];
    struct outbox_survey survey;
};

/* A machine with a name of this length; 0: the real one. */
static size_t host_size;
int gethostname(char *name, size_t size)
{
    if (!host_size)
        return snprintf(name, size, "here") < 0;
    memset(name, 'h', host_size);
    memcpy(name + host_size - 4, "-pod", 5);
    return 0;
}

/* ---- stores ------------------------------------------------------------------------------------------------------ */

static void put_store(struct obx_buf *yaml, const char *section, const char *table, const char *user)
{
    struct obx_buf store = {0};
    server_section(&store, &(struct server_place){.user = user});
    obx_buf_printf(yaml, "%s%s  table: %s\n", section, strchr(obx_buf_text(&store), ':'), table);
    obx_buf_free(&store);
}

static struct obx_instance *make(struct sql_fixture *fixture, const char *section)
{
    struct obx_instance *store;
    cr_assert_eq(loop_fixture_instance(&fixture->base, OUTBOX_STORE, section, &store, &fixture->error), 0, "%s",
                 fixture->error.text);
    return store;
}

static void start_surveyor(struct survey_fixture *t, int i)
{
    cr_assert_eq(loop_fixture_store_start(&t->fixture.base, t->surveyors[i], NULL, 0, &t->fixture.error), 0, "%s",
                 t->fixture.error.text);
}

/* tables: the outboxes; the fixture has made the first. user: who surveys; NULL: as the fixture. */
static void open_survey(struct survey_fixture *t, uint32_t count, const char *const *tables, const char *user)
{
    struct sql_fixture *fixture = &t->fixture;
    struct obx_buf yaml = {0};
    char section[24];
    put_store(&yaml, "store", tables[0], NULL);
    put_store(&yaml, "surveyor", tables[0], user);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(section, sizeof section, "outbox%u", i);
        put_store(&yaml, section, tables[i], user);
    }
    obx_instance_free(fixture->store);
    cr_assert_eq(loop_fixture_configure(&fixture->base, "test.yaml", obx_buf_text(&yaml), &fixture->error), 0, "%s",
                 fixture->error.text);
    obx_buf_free(&yaml);
    fixture->store = make(fixture, "store");
    for (int i = 0; i < SURVEYORS; i++) {
        t->surveyors[i] = make(fixture, "surveyor");
        start_surveyor(t, i);
    }
    for (uint32_t i = 0; i < count; i++) {
        snprintf(section, sizeof section, "outbox%u", i);
        t->named[i] = make(fixture, section);
        t->outboxes[i] = (struct outbox_surveyed){.store = obx_instance_self(t->named[i]), .lease_ms = 60000};
    }
    t->survey = (struct outbox_survey){sizeof t->survey, count, t->outboxes};
}

static void close_survey(struct survey_fixture *t)
{
    for (int i = 0; i < SURVEYORS; i++) {
        loop_fixture_stop(&t->fixture.base, t->surveyors[i], NULL);
        obx_instance_free(t->surveyors[i]);
    }
    for (uint32_t i = 0; i < t->survey.count; i++)
        obx_instance_free(t->named[i]);
    fixture_close(&t->fixture);
}

static int try_survey(struct survey_fixture *t, int surveyor)
{
    struct loop_fixture_call call = {0};
    loop_fixture_reset(&call);
    obx_store_survey(t->surveyors[surveyor], &call.call, 0, &t->survey);
    int code = loop_fixture_wait(&t->fixture.base, &call);
    t->fixture.error = call.error;
    return code;
}

static void survey(struct survey_fixture *t, int surveyor)
{
    cr_assert_eq(try_survey(t, surveyor), 0, "%s", t->fixture.error.text);
}

/* In the next surveys of whichever surveyor. */
static void set_wish(struct survey_fixture *t, uint32_t outbox, bool wish)
{
    t->outboxes[outbox].flags = wish ? OUTBOX_SURVEY_WISH : 0;
}

static void expect(const struct survey_fixture *t, uint32_t outbox, uint32_t result)
{
    cr_expect_eq(t->outboxes[outbox].result, result, "outbox %u: %u, not %u", outbox, t->outboxes[outbox].result,
                 result);
}

/* The server runs on this machine. */
static void expect_time(const struct survey_fixture *t, uint32_t outbox)
{
    time_t age = time(NULL) - (time_t)t->outboxes[outbox].since_s;
    cr_expect(age >= -2 && age < 600, "owned since %u", t->outboxes[outbox].since_s);
}

static void expect_me(const char *name)
{
    char me[96];
    outbox_describe_process(me, sizeof me, "test");
    cr_expect_eq(strncmp(name, me, strlen(me)), 0, "%s, not %s", name, me);
}

enum {
    FREE = 0,
    OWNED = OUTBOX_SURVEYED_OWNED,
    WISHED = OUTBOX_SURVEYED_WISHED,
    OURS = OUTBOX_SURVEYED_WISHED | OUTBOX_SURVEYED_OURS
};

/* ---- the cases --------------------------------------------------------------------------------------------------- */

Test(survey, owner_and_wisher_are_named)
{
    static const char *const tables[] = {"surveyed"};
    struct survey_fixture t;
    fixture_open(&t.fixture, tables[0], true, "");
    open_survey(&t, 1, tables, NULL);
    survey(&t, 0);
    expect(&t, 0, FREE);
    cr_expect_str_eq(t.outboxes[0].owner, "");
    fixture_begin(&t.fixture);
    set_wish(&t, 0, true);
    survey(&t, 0);
    expect(&t, 0, OWNED | OURS);
    expect_me(t.outboxes[0].owner);
    expect_time(&t, 0);
    set_wish(&t, 0, false);
    survey(&t, 1);
    expect(&t, 0, OWNED | WISHED);
    expect_me(t.outboxes[0].wisher);
    close_survey(&t);
}

static bool first_has_it(void *arg)
{
    struct survey_fixture *t = arg;
    survey(t, 0);
    return t->outboxes[0].result & OUTBOX_SURVEYED_OURS;
}

Test(survey, wish_has_one_holder_and_ends_with_its_session)
{
    static const char *const tables[] = {"wished"};
    struct survey_fixture t;
    fixture_open(&t.fixture, tables[0], true, "");
    open_survey(&t, 1, tables, NULL);
    set_wish(&t, 0, true);
    survey(&t, 0);
    expect(&t, 0, OURS);
    survey(&t, 1);
    expect(&t, 0, WISHED);
    survey(&t, 0);
    expect(&t, 0, OURS);
    set_wish(&t, 0, false);
    survey(&t, 0);
    expect(&t, 0, FREE);
    set_wish(&t, 0, true);
    survey(&t, 1);
    expect(&t, 0, OURS);
    cr_assert_eq(loop_fixture_stop(&t.fixture.base, t.surveyors[1], NULL), 0);
    cr_assert(loop_fixture_poll(&t.fixture.base, first_has_it, &t)); /* the server ends it soon */
    expect(&t, 0, OURS);
    start_surveyor(&t, 1);
    close_survey(&t);
}

/* A name that the wisher did not write: numbers of sessions begin anew with the server. */
Test(survey, name_of_another_process_under_the_own_number_is_replaced)
{
    static const char *const tables[] = {"renamed"};
    struct survey_fixture t;
    fixture_open(&t.fixture, tables[0], true, "");
    open_survey(&t, 1, tables, NULL);
    set_wish(&t, 0, true);
    survey(&t, 0);
    fixture_run(&t.fixture, BY_SERVER("SELECT 1 /* %s: the name is the session's */",
                                      "UPDATE %s_relay SET owner = 'test on elsewhere, process 1' WHERE id = 2"));
    survey(&t, 0);
    expect_me(t.outboxes[0].wisher);
    survey(&t, 1);
    expect_me(t.outboxes[0].wisher);
    close_survey(&t);
}

/* A missing table, one without rights, and on Postgres one in a schema without rights: the others are surveyed. */
Test(survey, table_that_cannot_be_read_concerns_only_itself)
{
    static const char *const tables[] = {"readable",      "missing",     "forbidden",
                                         "closed.outbox", "gone.outbox", "missing2"};
    struct survey_fixture t;
    fixture_open(&t.fixture, "forbidden", true, "");
    fixture_run(&t.fixture, BY_SERVER("CREATE SCHEMA closed; CREATE TABLE closed.outbox (LIKE %s INCLUDING ALL)",
                                      "CREATE DATABASE closed"));
    fixture_close(&t.fixture);
    fixture_open(&t.fixture, tables[0], true, "");
    server_make_user(t.fixture.sql, "surveys", "");
    server_grant(t.fixture.sql, "SELECT", tables[0], "surveys");
    if (server_kind() != POSTGRES)
        server_grant(t.fixture.sql, "SELECT, UPDATE", "readable_relay", "surveys");
    open_survey(&t, OBX_COUNT(tables), tables, "surveys");
    fixture_begin(&t.fixture);
    set_wish(&t, 0, true);
    survey(&t, 0);
    expect(&t, 0, OWNED | OURS);
    expect(&t, 1, FREE);
    expect(&t, 4, FREE);
    for (uint32_t i = 0; i < OBX_COUNT(tables); i++)
        set_wish(&t, i, true);
    survey(&t, 0);
    expect(&t, 0, OWNED | OURS);
    close_survey(&t);
}

/* More than one request of MySQL has, and tables whose texts do not compare. */
Test(survey, many_outboxes_are_surveyed_together)
{
    static const char *tables[MOST];
    struct survey_fixture t;
    for (uint32_t i = 0; i < MOST; i++)
        tables[i] = i % 2 ? "odd" : "even";
    fixture_open(&t.fixture, "odd", true, "");
    fixture_run(&t.fixture,
                BY_SERVER("SELECT 1 /* %s */",
                          "ALTER TABLE %s_relay CONVERT TO CHARACTER SET latin1 COLLATE latin1_swedish_ci"));
    fixture_close(&t.fixture);
    fixture_open(&t.fixture, "even", true, "");
    open_survey(&t, MOST, tables, NULL);
    fixture_begin(&t.fixture);
    for (uint32_t i = 1; i < MOST; i += 2)
        set_wish(&t, i, true);
    survey(&t, 0);
    survey(&t, 0);
    for (uint32_t i = 0; i < MOST; i++)
        expect(&t, i, i % 2 ? OURS : OWNED);
    expect_me(t.outboxes[0].owner);
    expect_me(t.outboxes[1].wisher);
    close_survey(&t);
}

static bool took_it(void *arg)
{
    struct survey_fixture *t = arg;
    survey(t, 1);
    return t->outboxes[0].result & OUTBOX_SURVEYED_OURS;
}

/* Its process hangs. */
Test(survey, wish_of_a_session_that_is_silent_for_a_lease_ends)
{
    static const char *const tables[] = {"hangs"};
    struct survey_fixture t;
    fixture_open(&t.fixture, tables[0], true, "");
    open_survey(&t, 1, tables, NULL);
    set_wish(&t, 0, true);
    survey(&t, 0);
    survey(&t, 1);
    expect(&t, 0, WISHED); /* silent for less than its lease */
    t.outboxes[0].lease_ms = 1000;
    cr_assert(loop_fixture_poll(&t.fixture.base, took_it, &t));
    cr_assert_eq(try_survey(&t, 0), OUTBOX_E_NOT_CONNECTED, "%s", t.fixture.error.text);
    cr_assert_eq(try_survey(&t, 0), OUTBOX_E_NOT_CONNECTED, "%s", t.fixture.error.text); /* a loss that is known */
    close_survey(&t);
}

/* Processes know each other by host and process: the names of owner and wisher must be cut alike. */
Test(survey, long_name_of_a_machine_is_the_same_in_every_name)
{
    static const char *const tables[] = {"long_host"};
    struct survey_fixture t;
    host_size = 60;
    fixture_open(&t.fixture, tables[0], true, "");
    open_survey(&t, 1, tables, NULL);
    fixture_begin(&t.fixture);
    set_wish(&t, 0, true);
    survey(&t, 0);
    survey(&t, 0);
    expect_me(t.outboxes[0].owner);
    expect_me(t.outboxes[0].wisher);
    close_survey(&t);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/program/balancer_test.c - the sessions that survey: which outboxes each sees, how often, what after a
 * failure
 *
 * The store is one of the test, the clock is virtual. balance_test.c simulates what is decided.
 */
#include <criterion/criterion.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "daemon/balancer.h"
#include "fake_loop.h"
#include "mem_fault.h"

#define S 1000000000ull

struct shared { /* a store */
    const struct outbox_host *host;
    const char *server, *database, *table, *user;
};

static struct {
    struct fake_loop loop;
    struct obx_context context;
    struct obx_log log;
    struct obx_list entries;
    struct obx_balancer *balancer;
    struct outbox_error error;
    const char *gone;              /* a database that no session can be opened to */
    char started[64];              /* "a b ": databases to which a session was opened */
    uint32_t surveys, outboxes;    /* outboxes: of the last survey */
    uint64_t surveyed_at, longest; /* between two surveys */
    bool ended;
} t;

/* ---- the store --------------------------------------------------------------------------------------------------- */

static int init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    (void)error;
    ((struct shared *)self)->host = init->host;
    return OUTBOX_OK;
}

static void fini(void *self)
{
    (void)self;
}

static void start(void *self, outbox_op_t op, const struct outbox_store_start *start)
{
    static const struct outbox_error gone = {.code = OUTBOX_E_NOT_FOUND, .text = "there is no such database"};
    const struct shared *store = self;
    bool fails = t.gone && !strcmp(store->database, t.gone);
    cr_assert_eq(start->column_count, 0);
    if (!fails)
        snprintf(t.started + strlen(t.started), sizeof t.started - strlen(t.started), "%s ", store->database);
    store->host->op_done(store->host, op, fails ? &gone : NULL);
}

static void stop(void *self, outbox_op_t op)
{
    const struct shared *store = self;
    store->host->op_done(store->host, op, NULL);
}

static void survey(void *self, outbox_op_t op, struct outbox_survey *survey)
{
    const struct shared *store = self;
    uint64_t now = obx_loop_now(&t.loop.base);
    t.longest = t.surveys && now - t.surveyed_at > t.longest ? now - t.surveyed_at : t.longest;
    t.surveyed_at = now;
    t.surveys++;
    t.outboxes = survey->count;
    store->host->op_done(store->host, op, NULL);
}

/* Of relays that are never started. */
static void acquire(void *self, outbox_op_t op, struct outbox_acquire *acquire)
{
    (void)self, (void)op, (void)acquire;
}

static void claim(void *self, outbox_op_t op, struct outbox_claim *claim)
{
    (void)self, (void)op, (void)claim;
}

static void release(void *self, struct outbox_batch *batch)
{
    (void)self, (void)batch;
}

static void settle(void *self, outbox_op_t op, const struct outbox_settle *settle)
{
    (void)self, (void)op, (void)settle;
}

#define TEXT(name_, field, flags_)                                                                           \
    {                                                                                                        \
        .name = name_, .type = OUTBOX_OPT_STRING, .flags = flags_, .offset = offsetof(struct shared, field), \
        .default_value = "x", .help = "text"                                                                 \
    }
static const struct outbox_option options[] = {TEXT("server", server, OUTBOX_OPT_IDENTITY),
                                               TEXT("database", database, OUTBOX_OPT_IDENTITY),
                                               TEXT("table", table, OUTBOX_OPT_IDENTITY), TEXT("user", user, 0)};

static const struct outbox_store_ops ops = {.struct_size = sizeof ops,
                                            .init = init,
                                            .fini = fini,
                                            .start = start,
                                            .stop = stop,
                                            .acquire = acquire,
                                            .claim = claim,
                                            .release = release,
                                            .settle = settle,
                                            .survey = survey};

static const struct outbox_plugin shared = {.abi_major = OUTBOX_ABI_MAJOR,
                                            .struct_size = sizeof shared,
                                            .kind = OUTBOX_STORE,
                                            .option_size = sizeof(struct outbox_option),
                                            .name = "shared",
                                            .version = "1",
                                            .description = "answers surveys",
                                            .instance_size = sizeof(struct shared),
                                            .op_size = 40,
                                            .options = options,
                                            .option_count = sizeof options / sizeof *options,
                                            .ops = &ops};

/* ---- a balancer -------------------------------------------------------------------------------------------------- */

static void on_ended(void *arg)
{
    (void)arg;
    t.ended = true;
}

static bool has_ended(void *arg)
{
    (void)arg;
    return t.ended;
}

/* relays: lines of the section `relays`. */
static void begin(const char *relays)
{
    static const struct outbox_plugin *const plugins[] = {&shared, NULL};
    const struct obx_balancer_events events = {.ended = on_ended};
    struct obx_config *config;
    char yaml[1000];
    snprintf(yaml, sizeof yaml, "relays:\n%s", relays);
    memset(&t, 0, sizeof t);
    obx_list_init(&t.entries);
    fake_loop_init(&t.loop, 1);
    t.context = (struct obx_context){.loop = &t.loop.base, .log = &t.log};
    cr_assert_eq(obx_config_parse("f.yaml", yaml, strlen(yaml), &config, &t.error), OUTBOX_OK, "%s", t.error.text);
    t.context.config = config;
    t.context.config_ref = obx_config_ref_new(config);
    cr_assert_eq(obx_registry_new(NULL, plugins, &t.log, &t.context.registry, &t.error), OUTBOX_OK, "%s", t.error.text);
    cr_assert_eq(obx_balancer_new(&t.context, &t.entries, &events, &t.balancer, &t.error), OUTBOX_OK, "%s",
                 t.error.text);
    obx_balancer_start(t.balancer);
}

static void end(void)
{
    obx_balancer_end(t.balancer);
    cr_assert(fake_loop_run_until(&t.loop, has_ended, NULL, 10 * S));
    cr_assert(fake_loop_idle(&t.loop));
    obx_registry_free(t.context.registry);
    obx_config_ref_release(t.context.config_ref);
    cr_assert_eq(mem_live(), 0);
}

/* ---- the cases --------------------------------------------------------------------------------------------------- */

#define RELAY(name, store) "  " name ": {store: {plugin: shared, " store "}, broker: {plugin: none}"

Test(balancer, databases_of_a_server_share_a_session)
{
    begin(RELAY("r1", "database: a") "}\n" RELAY("r2", "database: b") "}\n" RELAY("r3",
                                                                                  "database: b, table: other") "}\n");
    fake_loop_run_for(&t.loop, 5 * S);
    cr_assert_str_eq(t.started, "a ");
    cr_assert_eq(t.outboxes, 3);
    end();
}

/* Other users may have other rights. */
Test(balancer, another_user_and_another_server_have_sessions_of_their_own)
{
    begin(RELAY("r1", "database: a") "}\n" RELAY("r2", "database: b, user: other") "}\n" RELAY(
        "r3", "database: c, server: other") "}\n");
    fake_loop_run_for(&t.loop, 5 * S);
    cr_assert_eq(strlen(t.started), 6, "%s", t.started);
    cr_assert_eq(t.outboxes, 1);
    end();
}

Test(balancer, database_that_is_gone_stops_no_survey_of_the_others)
{
    begin(RELAY("r1", "database: a") "}\n" RELAY("r2", "database: b") "}\n");
    t.gone = "a";
    fake_loop_run_for(&t.loop, 10 * S);
    cr_assert_str_eq(t.started, "b ");
    cr_assert_eq(t.outboxes, 2);
    cr_assert_gt(t.surveys, 5);
    end();
}

/* A session that is silent for a lease loses its wishes. */
Test(balancer, surveys_are_as_frequent_as_the_shortest_lease_needs)
{
    begin(RELAY("r1", "table: a") ", lease: 60s, standby_poll_interval: 60s}\n" RELAY(
        "r2", "table: b") ", lease: 1s, standby_poll_interval: 60s}\n");
    fake_loop_run_for(&t.loop, 60 * S);
    cr_assert_gt(t.surveys, 60);
    cr_assert_lt(t.longest, S);
    end();
}

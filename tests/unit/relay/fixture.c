/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/fixture.c - makes a relay over the in-memory store and broker, and runs it */
#include "fixture_internal.h"

#include "config/config.h"
#include "mem_fault.h"
#include "plugin/registry.h"

struct fixture *the_fixture;

/* ---- for both plugins -------------------------------------------------------------------------------------------- */

int fixture_init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct fixture_instance *instance = self;
    (void)error;
    instance->host = init->host;
    return OUTBOX_OK;
}

void fixture_fini(void *self)
{
    (void)self;
}

bool fixture_fails(void *self, outbox_op_t op, enum fixture_op kind)
{
    struct fixture_instance *instance = self;
    the_fixture->calls[kind]++;
    if (!the_fixture->fail[kind].count)
        return false;
    the_fixture->fail[kind].count--;
    struct outbox_error error = {.code = the_fixture->fail[kind].code};
    snprintf(error.text, sizeof error.text, "%s",
             the_fixture->fail[kind].text ? the_fixture->fail[kind].text : "simulated");
    instance->host->op_done(instance->host, op, &error);
    return true;
}

void fixture_done(void *self, outbox_op_t op)
{
    struct fixture_instance *instance = self;
    instance->host->op_done(instance->host, op, NULL);
}

/* ---- making and running -------------------------------------------------------------------------------------------
 */

static void log_line(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    struct fixture *fixture = arg;
    size_t used = strlen(fixture->logged);
    if (level <= OUTBOX_LOG_WARN)
        snprintf(fixture->logged + used, sizeof fixture->logged - used, "%s: %s\n", subject, text);
    size_t noted = strlen(fixture->noted);
    if (level == OUTBOX_LOG_INFO)
        snprintf(fixture->noted + noted, sizeof fixture->noted - noted, "%s: %s\n", subject, text);
}

static void on_state(void *arg, enum outbox_state state, const char *why)
{
    (void)why;
    ((struct fixture *)arg)->state = state;
}

static void on_drained(void *arg, uint64_t blocked)
{
    struct fixture *fixture = arg;
    fixture->drained++;
    fixture->drained_blocked = blocked;
}

static void on_delivered(void *arg, const struct outbox_message *message)
{
    cr_assert_not_null(message->topic.data);
    ((struct fixture *)arg)->delivered++;
}

void fixture_refuses(const char *yaml, const char *text)
{
    struct outbox_plugin bare = fixture_store_plugin;
    bare.name = "bare"; /* a store without dead letters */
    bare.caps &= ~OUTBOX_CAP_DEAD_LETTERS;
    const struct outbox_plugin *const plugins[] = {&fixture_store_plugin, &bare, &fixture_broker_plugin,
                                                   &fixture_transform_plugin, NULL};
    struct outbox_error error = {0};
    struct obx_log log = {.write = NULL};
    struct fake_loop loop;
    struct obx_config *config;
    struct obx_registry *registry;
    struct obx_relay *relay;
    fake_loop_init(&loop, 1);
    cr_assert_eq(obx_config_parse("test", yaml, strlen(yaml), &config, &error), 0, "%s", error.text);
    cr_assert_eq(obx_registry_new(NULL, plugins, &log, &registry, &error), 0, "%s", error.text);
    struct obx_relay_setup setup = {
        .loop = &loop.base, .registry = registry, .log = &log, .name = "test", .section = obx_config_root(config)};
    cr_assert_neq(obx_relay_new(&setup, &relay, &error), 0);
    cr_assert_null(relay);
    cr_assert_str_eq(error.text, text);
    obx_registry_free(registry);
    obx_config_free(config);
    cr_assert_eq(mem_live(), 0);
}

static void make_relay(struct fixture *fixture, const char *settings)
{
    static const struct outbox_plugin *const plugins[] = {&fixture_store_plugin, &fixture_broker_plugin,
                                                          &fixture_transform_plugin, NULL};
    struct outbox_error error = {0};
    char text[2000];
    snprintf(text, sizeof text, "store: {plugin: fixture}\nbroker: {plugin: fixture}\n%s", settings);
    cr_assert_eq(obx_config_parse("test", text, strlen(text), &fixture->config, &error), 0, "%s", error.text);
    cr_assert_eq(obx_registry_new(NULL, plugins, &fixture->log, &fixture->registry, &error), 0, "%s", error.text);
    struct obx_relay_setup setup = {
        .loop = &fixture->loop.base,
        .registry = fixture->registry,
        .log = &fixture->log,
        .name = "test",
        .section = obx_config_root(fixture->config),
        .events = {.state = on_state, .drained = on_drained, .delivered = on_delivered, .arg = fixture}};
    cr_assert_eq(obx_relay_new(&setup, &fixture->relay, &error), 0, "%s", error.text);
}

struct fixture *fixture_new(const char *settings)
{
    the_fixture = calloc(1, sizeof *the_fixture);
    the_fixture->row_bytes = 100;
    the_fixture->log = (struct obx_log){.write = log_line, .arg = the_fixture, .level = OUTBOX_LOG_INFO};
    fake_loop_init(&the_fixture->loop, 1);
    fixture_broker_reset();
    make_relay(the_fixture, settings);
    return the_fixture;
}

static void on_stopped(void *arg)
{
    ((struct fixture *)arg)->stopped = true;
}

void fixture_stop(struct fixture *fixture, uint32_t deadline_ms)
{
    fixture->stopped = false;
    obx_relay_stop(fixture->relay, deadline_ms, on_stopped, fixture);
}

void fixture_free(struct fixture *fixture)
{
    fixture_stop(fixture, 1000);
    cr_assert(fixture_run(fixture, fixture_stopped, 20000), "the relay does not stop");
    cr_assert_eq(fixture->borrowed, 0, "%llu batches were not released", (unsigned long long)fixture->borrowed);
    cr_assert_eq(fixture->wrong_settles, 0);
    struct outbox_stats stats = fixture_stats(fixture);
    cr_assert_eq(stats.in_flight, 0);
    cr_assert_eq(stats.in_flight_bytes, 0);
    cr_assert_eq(stats.violations, 0);
    obx_relay_free(fixture->relay);
    obx_registry_free(fixture->registry);
    obx_config_free(fixture->config);
    cr_assert(fake_loop_idle(&fixture->loop));
    cr_assert_eq(mem_live(), 0);
    free(fixture);
}

void fixture_key_ordered(void)
{
    fixture_broker_plugin.caps &= ~OUTBOX_CAP_GLOBAL_ORDER;
}

void fixture_exactly_once(void)
{
    fixture_broker_plugin.caps |= OUTBOX_CAP_EXACTLY_ONCE;
}

void fixture_ahead(void)
{
    fixture_store_plugin.caps |= OUTBOX_CAP_AHEAD;
}

void fixture_unordered(void)
{
    fixture_broker_plugin.caps = OUTBOX_CAP_ADMIT;
}

void fixture_insert(struct fixture *fixture, const char *key, const char *text)
{
    struct fixture_row *row = &fixture->rows[fixture->row_count++];
    cr_assert_leq(fixture->row_count, FIXTURE_ROWS);
    *row = (struct fixture_row){.id = fixture->row_count, .committed = true};
    snprintf(row->key, sizeof row->key, "%s", key);
    snprintf(row->text, sizeof row->text, "%s", text);
}

void fixture_fill(struct fixture *fixture, uint32_t count, uint32_t keys)
{
    for (uint32_t i = 0; i < count; i++) {
        char key[16], text[24];
        snprintf(key, sizeof key, "k%u", i % keys);
        snprintf(text, sizeof text, "%u", i / keys);
        fixture_insert(fixture, key, text);
    }
}

struct fixture *fixture_filled(const char *settings, uint32_t count, uint32_t keys)
{
    struct fixture *fixture = fixture_new(settings);
    fixture_fill(fixture, count, keys);
    return fixture;
}

void fixture_start(struct fixture *fixture)
{
    obx_relay_start(fixture->relay);
}

struct condition {
    struct fixture *fixture;
    bool (*done)(struct fixture *fixture);
};

static bool check(void *arg)
{
    struct condition *condition = arg;
    return condition->done(condition->fixture);
}

bool fixture_run(struct fixture *fixture, bool (*done_)(struct fixture *fixture), uint64_t within_ms)
{
    struct condition condition = {fixture, done_};
    return fake_loop_run_until(&fixture->loop, check, &condition, within_ms * OBX_MS);
}

void fixture_run_for(struct fixture *fixture, uint64_t ms)
{
    fake_loop_run_for(&fixture->loop, ms * OBX_MS);
}

void fixture_release(struct fixture *fixture)
{
    (void)fixture;
    fixture_broker_release();
}

void fixture_release_all(struct fixture *fixture)
{
    fixture->hold = false;
    fixture_broker_release();
}

struct outbox_stats fixture_stats(struct fixture *fixture)
{
    struct outbox_stats stats;
    obx_relay_stats(fixture->relay, &stats);
    return stats;
}

bool fixture_empty(struct fixture *fixture)
{
    for (uint32_t i = 0; i < fixture->row_count; i++) {
        const struct fixture_row *row = &fixture->rows[i];
        if (row->committed && !row->gone && !row->dead_lettered)
            return false;
    }
    return true;
}

bool fixture_relaying(struct fixture *fixture)
{
    return fixture->state == OUTBOX_STATE_RELAYING;
}

bool fixture_drained(struct fixture *fixture)
{
    return fixture->drained > 0;
}

bool fixture_stopped(struct fixture *fixture)
{
    return fixture->stopped;
}

const char *fixture_texts(struct fixture *fixture, const char *key)
{
    static char texts[8192];
    texts[0] = '\0';
    for (uint32_t i = 0; i < fixture->published_count; i++) {
        bool again = false;
        for (uint32_t j = 0; j < i; j++)
            again |= !strcmp(fixture->published[i].id, fixture->published[j].id);
        if (again || strcmp(fixture->published[i].key, key))
            continue;
        size_t used = strlen(texts);
        snprintf(texts + used, sizeof texts - used, "%s%s", used ? " " : "", fixture->published[i].text);
    }
    return texts;
}

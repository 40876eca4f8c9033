/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/rig.c - the scripted store and broker, and the making of a relay over them */
#include "rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "mem_fault.h"
#include "plugin/registry.h"

static struct rig *the_rig; /* one for each test process */

/* ---- shared ------------------------------------------------------------------------------------------------------ */

struct instance {
    const struct outbox_host *host;
};

static int init(void *self, const struct outbox_init *init, struct outbox_error *error)
{
    struct instance *instance = self;
    (void)error;
    instance->host = init->host;
    return OUTBOX_OK;
}

static void fini(void *self)
{
    (void)self;
}

static bool fails(void *self, outbox_op_t op, enum rig_op kind)
{
    struct instance *instance = self;
    the_rig->calls[kind]++;
    if (!the_rig->fail[kind].count)
        return false;
    the_rig->fail[kind].count--;
    struct outbox_error error = {.code = the_rig->fail[kind].code, .text = "scripted"};
    instance->host->op_done(instance->host, op, &error);
    return true;
}

static void done(void *self, outbox_op_t op)
{
    struct instance *instance = self;
    instance->host->op_done(instance->host, op, NULL);
}

/* ---- the store --------------------------------------------------------------------------------------------------- */

struct lent {
    struct outbox_batch batch;
    struct outbox_position positions[RIG_ROWS];
    struct outbox_value values[RIG_ROWS * 8];
};

static uint32_t column_count;
static char column_names[8][24];

static void store_start(void *self, outbox_op_t op, const struct outbox_store_start *start)
{
    column_count = start->column_count;
    cr_assert_leq(column_count, 8);
    for (uint32_t i = 0; i < column_count; i++)
        snprintf(column_names[i], sizeof column_names[i], "%s", start->columns[i].name);
    if (!fails(self, op, RIG_START))
        done(self, op);
}

static void stop(void *self, outbox_op_t op)
{
    done(self, op);
}

static void store_acquire(void *self, outbox_op_t op, struct outbox_acquire *acquire)
{
    struct instance *instance = self;
    static const struct outbox_error standby = {.code = OUTBOX_E_STANDBY, .text = "owned by the other"};
    if (fails(self, op, RIG_ACQUIRE))
        return;
    acquire->flags = the_rig->not_same ? 0 : OUTBOX_ACQUIRED_SAME;
    snprintf(acquire->owner, sizeof acquire->owner, "the other");
    instance->host->op_done(instance->host, op, the_rig->owned_by_other ? &standby : NULL);
}

static struct outbox_value text_value(const char *text)
{
    return (struct outbox_value){.as.data = text, .size = (uint32_t)strlen(text), .type = OUTBOX_TEXT};
}

static struct outbox_value value_of(const struct rig_row *row, const char *column)
{
    if (!strcmp(column, "aggregatetype"))
        return text_value("T");
    if (!strcmp(column, "aggregateid") && row->key[0])
        return text_value(row->key);
    if (!strcmp(column, "payload"))
        return text_value(row->text);
    if (!strcmp(column, "event_id"))
        return (struct outbox_value){.as.integer = (int64_t)row->id, .type = OUTBOX_INT};
    return (struct outbox_value){.type = OUTBOX_NULL};
}

static bool wanted(const struct outbox_claim *claim, const struct rig_row *row)
{
    if (!row->committed || row->gone || row->parked)
        return false;
    if (!claim->positions)
        return row->id > the_rig->cursor;
    for (uint32_t i = 0; i < claim->position_count; i++) {
        if (claim->positions[i].major == row->id)
            return true;
    }
    return false;
}

static void give(struct lent *lent, const struct rig_row *row)
{
    uint32_t at = lent->batch.rows++;
    lent->positions[at] = (struct outbox_position){row->id, 0};
    for (uint32_t c = 0; c < column_count; c++)
        lent->values[at * column_count + c] = value_of(row, column_names[c]);
    lent->batch.bytes += the_rig->row_bytes;
}

static void store_claim(void *self, outbox_op_t op, struct outbox_claim *claim)
{
    if (fails(self, op, RIG_CLAIM))
        return;
    if (claim->flags & OUTBOX_CLAIM_REWIND)
        the_rig->cursor = 0;
    struct lent *lent = calloc(1, sizeof *lent);
    lent->batch = (struct outbox_batch){.struct_size = sizeof lent->batch,
                                        .columns = column_count,
                                        .positions = lent->positions,
                                        .values = lent->values};
    the_rig->max_claim_rows = OBX_MAX(the_rig->max_claim_rows, claim->max_rows);
    for (uint32_t i = 0; i < the_rig->row_count; i++) {
        if (!wanted(claim, &the_rig->rows[i]))
            continue;
        if (lent->batch.rows == claim->max_rows) {
            lent->batch.flags |= OUTBOX_BATCH_MORE;
            break;
        }
        give(lent, &the_rig->rows[i]);
        if (!claim->positions)
            the_rig->cursor = the_rig->rows[i].id;
    }
    if (lent->batch.rows) {
        the_rig->lent++;
        claim->batch = &lent->batch;
    } else {
        free(lent);
    }
    done(self, op);
}

static void store_release(void *self, struct outbox_batch *batch)
{
    (void)self;
    the_rig->lent--;
    free(OBX_CONTAINER(batch, struct lent, batch));
}

static bool was_published(uint64_t id)
{
    char text[40];
    snprintf(text, sizeof text, "%llu", (unsigned long long)id);
    for (uint32_t i = 0; i < the_rig->published_count; i++) {
        if (!strcmp(the_rig->published[i].id, text))
            return true;
    }
    return false;
}

static void store_settle(void *self, outbox_op_t op, const struct outbox_settle *settle)
{
    if (fails(self, op, RIG_SETTLE))
        return;
    for (uint32_t s = 0; s < settle->span_count; s++) {
        for (uint32_t i = 0; i < settle->spans[s].count; i++) {
            uint64_t id = settle->spans[s].batch->positions[settle->spans[s].first + i].major;
            the_rig->wrong_settles += !was_published(id);
            the_rig->rows[id - 1].gone = true;
        }
    }
    done(self, op);
}

static void store_park(void *self, outbox_op_t op, const struct outbox_dead_letter_rows *park)
{
    if (fails(self, op, RIG_PARK))
        return;
    for (uint32_t i = 0; i < park->count; i++) {
        struct rig_row *row = &the_rig->rows[park->rows[i].position.major - 1];
        row->parked = true;
        row->attempts = park->rows[i].attempts;
    }
    done(self, op);
}

static void store_dead(void *self, outbox_op_t op, struct outbox_dead *dead)
{
    for (uint32_t i = 0; i < the_rig->row_count; i++) {
        const struct rig_row *row = &the_rig->rows[i];
        struct outbox_dead_letter letter = {.struct_size = sizeof letter,
                                            .number = row->id,
                                            .topic = {"outbox.event.T", 14},
                                            .key = {row->key, strlen(row->key)}};
        if (row->parked && dead->row)
            dead->row(dead->arg, &letter);
    }
    done(self, op);
}

static const struct outbox_store_ops store_ops = {.struct_size = sizeof store_ops,
                                                  .init = init,
                                                  .fini = fini,
                                                  .start = store_start,
                                                  .stop = stop,
                                                  .acquire = store_acquire,
                                                  .claim = store_claim,
                                                  .release = store_release,
                                                  .settle = store_settle,
                                                  .dead_letter = store_park,
                                                  .dead = store_dead};
static const struct outbox_plugin store_plugin = {.abi_major = OUTBOX_ABI_MAJOR,
                                                  .struct_size = sizeof store_plugin,
                                                  .kind = OUTBOX_STORE,
                                                  .option_size = sizeof(struct outbox_option),
                                                  .caps = OUTBOX_CAP_DEAD_LETTERS,
                                                  .name = "rig",
                                                  .version = "1",
                                                  .description = "a scripted store",
                                                  .instance_size = sizeof(struct instance),
                                                  .ops = &store_ops};

/* ---- the broker -------------------------------------------------------------------------------------------------- */

static struct {
    outbox_op_t op;
    const struct outbox_publish *publish;
    void *self;
} held[64];
static uint32_t held_count;

static void broker_start(void *self, outbox_op_t op, const struct outbox_broker_start *start)
{
    (void)start;
    if (!fails(self, op, RIG_BROKER_START))
        done(self, op);
}

static void append(const struct outbox_message *message)
{
    uint32_t at = the_rig->published_count++;
    cr_assert_lt(at, OBX_COUNT(the_rig->published));
    snprintf(the_rig->published[at].key, 16, "%.*s", (int)message->key.size,
             message->key.data ? (const char *)message->key.data : "");
    snprintf(the_rig->published[at].text, 24, "%.*s", (int)message->value.size, (const char *)message->value.data);
    snprintf(the_rig->published[at].id, 40, "%.*s", (int)message->id.size, (const char *)message->id.data);
}

/* Keys of which an event was not taken: later ones that were submitted before the relay could know are held back. */
static struct {
    char key[16];
    uint64_t until_ns;
    uint32_t outcome;
} kept[16];

/* 0: it is not. */
static uint32_t held_back(const struct outbox_message *message)
{
    for (size_t i = 0; i < OBX_COUNT(kept) && message->key.data; i++) {
        bool same =
            strlen(kept[i].key) == message->key.size && !memcmp(kept[i].key, message->key.data, message->key.size);
        if (same && the_rig->loop.now_ns < kept[i].until_ns)
            return kept[i].outcome;
    }
    return 0;
}

static void hold_back(const struct outbox_message *message, uint32_t outcome)
{
    static size_t next;
    snprintf(kept[next].key, sizeof kept[next].key, "%.*s", (int)message->key.size,
             message->key.data ? (const char *)message->key.data : "");
    kept[next].outcome = outcome == OUTBOX_RETRY ? OUTBOX_RETRY : OUTBOX_NOT_CONNECTED;
    kept[next].until_ns = the_rig->loop.now_ns + OBX_MS;
    next = (next + 1) % OBX_COUNT(kept);
}

static uint32_t usual_outcome(const struct outbox_message *message)
{
    bool is_k1 = message->key.size == 2 && !memcmp(message->key.data, "k1", 2);
    return is_k1 && the_rig->k1_failures && the_rig->k1_failures-- ? OUTBOX_RETRY : OUTBOX_DELIVERED;
}

static uint32_t one(const struct outbox_message *message, struct outbox_error *error)
{
    uint32_t outcome = held_back(message);
    if (the_rig->refuse && the_rig->refuse(the_rig, message)) {
        *error = (struct outbox_error){.code = OUTBOX_E_REJECTED, .text = "refused"};
        return OUTBOX_REJECTED;
    }
    if (outcome) {
        *error = (struct outbox_error){.code = OUTBOX_E_AGAIN, .text = "held back"};
        return outcome;
    }
    outcome = the_rig->outcome ? the_rig->outcome(the_rig, message, error) : usual_outcome(message);
    if (outcome == OUTBOX_DELIVERED || outcome == OUTBOX_UNKNOWN)
        append(message);
    if (outcome != OUTBOX_DELIVERED && outcome != OUTBOX_REJECTED)
        hold_back(message, outcome);
    return outcome;
}

static void finish(void *self, outbox_op_t op, const struct outbox_publish *publish)
{
    struct instance *instance = self;
    for (uint32_t i = 0; i < publish->count; i++) {
        struct outbox_error error = {.code = OUTBOX_E_IO, .text = "scripted"};
        struct outbox_outcomes told = {.struct_size = sizeof told,
                                       .outcome = one(outbox_message_at(publish, i), &error),
                                       .first = i,
                                       .count = 1,
                                       .error = &error};
        instance->host->outcomes(instance->host, op, &told);
    }
    instance->host->op_done(instance->host, op, NULL);
}

static void broker_publish(void *self, outbox_op_t op, const struct outbox_publish *publish)
{
    the_rig->publishes++;
    if (fails(self, op, RIG_PUBLISH))
        return;
    if (!the_rig->hold) {
        finish(self, op, publish);
        return;
    }
    held[held_count].op = op;
    held[held_count].publish = publish;
    held[held_count++].self = self;
    the_rig->most_in_flight = OBX_MAX(the_rig->most_in_flight, held_count);
}

static void release_held(void)
{
    uint32_t count = held_count;
    held_count = 0;
    for (uint32_t i = 0; i < count; i++)
        finish(held[i].self, held[i].op, held[i].publish);
}

static outbox_op_t waiting_stop;

static void broker_stop(void *self, outbox_op_t op)
{
    if (the_rig->stubborn && held_count) {
        waiting_stop = op;
        return;
    }
    release_held();
    done(self, op);
}

static void broker_cancel(void *self, outbox_op_t op)
{
    outbox_op_t stop = waiting_stop;
    (void)op;
    waiting_stop = 0;
    if (!stop)
        return;
    release_held();
    done(self, stop);
}

static int broker_admit(void *self, const struct outbox_message *message, struct outbox_error *error)
{
    (void)self;
    if (!the_rig->admit || the_rig->admit(the_rig, message))
        return OUTBOX_OK;
    *error = (struct outbox_error){.code = OUTBOX_E_REJECTED, .text = "not admitted"};
    return OUTBOX_E_REJECTED;
}

static const struct outbox_broker_ops broker_ops = {.struct_size = sizeof broker_ops,
                                                    .init = init,
                                                    .fini = fini,
                                                    .start = broker_start,
                                                    .cancel = broker_cancel,
                                                    .stop = broker_stop,
                                                    .publish = broker_publish,
                                                    .admit = broker_admit};
static struct outbox_plugin broker_plugin = {.abi_major = OUTBOX_ABI_MAJOR,
                                             .struct_size = sizeof broker_plugin,
                                             .kind = OUTBOX_BROKER,
                                             .option_size = sizeof(struct outbox_option),
                                             .caps = OUTBOX_CAP_ORDERED | OUTBOX_CAP_ADMIT,
                                             .name = "rig",
                                             .version = "1",
                                             .description = "a scripted broker",
                                             .instance_size = sizeof(struct instance),
                                             .ops = &broker_ops};

/* ---- the rig ----------------------------------------------------------------------------------------------------- */

static void said(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    struct rig *rig = arg;
    size_t used = strlen(rig->said);
    if (level <= OUTBOX_LOG_WARN)
        snprintf(rig->said + used, sizeof rig->said - used, "%s: %s\n", subject, text);
}

static void on_state(void *arg, enum outbox_state state, const char *why)
{
    (void)why;
    ((struct rig *)arg)->state = state;
}

static void on_drained(void *arg, uint64_t blocked)
{
    struct rig *rig = arg;
    rig->drained++;
    rig->drained_blocked = blocked;
}

static void on_delivered(void *arg, const struct outbox_message *message)
{
    cr_assert_not_null(message->topic.data);
    ((struct rig *)arg)->delivered++;
}

void rig_refuses(const char *yaml, const char *text)
{
    struct outbox_plugin bare = store_plugin;
    bare.name = "bare"; /* a store without dead letters */
    bare.caps &= ~OUTBOX_CAP_DEAD_LETTERS;
    const struct outbox_plugin *const plugins[] = {&store_plugin, &bare, &broker_plugin, NULL};
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

static void make_relay(struct rig *rig, const char *settings)
{
    static const struct outbox_plugin *const plugins[] = {&store_plugin, &broker_plugin, NULL};
    struct outbox_error error = {0};
    char text[2000];
    snprintf(text, sizeof text, "store: {plugin: rig}\nbroker: {plugin: rig}\n%s", settings);
    cr_assert_eq(obx_config_parse("test", text, strlen(text), &rig->config, &error), 0, "%s", error.text);
    cr_assert_eq(obx_registry_new(NULL, plugins, &rig->log, &rig->registry, &error), 0, "%s", error.text);
    struct obx_relay_setup setup = {
        .loop = &rig->loop.base,
        .registry = rig->registry,
        .log = &rig->log,
        .name = "test",
        .section = obx_config_root(rig->config),
        .events = {.state = on_state, .drained = on_drained, .delivered = on_delivered, .arg = rig}};
    cr_assert_eq(obx_relay_new(&setup, &rig->relay, &error), 0, "%s", error.text);
}

struct rig *rig_new(const char *settings)
{
    the_rig = calloc(1, sizeof *the_rig);
    the_rig->row_bytes = 100;
    the_rig->log = (struct obx_log){.write = said, .arg = the_rig, .level = OUTBOX_LOG_INFO};
    fake_loop_init(&the_rig->loop, 1);
    memset(kept, 0, sizeof kept); /* its clock begins anew */
    make_relay(the_rig, settings);
    return the_rig;
}

static void on_stopped(void *arg)
{
    ((struct rig *)arg)->stopped = true;
}

void rig_stop(struct rig *rig, uint32_t deadline_ms)
{
    rig->stopped = false;
    obx_relay_stop(rig->relay, deadline_ms, on_stopped, rig);
}

void rig_free(struct rig *rig)
{
    rig_stop(rig, 1000);
    cr_assert(rig_run(rig, rig_stopped, 20000), "the relay does not stop");
    cr_assert_eq(rig->lent, 0, "%llu batches were not released", (unsigned long long)rig->lent);
    cr_assert_eq(rig->wrong_settles, 0);
    struct outbox_stats stats = rig_stats(rig);
    cr_assert_eq(stats.in_flight, 0);
    cr_assert_eq(stats.in_flight_bytes, 0);
    cr_assert_eq(stats.violations, 0);
    obx_relay_free(rig->relay);
    obx_registry_free(rig->registry);
    obx_config_free(rig->config);
    cr_assert(fake_loop_idle(&rig->loop));
    cr_assert_eq(mem_live(), 0);
    free(rig);
}

void rig_unordered(void)
{
    broker_plugin.caps = OUTBOX_CAP_ADMIT;
}

void rig_insert(struct rig *rig, const char *key, const char *text)
{
    struct rig_row *row = &rig->rows[rig->row_count++];
    cr_assert_leq(rig->row_count, RIG_ROWS);
    *row = (struct rig_row){.id = rig->row_count, .committed = true};
    snprintf(row->key, sizeof row->key, "%s", key);
    snprintf(row->text, sizeof row->text, "%s", text);
}

void rig_fill(struct rig *rig, uint32_t count, uint32_t keys)
{
    for (uint32_t i = 0; i < count; i++) {
        char key[16], text[24];
        snprintf(key, sizeof key, "k%u", i % keys);
        snprintf(text, sizeof text, "%u", i / keys);
        rig_insert(rig, key, text);
    }
}

struct rig *rig_filled(const char *settings, uint32_t count, uint32_t keys)
{
    struct rig *rig = rig_new(settings);
    rig_fill(rig, count, keys);
    return rig;
}

void rig_start(struct rig *rig)
{
    obx_relay_start(rig->relay);
}

struct condition {
    struct rig *rig;
    bool (*done)(struct rig *rig);
};

static bool check(void *arg)
{
    struct condition *condition = arg;
    return condition->done(condition->rig);
}

bool rig_run(struct rig *rig, bool (*done_)(struct rig *rig), uint64_t within_ms)
{
    struct condition condition = {rig, done_};
    return fake_loop_run_until(&rig->loop, check, &condition, within_ms * OBX_MS);
}

void rig_run_for(struct rig *rig, uint64_t ms)
{
    fake_loop_run_for(&rig->loop, ms * OBX_MS);
}

void rig_release(struct rig *rig)
{
    (void)rig;
    release_held();
}

void rig_let_go(struct rig *rig)
{
    rig->hold = false;
    release_held();
}

struct outbox_stats rig_stats(struct rig *rig)
{
    struct outbox_stats stats;
    obx_relay_stats(rig->relay, &stats);
    return stats;
}

bool rig_empty(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->row_count; i++) {
        const struct rig_row *row = &rig->rows[i];
        if (row->committed && !row->gone && !row->parked)
            return false;
    }
    return true;
}

bool rig_relaying(struct rig *rig)
{
    return rig->state == OUTBOX_STATE_RELAYING;
}

bool rig_drained(struct rig *rig)
{
    return rig->drained > 0;
}

bool rig_stopped(struct rig *rig)
{
    return rig->stopped;
}

const char *rig_texts(struct rig *rig, const char *key)
{
    static char texts[8192];
    texts[0] = '\0';
    for (uint32_t i = 0; i < rig->published_count; i++) {
        bool again = false;
        for (uint32_t j = 0; j < i; j++)
            again |= !strcmp(rig->published[i].id, rig->published[j].id);
        if (again || strcmp(rig->published[i].key, key))
            continue;
        size_t used = strlen(texts);
        snprintf(texts + used, sizeof texts - used, "%s%s", used ? " " : "", rig->published[i].text);
    }
    return texts;
}

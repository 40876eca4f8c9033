/* SPDX-License-Identifier: Apache-2.0 */
/* program/daemon/balancer.c - from surveys to decisions, and from decisions to relays */
#include "daemon/balancer.h"

#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <outbox/plugin_util.h>

#include "base/error.h"
#include "base/mem.h"
#include "daemon/relay_view.h"
#include "daemon/surveyor.h"

enum { PATIENCE_INTERVALS = 4 };

/* One relay of the configuration. */
struct item {
    char *name; /* owned */
    struct obx_surveyor *surveyor;
    uint32_t index; /* in its surveys */
    struct obx_balance_relay relay;
    char owner[96], wisher[96]; /* of the last survey, for people, like the next: */
    uint32_t since_s;           /* when that ownership began, since 1970; 0: unknown */
    struct outbox_error failure;
};

struct obx_balancer {
    struct obx_context *context;
    struct obx_config_ref *config; /* owned reference: the stores of the surveyors use its strings */
    struct obx_list *entries;
    struct obx_balancer_events events;
    struct item *items;              /* owned */
    struct obx_surveyor **surveyors; /* owned list; each frees itself at its end */
    uint32_t surveyor_count, ended_count;
    struct obx_task end_task;
    struct obx_balance balance;
};

#define EACH_ITEM(balancer, item) \
    for (struct item *item = (balancer)->items; item < (balancer)->items + (balancer)->balance.count; item++)

static struct obx_relay_entry *entry_of(const struct obx_balancer *balancer, const struct item *item)
{
    OBX_LIST_EACH(balancer->entries, entry, struct obx_relay_entry, link)
    if (!obx_relay_entry_is_removed(entry) && !strcmp(entry->name, item->name))
        return entry;
    return NULL;
}

/* ---- what the decisions are made of ------------------------------------------------------------------------------ */

/* 0: the text is empty. */
static uint64_t process_number(const char *owner)
{
    char process[96];
    obx_relay_view_process(owner, process, sizeof process);
    const char *name = *process ? process : owner;
    return *owner ? XXH3_64bits(name, strlen(name)) : 0;
}

static uint64_t own_number(void)
{
    char own[96];
    outbox_describe_process(own, sizeof own, "");
    return process_number(own);
}

static void read_survey(struct item *item, const struct outbox_error *error)
{
    const struct outbox_surveyed *outbox = obx_surveyor_outbox(item->surveyor, item->index);
    struct obx_balance_relay *relay = &item->relay;
    relay->known = !error;
    item->failure = error ? *error : (struct outbox_error){0};
    if (error)
        return;
    obx_view_text(item->owner, sizeof item->owner, outbox->owner);
    obx_view_text(item->wisher, sizeof item->wisher, outbox->wisher);
    item->since_s = outbox->since_s;
    relay->owned = outbox->result & OUTBOX_SURVEYED_OWNED;
    relay->silent = outbox->result & OUTBOX_SURVEYED_SILENT;
    relay->wished = outbox->result & OUTBOX_SURVEYED_WISHED;
    relay->ours = outbox->result & OUTBOX_SURVEYED_OURS;
    relay->owner = process_number(outbox->owner);
    relay->wisher = process_number(outbox->wisher);
}

static enum obx_balance_local local_of(const struct obx_relay_entry *entry)
{
    switch (entry->state) {
    case OBX_ENTRY_MADE:
    case OBX_ENTRY_STOPPED:
        return OBX_BALANCE_IDLE;
    case OBX_ENTRY_RUNNING:
        return OBX_BALANCE_RUNNING;
    default:
        return OBX_BALANCE_LEAVING;
    }
}

static void read_entry(const struct obx_balancer *balancer, struct item *item)
{
    const struct obx_relay_entry *entry = entry_of(balancer, item);
    struct obx_balance_relay *relay = &item->relay;
    enum outbox_state state = entry ? obx_relay_state(entry->relay) : OUTBOX_STATE_STOPPED;
    enum obx_balance_local local = entry ? local_of(entry) : OBX_BALANCE_LEAVING;
    if (local == OBX_BALANCE_IDLE && relay->local != OBX_BALANCE_IDLE)
        relay->known = false; /* the last survey is older than its end */
    relay->local = local;
    relay->connecting = state == OUTBOX_STATE_CONNECTING;
    relay->relaying = state == OUTBOX_STATE_RELAYING;
    relay->lost = state == OUTBOX_STATE_STANDBY;
}

/* ---- what they do ------------------------------------------------------------------------------------------------ */

static void log_gift(const struct obx_balancer *balancer, const struct item *item, const struct obx_relay_entry *entry)
{
    const struct obx_log *log = balancer->context->log;
    struct outbox_stats stats = {.struct_size = sizeof stats};
    obx_relay_stats(entry->relay, &stats);
    if (item->relay.lost)
        obx_log_write(log, OUTBOX_LOG_INFO, item->name, "balance: another process was faster");
    else if (item->relay.connecting)
        obx_log_write(log, OUTBOX_LOG_WARN, item->name,
                      "balance: the relay cannot start in this process, and others relay: the outbox is left to them: "
                      "%s",
                      stats.last_error);
    else
        obx_log_write(log, OUTBOX_LOG_INFO, item->name, "balance: the outbox is handed over to %s", item->wisher);
}

static void obey(struct obx_balancer *balancer, struct item *item)
{
    struct obx_relay_entry *entry = entry_of(balancer, item);
    const struct obx_balance_relay *relay = &item->relay;
    const struct obx_log *log = balancer->context->log;
    obx_surveyor_wish(item->surveyor, item->index, relay->wish);
    if (!entry)
        return;
    if (relay->action == OBX_BALANCE_TAKE) {
        obx_log_write(log, OUTBOX_LOG_INFO, item->name, "balance: this process takes the outbox%s%s",
                      relay->silent ? ", whose owner hangs: " : "", relay->silent ? item->owner : "");
        obx_relay_entry_start(entry);
    } else if (relay->action == OBX_BALANCE_GIVE) {
        log_gift(balancer, item, entry);
        obx_relay_entry_stop(entry, false);
    }
}

static void show(const struct obx_balancer *balancer, const struct item *item)
{
    struct obx_relay_entry *entry = entry_of(balancer, item);
    if (!entry)
        return;
    entry->elsewhere = (struct obx_entry_elsewhere){.balanced = true, .known = item->relay.known};
    entry->elsewhere.failure = item->failure;
    entry->elsewhere.since_s = item->since_s;
    memcpy(entry->elsewhere.owner, item->owner, sizeof item->owner);
}

static void step(struct obx_balancer *balancer)
{
    struct obx_loop *loop = balancer->context->loop;
    EACH_ITEM(balancer, item)
    read_entry(balancer, item);
    obx_balance_step(&balancer->balance, obx_loop_now(loop), loop->ops->random(loop));
    EACH_ITEM(balancer, item)
    {
        obey(balancer, item);
        show(balancer, item);
    }
}

/* ---- surveys ----------------------------------------------------------------------------------------------------- */

/* At its begin and its end. A wish whose process is not named is one of an outbox that an older version has set up. */
static void log_survey(const struct obx_balancer *balancer, const struct item *item, const struct outbox_error *error)
{
    const struct obx_log *log = balancer->context->log;
    if (error && !item->failure.code)
        obx_log_write(log, OUTBOX_LOG_WARN, item->name, "balance: %s; until that works no relay of that database moves",
                      error->text);
    else if (!error && item->failure.code)
        obx_log_write(log, OUTBOX_LOG_INFO, item->name, "balance: the database can be surveyed again");
}

static void on_surveyed(void *arg, const struct obx_surveyor *surveyor, const struct outbox_error *error)
{
    struct obx_balancer *balancer = arg;
    bool logged = false;
    EACH_ITEM(balancer, item)
    {
        if (item->surveyor != surveyor)
            continue;
        if (!logged)
            log_survey(balancer, item, error);
        logged = true;
        read_survey(item, error);
    }
    step(balancer);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void free_all(struct obx_balancer *balancer)
{
    for (uint32_t i = 0; balancer->items && i < balancer->balance.count; i++)
        obx_free(balancer->items[i].name);
    obx_free(balancer->items);
    obx_free(balancer->balance.relays);
    obx_free(balancer->surveyors);
    obx_config_ref_release(balancer->config);
    obx_free(balancer);
}

void obx_balancer_free(struct obx_balancer *balancer)
{
    if (!balancer)
        return;
    for (uint32_t i = 0; balancer->surveyors && i < balancer->surveyor_count; i++)
        obx_surveyor_free(balancer->surveyors[i]);
    free_all(balancer);
}

/* The config outlives the surveyor, which is freed after this call: so the last of them only defers the end. */
static void on_ended(void *arg)
{
    struct obx_balancer *balancer = arg;
    if (++balancer->ended_count == balancer->surveyor_count)
        balancer->context->loop->ops->defer(balancer->context->loop, &balancer->end_task);
}

static void on_end(struct obx_task *task)
{
    struct obx_balancer *balancer = OBX_CONTAINER(task, struct obx_balancer, end_task);
    struct obx_balancer_events events = balancer->events;
    free_all(balancer);
    events.ended(events.arg);
}

void obx_balancer_start(struct obx_balancer *balancer)
{
    for (uint32_t i = 0; i < balancer->surveyor_count; i++)
        obx_surveyor_start(balancer->surveyors[i]);
    EACH_ITEM(balancer, item)
    show(balancer, item);
}

void obx_balancer_continue(struct obx_balancer *balancer, const struct obx_balancer *old)
{
    balancer->balance.taken = old->balance.taken;
    balancer->balance.given = old->balance.given;
}

void obx_balancer_end(struct obx_balancer *balancer)
{
    for (uint32_t i = 0; i < balancer->surveyor_count; i++)
        obx_surveyor_end(balancer->surveyors[i]);
}

const struct obx_balance *obx_balancer_balance(const struct obx_balancer *balancer)
{
    return &balancer->balance;
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

static struct obx_surveyor *surveyor_for(struct obx_balancer *balancer, const struct obx_instance *store)
{
    const struct obx_surveyor_events events = {on_surveyed, on_ended, balancer};
    for (uint32_t i = 0; i < balancer->surveyor_count; i++)
        if (obx_surveyor_serves(balancer->surveyors[i], store))
            return balancer->surveyors[i];
    struct obx_surveyor *surveyor = obx_surveyor_new(balancer->context->loop, balancer->balance.count, &events);
    if (surveyor)
        balancer->surveyors[balancer->surveyor_count++] = surveyor;
    return surveyor;
}

/* store: owned from here on. */
static int add_store(struct obx_balancer *balancer, struct item *item, struct obx_instance *store,
                     const struct obx_relay_settings *settings, struct outbox_error *error)
{
    /* A wish that is silent for a lease is ended by others. */
    uint64_t interval_ms = OBX_MIN((uint64_t)settings->standby_poll_interval_ms, (uint64_t)settings->lease_ms / 4);
    uint64_t interval_ns = interval_ms * OBX_MS;
    item->surveyor = surveyor_for(balancer, store);
    if (!item->surveyor) {
        obx_instance_free(store);
        return obx_error_no_memory(error);
    }
    item->index = obx_surveyor_add(item->surveyor, store, (uint32_t)settings->lease_ms, interval_ns);
    balancer->balance.patience_ns = OBX_MAX(balancer->balance.patience_ns, PATIENCE_INTERVALS * interval_ns);
    return OUTBOX_OK;
}

static int add_item(struct obx_balancer *balancer, struct item *item, const char *name, struct outbox_error *error)
{
    struct obx_context *context = balancer->context;
    struct obx_instance_setup setup = {
        .loop = context->loop, .registry = context->registry, .log = context->log, .relay = name};
    struct obx_relay_settings settings;
    struct obx_instance *store;
    int status = obx_relay_section(context->config, name, &setup.section, error);
    if (!status)
        status = obx_relay_settings_parse(setup.section, &settings, error);
    if (!status)
        status = obx_section_child(setup.section, "store", &setup.section, error);
    if (!status)
        status = obx_instance_new(&setup, OUTBOX_STORE, &store, error);
    if (status)
        return status;
    if (obx_store_can_survey(store))
        return add_store(balancer, item, store, &settings, error);
    obx_instance_free(store);
    return obx_section_error(setup.section, NULL, error,
                             "service.balance: the store of relay '%s' cannot be shared between processes; Postgres "
                             "and MySQL can: remove service.balance, or run that relay with a file of its own",
                             name);
}

static int add_items(struct obx_balancer *balancer, uint32_t count, struct outbox_error *error)
{
    int status = OUTBOX_OK;
    for (uint32_t i = 0; i < count && !status; i++) {
        struct item *item = &balancer->items[i];
        const char *name = obx_context_relay(balancer->context, i);
        item->name = obx_strdup(name);
        balancer->balance.relays[i] = &item->relay;
        status = item->name ? add_item(balancer, item, name, error) : obx_error_no_memory(error);
    }
    return status;
}

int obx_balancer_new(struct obx_context *context, struct obx_list *entries, const struct obx_balancer_events *events,
                     struct obx_balancer **made, struct outbox_error *error)
{
    struct obx_balancer *balancer = obx_alloc(sizeof *balancer);
    uint32_t count = 0;
    *made = NULL;
    if (!balancer)
        return obx_error_no_memory(error);
    while (obx_context_relay(context, count))
        count++;
    balancer->context = context;
    balancer->config = obx_config_ref_acquire(context->config_ref);
    balancer->entries = entries;
    balancer->events = *events;
    balancer->end_task.run = on_end;
    balancer->items = obx_alloc(count * sizeof *balancer->items);
    balancer->surveyors = obx_alloc(count * sizeof(struct obx_surveyor *));
    balancer->balance.relays = obx_alloc(count * sizeof(struct obx_balance_relay *));
    balancer->balance.count = count;
    balancer->balance.self = own_number();
    bool room = balancer->items && balancer->surveyors && balancer->balance.relays;
    int status = room ? add_items(balancer, count, error) : obx_error_no_memory(error);
    if (status)
        obx_balancer_free(balancer);
    else
        *made = balancer;
    return status;
}

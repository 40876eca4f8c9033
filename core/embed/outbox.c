/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/embed/outbox.c - makes a handle: configuration, plugins, relay
 *
 * outbox_new() makes the relay at once, on an own loop, so that it reports every error that needs no I/O. Attaching
 * makes the relay again on the host's loop. Callbacks run on the thread of the relay.
 */
#include <string.h>
#include <unistd.h>

#include <outbox/version.h>

#include "base/error.h"
#include "base/mem.h"
#include "embed/handle.h"
#include "embed/plugin_dir.h"
#include "loop/uv_loop.h"
#include "plugin/builtin.h"
#include "plugin/registry.h"

/* ---- names ---- */

const char *outbox_state_name(enum outbox_state state)
{
    static const char *const names[] = {
#define NAME(name, text) text,
        OUTBOX_STATES(NAME)
#undef NAME
    };
    return (size_t)state < OBX_COUNT(names) ? names[state] : "unknown";
}

const char *outbox_version(void)
{
    return OUTBOX_VERSION_STRING;
}

/* ---- the handle ---- */

int obx_handle_check(const struct outbox *handle, const char *attempt, struct outbox_error *error)
{
    if (!handle)
        return obx_error_set(error, OUTBOX_E_INVALID, "%s: the handle is NULL", attempt);
    if (handle->process == getpid())
        return OUTBOX_OK;
    return obx_error_set(
        error, OUTBOX_E_INVALID,
        "%s %s: the handle belongs to process %d, from which this one was forked; make a new handle here", attempt,
        handle->name, (int)handle->process);
}

/* ---- the relay ---- */

static void pass_state(void *arg, enum outbox_state state, const char *why)
{
    struct outbox *handle = arg;
    if (handle->options.on_state)
        handle->options.on_state(handle->options.arg, state, why ? why : "");
}

static void pass_log(void *arg, enum outbox_log_level level, const char *subject, const char *text)
{
    struct outbox *handle = arg;
    handle->options.on_log(handle->options.arg, (int)level, subject, text);
}

static void pass_confirmed(void *arg, const struct outbox_message *message)
{
    struct outbox *handle = arg;
    const struct outbox_confirmed event = {.struct_size = sizeof event,
                                           .event_id = message->id,
                                           .topic = message->topic,
                                           .key = message->key,
                                           .id = message->position.major};
    handle->options.on_confirmed(handle->options.arg, &event);
}

/* Free relay and loop. Nothing runs. */
static void free_relay(struct outbox *handle)
{
    struct obx_task *const tasks[] = {&handle->wake_task, &handle->stop_task, &handle->stats_task,
                                      &handle->detach_task};
    obx_relay_free(handle->relay);
    handle->relay = NULL;
    if (!handle->loop)
        return;
    for (size_t i = 0; i < OBX_COUNT(tasks); i++)
        handle->loop->ops->cancel(handle->loop, tasks[i]);
    obx_uv_loop_free(handle->loop, NULL, NULL);
    handle->loop = NULL;
}

int obx_handle_build(struct outbox *handle, struct uv_loop_s *uv, struct outbox_error *error)
{
    free_relay(handle);
    int status = obx_uv_loop_new(uv, &handle->loop, error);
    if (status)
        return status;
    const struct obx_relay_setup setup = {.loop = handle->loop,
                                          .registry = handle->registry,
                                          .log = &handle->log,
                                          .name = handle->name,
                                          .section = handle->section,
                                          .events = {.state = pass_state,
                                                     .delivered = handle->options.on_confirmed ? pass_confirmed : NULL,
                                                     .arg = handle}};
    return obx_relay_new(&setup, &handle->relay, error);
}

/* ---- new and free ---- */

static int read_config(struct outbox *handle, struct outbox_error *error)
{
    const struct outbox_options *options = &handle->options;
    if (!!options->config_path + !!options->config_text + !!options->config != 1)
        return obx_error_set(error, OUTBOX_E_INVALID, "make a relay: set one of config_path, config_text and config");
    if (options->config)
        return obx_config_copy(options->config->tree, &handle->config, error);
    if (options->config_path)
        return obx_config_read(options->config_path, &handle->config, error);
    return obx_config_parse("config_text", options->config_text, strlen(options->config_text), &handle->config, error);
}

static int find_relay(struct outbox *handle, struct outbox_error *error)
{
    static const char *const sections[] = {"relays", "service", NULL}; /* the program reads `service` */
    const struct obx_section *root = obx_config_root(handle->config), *relays;
    int status = obx_options_apply(NULL, 0, sizeof(struct outbox_option), sections, root, NULL, error);
    if (!status)
        status = obx_section_child(root, "relays", &relays, error);
    if (status)
        return status;
    const char *chosen = handle->options.relay;
    if (!obx_section_key(relays, 0))
        return obx_section_error(root, NULL, error,
                                 "no relays: there must be a section `relays:` with at least one relay in it");
    if (!chosen && obx_section_key(relays, 1))
        return obx_section_error(root, "relays", error, "several relays: name one in options.relay");
    for (uint32_t i = 0; (handle->name = obx_section_key(relays, i)); i++)
        if (!chosen || !strcmp(chosen, handle->name))
            return obx_section_child(relays, handle->name, &handle->section, error);
    return obx_section_error(root, "relays", error, "no relay is named '%s'", chosen);
}

static int open_handle(struct outbox *handle, struct outbox_error *error)
{
    char directory[4096];
    int status = read_config(handle, error);
    if (!status)
        status = find_relay(handle, error);
    if (status)
        return status;
    obx_plugin_path(handle->options.plugin_dir, directory, sizeof directory);
    status = obx_registry_new(directory, obx_builtins, &handle->log, &handle->registry, error);
    return status ? status : obx_handle_build(handle, NULL, error);
}

static void init_handle(struct outbox *handle, const struct outbox_options *options)
{
    memcpy(&handle->options, options, OBX_MIN(options->struct_size, sizeof *options));
    pthread_mutex_init(&handle->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&handle->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    handle->process = getpid();
    handle->log.write = handle->options.on_log ? pass_log : NULL;
    handle->log.arg = handle;
    handle->log.level = (enum outbox_log_level)OBX_MIN(OBX_MAX(handle->options.log_level, 0), (int)OUTBOX_LOG_TRACE);
}

int outbox_new(const struct outbox_options *options, struct outbox **relay, struct outbox_error *error)
{
    struct outbox_error ignored;
    error = error ? error : &ignored;
    if (relay)
        *relay = NULL;
    if (!relay || !options || options->struct_size < offsetof(struct outbox_options, relay))
        return obx_error_set(error, OUTBOX_E_INVALID,
                             "make a relay: give options, with struct_size set, and a place for the handle");
    struct outbox *handle = obx_alloc(sizeof *handle);
    if (!handle)
        return obx_error_no_memory(error);
    init_handle(handle, options);
    int status = open_handle(handle, error);
    if (status)
        outbox_free(handle);
    else
        *relay = handle;
    return status;
}

/* In a child of fork(): closing what the parent uses too would end its connections and stop its loop. */
static void forget(struct outbox *handle)
{
    obx_config_free(handle->config);
    obx_free(handle);
}

void outbox_free(struct outbox *handle)
{
    if (!handle)
        return;
    if (handle->process != getpid()) {
        forget(handle);
        return;
    }
    if (handle->mode != OBX_IDLE) {
        obx_log_write(&handle->log, OUTBOX_LOG_ERROR, handle->name, "free the relay: it runs; stop or detach it first");
        return;
    }
    free_relay(handle);
    obx_registry_free(handle->registry);
    obx_config_free(handle->config);
    pthread_cond_destroy(&handle->changed);
    pthread_mutex_destroy(&handle->lock);
    obx_free(handle);
}

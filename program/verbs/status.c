/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/status.c - outbox status: backlog and dead letters in the store, and the state of the running relay
 *
 * The verb reads the store itself. If service.listen is set, it also fetches /status of the running service; if that
 * fails it prints a line, and the exit code stays.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <time.h>

#include "base/buf.h"
#include "base/error.h"
#include "cli/exit_code.h"
#include "http/http_get.h"
#include "cli/oneshot.h"
#include "cli/escape.h"
#include "verbs/verbs.h"

#define SERVICE_TIMEOUT_MS 3000u

/* /status of the running service. NULL: error has the reason, or code 0 if service.listen is not set. */
static json_t *fetch_service_status(const struct obx_context *context, struct outbox_error *error)
{
    struct obx_buf body = {0};
    json_t *response = NULL;
    error->code = 0;
    if (!context->settings.listen)
        return NULL;
    if (!obx_http_get(context->settings.listen, "/status", SERVICE_TIMEOUT_MS, &body, error)) {
        response = json_loads(obx_buf_text(&body), 0, NULL);
        if (!response)
            obx_error_set(error, OUTBOX_E_IO, "GET from %s: the response is not the status of an outbox service",
                          context->settings.listen);
    }
    obx_buf_free(&body);
    return response;
}

static double age_seconds(int64_t since_us)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double age = (double)now.tv_sec + (double)now.tv_nsec / 1e9 - (double)since_us / 1e6;
    return age > 0 ? age : 0;
}

static void set_number(json_t *object, const char *name, int64_t number)
{
    json_object_set_new(object, name, number < 0 ? json_null() : json_integer(number));
}

static json_t *to_json(const struct outbox_store_status *status, const json_t *relay)
{
    json_t *object = json_object();
    bool has_oldest = status->pending != 0 && status->oldest_us >= 0;
    set_number(object, "pending", status->pending);
    json_object_set_new(object, "oldest_seconds", has_oldest ? json_real(age_seconds(status->oldest_us)) : json_null());
    set_number(object, "dead", status->dead);
    json_object_set_new(object, "owner", json_string(status->owner));
    json_object_set_new(object, "server", json_string(status->server));
    json_object_set_new(object, "relay", relay ? json_deep_copy(relay) : json_null());
    return object;
}

/* ---- human-readable output ---- */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static json_int_t number_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static void print_count(const char *label, int64_t count)
{
    if (count < 0)
        printf("  %-10s unknown\n", label);
    else
        printf("  %-10s %" PRId64 "\n", label, count);
}

static void print_store(const struct outbox_store_status *status)
{
    obx_escape_line(stdout, "  %-10s %s", "store", status->server);
    print_count("pending", status->pending);
    if (status->pending != 0 && status->oldest_us >= 0)
        printf("  %-10s %.1f s\n", "oldest", age_seconds(status->oldest_us));
    print_count("dead", status->dead);
    obx_escape_line(stdout, "  %-10s %s", "owner", status->owner[0] ? status->owner : "none, or unknown");
}

static void print_blocked(const json_t *key)
{
    fputs("    ", stdout);
    obx_escape_text(stdout, text_of(key, "topic"));
    putchar('/');
    obx_escape_text(stdout, text_of(key, "key"));
    fputs(" by event ", stdout);
    obx_escape_text(stdout, text_of(key, "event_id"));
    printf(", %" JSON_INTEGER_FORMAT " attempts: ", number_of(key, "attempts"));
    obx_escape_text(stdout, text_of(key, "reason"));
    putchar('\n');
}

static void print_relay(const json_t *relay)
{
    size_t index;
    const json_t *key;
    obx_escape_line(stdout, "  %-10s %s, %.0f events/s, %" JSON_INTEGER_FORMAT " in flight", "relay",
                    text_of(relay, "state"), json_number_value(json_object_get(relay, "rate")),
                    number_of(relay, "in_flight"));
    printf("  %-10s store %" JSON_INTEGER_FORMAT ", broker %" JSON_INTEGER_FORMAT "\n", "connects",
           number_of(relay, "store_connects"), number_of(relay, "broker_connects"));
    if (*text_of(relay, "last_error"))
        obx_escape_line(stdout, "  %-10s %s", "last error", text_of(relay, "last_error"));
    printf("  %-10s %" JSON_INTEGER_FORMAT " keys, %" JSON_INTEGER_FORMAT " events waiting\n", "blocked",
           number_of(relay, "blocked_keys"), number_of(relay, "blocked_events"));
    json_array_foreach(json_object_get(relay, "blocked"), index, key) print_blocked(key);
}

struct output {
    json_t *relays; /* NULL: human-readable */
    const json_t *service;
};

static enum obx_exit print_status(struct obx_context *context, const char *name, struct output *output)
{
    struct outbox_store_status status;
    struct outbox_error error = {0};
    const json_t *relay = json_object_get(json_object_get(output->service, "relays"), name);
    int failed = obx_oneshot_store_status(context, name, &status, &error);
    if (output->relays) {
        json_t *object = to_json(&status, relay);
        if (failed)
            json_object_set_new(object, "error", json_string(error.text));
        json_object_set_new(output->relays, name, object);
    } else {
        printf("%s\n", name);
        if (!failed)
            print_store(&status);
        if (relay)
            print_relay(relay);
    }
    return failed ? obx_exit_report("status", &error) : OBX_EXIT_OK;
}

static int print_all_status(struct obx_context *context, void *arg, struct outbox_error *error)
{
    const bool json = *(const bool *)arg;
    (void)error;
    struct outbox_error service_error;
    json_t *service = fetch_service_status(context, &service_error);
    struct output output = {json ? json_object() : NULL, service};
    enum obx_exit code = OBX_EXIT_OK;
    const char *name;
    for (uint32_t i = 0; (name = obx_context_relay(context, i)); i++)
        code = obx_exit_worse(code, print_status(context, name, &output));
    if (json)
        json_dumpf(output.relays, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)), putchar('\n');
    else if (service_error.code)
        obx_escape_line(stdout, "the service does not respond: %s", service_error.text);
    json_decref(output.relays);
    json_decref(service);
    return code;
}

static int run(const struct obx_verb *verb, int argc, char **argv)
{
    static const struct option options[] = {OBX_ARGS_COMMON, {"json", no_argument, NULL, 'j'}, {0}};
    struct obx_args args = {.verb = verb, .options = options, .argc = argc, .argv = argv};
    bool json = false;
    while (obx_args_next(&args) != -1)
        json = true;
    if (obx_args_end(&args))
        return args.exit;
    return obx_context_run(&args, print_all_status, &json);
}

const struct obx_verb obx_verb_status = {"status",
                                         "print backlog, oldest age, rate, blocked keys, dead letters, connections",
                                         "[-c FILE] [--relay NAME] [--json]",
                                         "  --json              print one JSON object\n",
                                         run,
                                         false};

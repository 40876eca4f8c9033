/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/status.c - outbox status: what waits in the outbox, and what the relay says about itself
 *
 * The store is asked directly. When service.listen is set, the running relay is asked too; that it does not answer is
 * worth a line, not a failure.
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

#define RELAY_TIMEOUT_MS 3000u

/* What the running service says, or why it says nothing; both NULL when nobody listens by configuration. */
static json_t *ask_service(const struct obx_app *app, struct outbox_error *error)
{
    struct obx_buf body = {0};
    json_t *answer = NULL;
    error->code = 0;
    if (!app->settings.listen)
        return NULL;
    if (!obx_http_get(app->settings.listen, "/status", RELAY_TIMEOUT_MS, &body, error)) {
        answer = json_loads(obx_buf_text(&body), 0, NULL);
        if (!answer)
            obx_error_set(error, OUTBOX_E_IO, "ask %s: the answer is not what an outbox says", app->settings.listen);
    }
    obx_buf_free(&body);
    return answer;
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

/* ---- for people ---- */

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
    printf("  %-10s %s\n", "store", status->server);
    print_count("pending", status->pending);
    if (status->pending != 0 && status->oldest_us >= 0)
        printf("  %-10s %.1f s\n", "oldest", age_seconds(status->oldest_us));
    print_count("dead", status->dead);
    printf("  %-10s %s\n", "owner", status->owner[0] ? status->owner : "nobody, or not known");
}

static void print_blocked(const json_t *key)
{
    fputs("    ", stdout);
    obx_show_text(stdout, text_of(key, "topic"));
    putchar('/');
    obx_show_text(stdout, text_of(key, "key"));
    printf(" by event %s, %" JSON_INTEGER_FORMAT " attempts: ", text_of(key, "event_id"), number_of(key, "attempts"));
    obx_show_text(stdout, text_of(key, "reason"));
    putchar('\n');
}

static void print_relay(const json_t *relay)
{
    size_t index;
    const json_t *key;
    printf("  %-10s %s, %.0f events/s, %" JSON_INTEGER_FORMAT " in flight\n", "relay", text_of(relay, "state"),
           json_number_value(json_object_get(relay, "rate")), number_of(relay, "in_flight"));
    printf("  %-10s store %" JSON_INTEGER_FORMAT ", broker %" JSON_INTEGER_FORMAT "\n", "connects",
           number_of(relay, "store_connects"), number_of(relay, "broker_connects"));
    if (*text_of(relay, "last_error"))
        printf("  %-10s %s\n", "trouble", text_of(relay, "last_error"));
    printf("  %-10s %" JSON_INTEGER_FORMAT " keys, %" JSON_INTEGER_FORMAT " events waiting\n", "blocked",
           number_of(relay, "blocked_keys"), number_of(relay, "deferred"));
    json_array_foreach(json_object_get(relay, "blocked"), index, key) print_blocked(key);
}

struct output {
    json_t *relays; /* NULL: for people */
    const json_t *service;
};

static enum obx_exit show(struct obx_app *app, const char *name, struct output *output)
{
    struct outbox_store_status status;
    struct outbox_error error = {0};
    const json_t *relay = json_object_get(json_object_get(output->service, "relays"), name);
    int failed = obx_session_status(app, name, &status, &error);
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

static int show_all(struct obx_app *app, void *arg, struct outbox_error *error)
{
    const bool json = *(const bool *)arg;
    (void)error;
    struct outbox_error silent;
    json_t *service = ask_service(app, &silent);
    struct output output = {json ? json_object() : NULL, service};
    enum obx_exit code = OBX_EXIT_OK;
    const char *name;
    for (uint32_t i = 0; (name = obx_app_relay(app, i)); i++)
        code = obx_exit_worse(code, show(app, name, &output));
    if (json)
        json_dumpf(output.relays, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)), putchar('\n');
    else if (silent.code)
        printf("the relay does not answer: %s\n", silent.text);
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
    return obx_app_do(&args, show_all, &json);
}

const struct obx_verb obx_verb_status = {"status",
                                         "backlog, oldest age, rate, blocked keys, dead letters, connections",
                                         "[-c FILE] [--relay NAME] [--json]",
                                         "  --json              as one JSON object\n",
                                         run,
                                         false};

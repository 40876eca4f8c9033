/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/verbs/status.c - outbox status: backlog and dead letters in the store, and the state of the running relay
 *
 * The verb reads the store itself. If service.listen is set, it also fetches /status of the running service; if that
 * fails it prints a line, and the exit code stays. Without the service it names rows that the relay cannot publish or
 * remove, as far as the store finds them; not with --watch, since the store tries a removal for that. With --check the
 * exit code depends on the health of the relay (health.h).
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/since.h"
#include "cli/exit_code.h"
#include "cli/escape.h"
#include "cli/json_fields.h"
#include "cli/oneshot.h"
#include "http/http_get.h"
#include "verbs/health.h"
#include "verbs/verbs.h"

#define SERVICE_TIMEOUT_MS 10000u /* a busy machine; then the status is of the database alone */
#define WATCH_MS 2000             /* --watch */

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

static json_t *time_json(int64_t us)
{
    char text[OUTBOX_TIME_SIZE];
    return us > 0 && outbox_time_text(text, us) ? json_string(text) : json_null();
}

static json_t *to_json(const struct outbox_store_status *status, const json_t *relay, const json_t *rows)
{
    json_t *object = json_object();
    bool has_oldest = status->pending != 0 && status->oldest_us >= 0;
    set_number(object, "pending", status->pending);
    json_object_set_new(object, "oldest_seconds", has_oldest ? json_real(age_seconds(status->oldest_us)) : json_null());
    set_number(object, "dead", status->dead);
    set_number(object, "kept_log_bytes", status->log_bytes);
    set_number(object, "kept_log_limit", status->log_limit);
    json_object_set_new(object, "owner", obx_escape_json(status->owner));
    json_object_set_new(object, "owner_since", time_json(status->owner_since_us));
    json_object_set_new(object, "server", obx_escape_json(status->server));
    json_object_set_new(object, "rows", rows ? json_deep_copy(rows) : json_null());
    json_object_set_new(object, "relay", relay ? json_deep_copy(relay) : json_null());
    return object;
}

/* ---- human-readable output ---- */

static void print_count(const char *label, int64_t count)
{
    if (count < 0)
        printf("  %-10s unknown\n", label);
    else
        printf("  %-10s %" PRId64 "\n", label, count);
}

/* Only of a store that reads a log. */
static void print_log(const struct outbox_store_status *status)
{
    if (status->log_bytes < 0)
        return;
    printf("  %-10s %" PRId64 " bytes kept", "log", status->log_bytes);
    if (status->log_limit > 0)
        printf(", %.0f %% of what may be kept", 100.0 * (double)status->log_bytes / (double)status->log_limit);
    putchar('\n');
}

static void print_store(const struct outbox_store_status *status)
{
    obx_escape_line(stdout, "  %-10s %s", "store", status->server);
    print_count("pending", status->pending);
    if (status->pending != 0 && status->oldest_us >= 0)
        printf("  %-10s %.1f s\n", "oldest", age_seconds(status->oldest_us));
    print_count("dead", status->dead);
    print_log(status);
    obx_escape_line(stdout, "  %-10s %s%s", "owner", status->owner[0] ? status->owner : "none, or unknown",
                    obx_since(status->owner[0] ? status->owner_since_us : 0).text);
}

static void print_blocked(const json_t *key)
{
    fputs("    ", stdout);
    obx_escape_text(stdout, obx_json_text(key, "topic"));
    putchar('/');
    obx_escape_text(stdout, obx_json_text(key, "key"));
    fputs(" by event ", stdout);
    obx_escape_text(stdout, obx_json_text(key, "event_id"));
    printf(", %" JSON_INTEGER_FORMAT " attempts: ", obx_json_number(key, "attempts"));
    obx_escape_text(stdout, obx_json_text(key, "reason"));
    putchar('\n');
}

/* Blocked keys are in the memory of the running relay only. */
static void print_no_service(void)
{
    printf("  %-10s unknown: only the running relay knows its state, rate and blocked keys; set service.listen, as in "
           "\"127.0.0.1:9464\", or read its log\n",
           "relay");
}

static void print_relay(const json_t *relay)
{
    size_t index;
    const json_t *key;
    obx_escape_line(stdout, "  %-10s %s, %.0f events/s, %" JSON_INTEGER_FORMAT " in flight", "relay",
                    obx_json_text(relay, "state"), json_number_value(json_object_get(relay, "rate")),
                    obx_json_number(relay, "in_flight"));
    printf("  %-10s store %" JSON_INTEGER_FORMAT ", broker %" JSON_INTEGER_FORMAT "\n", "connects",
           obx_json_number(relay, "store_connects"), obx_json_number(relay, "broker_connects"));
    if (*obx_json_text(relay, "last_error"))
        obx_escape_line(stdout, "  %-10s %s", "last error", obx_json_text(relay, "last_error"));
    printf("  %-10s %" JSON_INTEGER_FORMAT " keys, %" JSON_INTEGER_FORMAT " events waiting\n", "blocked",
           obx_json_number(relay, "blocked_keys"), obx_json_number(relay, "blocked_events"));
    json_array_foreach(json_object_get(relay, "blocked"), index, key) print_blocked(key);
}

struct request {
    bool json, check;
    int64_t max_age_ms; /* 0: any */
    int64_t every_ms;   /* --watch; 0: once */
};

struct output {
    const struct request *request;
    json_t *relays; /* NULL: human-readable */
    const json_t *service;
    bool has_service;
    int64_t late_ms;           /* service.late */
    const char *service_error; /* "": it responds, or service.listen is not set */
};

/* A service that runs finds by itself what is late, and knows which events are blocked. */
static int64_t max_age_ms(const struct output *output)
{
    int64_t max_age_ms = output->request->max_age_ms;
    return max_age_ms || output->has_service ? max_age_ms : output->late_ms;
}

static enum obx_exit check_health(const char *name, const struct outbox_store_status *status, const json_t *relay,
                                  const struct output *output, json_t *problems)
{
    bool has_oldest = status->pending != 0 && status->oldest_us >= 0;
    const struct obx_health health = {.relay = name,
                                      .store = status,
                                      .oldest_seconds = has_oldest ? age_seconds(status->oldest_us) : 0,
                                      .max_age_seconds = (double)max_age_ms(output) / 1e3,
                                      .has_service = output->has_service,
                                      .service_error = output->service_error,
                                      .service_view = relay};
    return obx_health_check(&health, problems);
}

struct view {
    const char *name;
    const struct outbox_store_status *status; /* NULL: it could not be read */
    const json_t *relay;                      /* of the service; NULL: none */
    const json_t *rows;                       /* texts; NULL: not requested */
    const json_t *problems;
};

static void print_json(const struct output *output, const struct view *view, const struct outbox_store_status *status,
                       const char *error)
{
    json_t *object = to_json(status, view->relay, view->rows);
    if (error)
        json_object_set_new(object, "error", obx_escape_json(error));
    if (output->request->check)
        json_object_set_new(object, "problems", json_deep_copy(view->problems));
    json_object_set_new(output->relays, view->name, object);
}

static void print_texts(const char *label, const json_t *texts)
{
    size_t index;
    const json_t *text;
    json_array_foreach(texts, index, text)
    {
        printf("  %-10s ", label);
        obx_escape_text(stdout, json_string_value(text));
        putchar('\n');
    }
}

static void print_text(const struct output *output, const struct view *view)
{
    printf("%s\n", view->name);
    if (view->status)
        print_store(view->status);
    print_texts("row", view->rows);
    if (view->relay)
        print_relay(view->relay);
    else if (view->status && !output->has_service)
        print_no_service();
    print_texts("problem", view->problems);
}

struct rows {
    json_t *texts; /* NULL: not requested */
    bool any_stays;
};

static void note_row(void *arg, const struct outbox_finding *finding)
{
    struct rows *rows = arg;
    if (finding->severity != OUTBOX_SEVERITY_OK)
        json_array_append_new(rows->texts, obx_escape_json(finding->reason));
    rows->any_stays |= finding->severity == OUTBOX_SEVERITY_ERROR;
}

static enum obx_exit check_rows(const struct rows *rows, json_t *problems)
{
    if (!rows->any_stays)
        return OBX_EXIT_OK;
    json_array_append_new(problems, json_string("rows stay in the outbox until they are corrected"));
    return OBX_EXIT_DATA;
}

static enum obx_exit print_status(struct obx_context *context, const char *name, const struct output *output)
{
    struct outbox_store_status status;
    struct outbox_error error = {0};
    const json_t *relay = json_object_get(json_object_get(output->service, "relays"), name);
    json_t *problems = json_array();
    struct rows rows = {.texts = relay || output->request->every_ms ? NULL : json_array()};
    const struct outbox_check check = {
        .struct_size = sizeof check, .report = note_row, .arg = &rows, .flags = OUTBOX_CHECK_ROWS};
    enum obx_exit code = OBX_EXIT_OK;
    int failed = obx_oneshot_store_status(context, name, &status, rows.texts ? &check : NULL, &error);
    if (!failed && output->request->check)
        code = obx_exit_worse(check_health(name, &status, relay, output, problems), check_rows(&rows, problems));
    const struct view view = {name, failed ? NULL : &status, relay, rows.texts, problems};
    if (output->relays)
        print_json(output, &view, &status, failed ? error.text : NULL);
    else
        print_text(output, &view);
    json_decref(problems);
    json_decref(rows.texts);
    if (!failed)
        return code;
    obx_context_name_relay(context, name, &error);
    return obx_exit_report("status", &error);
}

static int print_all_status(struct obx_context *context, void *arg, struct outbox_error *error)
{
    const struct request *request = arg;
    (void)error;
    struct outbox_error service_error = {0};
    json_t *service = fetch_service_status(context, &service_error);
    struct output output = {.request = request,
                            .relays = request->json ? json_object() : NULL,
                            .service = service,
                            .has_service = context->settings.listen != NULL,
                            .late_ms = context->settings.late_ms,
                            .service_error = service_error.code ? service_error.text : ""};
    enum obx_exit code = OBX_EXIT_OK;
    const char *name;
    for (uint32_t i = 0; (name = obx_context_relay(context, i)); i++)
        code = obx_exit_worse(code, print_status(context, name, &output));
    if (request->json)
        json_dumpf(output.relays, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)), putchar('\n');
    else if (service_error.code)
        obx_escape_line(stdout, "the service does not respond: %s", service_error.text);
    json_decref(output.relays);
    json_decref(service);
    return code;
}

/* 0, or the exit code after printing what is wrong. */
static int set_option(const struct obx_verb *verb, struct request *request, int option)
{
    request->json |= option == 'j';
    request->check |= option == 'k' || option == 'a';
    request->every_ms = option == 'w' ? WATCH_MS : request->every_ms;
    if (option == 'w' && optarg && !obx_args_duration(optarg, &request->every_ms))
        return obx_args_refuse(verb, "--watch needs a duration, like 2s, not '%s'", optarg);
    if (option == 'a' && !obx_args_duration(optarg, &request->max_age_ms))
        return obx_args_refuse(verb, "--max-age needs a duration, like 90s or 10m, not '%s'", optarg);
    return 0;
}

/* Until a signal ends the process, or nobody reads any more. A new context each time: the file may change meanwhile. */
static int watch(const struct obx_args *args, struct request *request)
{
    const struct timespec pause = {request->every_ms / 1000, request->every_ms % 1000 * 1000000};
    bool on_terminal = isatty(STDOUT_FILENO) == 1;
    int code = OBX_EXIT_OK;
    for (;;) {
        fputs(on_terminal ? "\033[H\033[J" : "", stdout);
        code = obx_context_run(args, print_all_status, request);
        if (fflush(stdout) || ferror(stdout))
            return code;
        nanosleep(&pause, NULL);
        if (!on_terminal && !request->json)
            putchar('\n');
    }
}

static int run(const struct obx_verb *verb, int argc, char **argv)
{
    static const struct option options[] = {OBX_ARGS_COMMON,
                                            {"json", no_argument, NULL, 'j'},
                                            {"check", no_argument, NULL, 'k'},
                                            {"max-age", required_argument, NULL, 'a'},
                                            {"watch", optional_argument, NULL, 'w'},
                                            {0}};
    struct obx_args args = {.verb = verb, .options = options, .argc = argc, .argv = argv};
    struct request request = {0};
    int option, refused;
    while ((option = obx_args_next(&args)) != -1)
        if ((refused = set_option(verb, &request, option)))
            return refused;
    if (obx_args_end(&args))
        return args.exit;
    return request.every_ms ? watch(&args, &request) : obx_context_run(&args, print_all_status, &request);
}

const struct obx_verb obx_verb_status = {
    "status",
    "print backlog, oldest age, rate, blocked keys, dead letters, connections",
    "[-c FILE] [--relay NAME] [--json] [--check] [--max-age DURATION] [--watch[=DURATION]]",
    "  --json              print one JSON object\n"
    "  --check             print problems; exit 65 if an event waits for people, 69 if\n"
    "                      nothing is relayed, 0 if all is well\n"
    "  --max-age DURATION  --check, and exit 69 if the oldest event has waited longer\n"
    "  --watch[=DURATION]  print it again and again, every 2s by default, until Ctrl-C\n",
    run,
    false};

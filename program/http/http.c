/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program/http/http.c - the HTTP server: libmicrohttpd on one thread, GET only
 *
 * A handler requests a snapshot and renders it; it never touches a relay. If the loop does not fill the snapshot in
 * time, every path returns 503; /healthz exists for this. At the end the snapshots are closed before the server, so
 * that no handler keeps waiting.
 */
#include "http/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "http/connections.h"
#include "http/hosts.h"
#include "http/metrics.h"
#include "http/page.h"
#include "http/render.h"

#define SNAPSHOT_TIMEOUT_MS 5000u

struct obx_http {
    struct MHD_Daemon *daemon;
    struct obx_snapshots *snapshots;
    struct obx_http_connections connections;
    char *hosts; /* service.hosts; owned; NULL: none */
};

/* Fills text; returns the HTTP status. relay: NULL: all. */
typedef unsigned page_function(const struct obx_snapshot *snapshot, const char *relay, struct obx_buf *text);

static unsigned metrics(const struct obx_snapshot *snapshot, const char *relay, struct obx_buf *text)
{
    (void)relay;
    obx_metrics_render(snapshot, false, text);
    return MHD_HTTP_OK;
}

static unsigned open_metrics(const struct obx_snapshot *snapshot, const char *relay, struct obx_buf *text)
{
    (void)relay;
    obx_metrics_render(snapshot, true, text);
    return MHD_HTTP_OK;
}

static unsigned healthy(const struct obx_snapshot *snapshot, const char *relay, struct obx_buf *text)
{
    (void)relay, (void)snapshot; /* the loop filled it in time: this is the result */
    obx_buf_puts(text, "ok\n");
    return MHD_HTTP_OK;
}

static unsigned ready(const struct obx_snapshot *snapshot, const char *relay, struct obx_buf *text)
{
    if (relay && !obx_snapshot_find(snapshot, relay)) {
        obx_buf_puts(text, "not found: the service has no relay of this name\n");
        return MHD_HTTP_NOT_FOUND;
    }
    return obx_render_readiness(snapshot, relay, text) ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static unsigned status(const struct obx_snapshot *snapshot, const char *relay, struct obx_buf *text)
{
    (void)relay;
    json_t *json = obx_render_json(snapshot);
    char *dumped = json ? json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) : NULL;
    obx_buf_puts(text, dumped ? dumped : "{}");
    obx_buf_putc(text, '\n');
    free(dumped);
    json_decref(json);
    return dumped ? MHD_HTTP_OK : MHD_HTTP_INTERNAL_SERVER_ERROR;
}

static const struct page {
    const char *path;
    const char *type;
    page_function *render; /* NULL: page.html */
    bool of_relay;         /* PATH/RELAY, too */
} open_metrics_page = {"/metrics", "application/openmetrics-text; version=1.0.0; charset=utf-8", open_metrics, false},
  pages[] = {
      {"/metrics", "text/plain; version=0.0.4; charset=utf-8", metrics, false},
      {"/healthz", "text/plain; charset=utf-8", healthy, false},
      {"/readyz", "text/plain; charset=utf-8", ready, true},
      {"/status", "application/json", status, false},
      {"/", "text/html; charset=utf-8", NULL, false},
};

#define PATHS "/ /metrics /healthz /readyz /readyz/RELAY /status"
/* The page loads nothing but itself and /status, and is shown in no frame. */
#define POLICY                                                                                                         \
    "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; base-uri 'none'; " \
    "frame-ancestors 'none'"

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned code, const char *type, struct obx_buf *text)
{
    if (obx_buf_failed(text)) {
        obx_buf_free(text);
        code = MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(
        text->size, text->size ? (void *)text->data : (void *)text, MHD_RESPMEM_MUST_COPY);
    obx_buf_free(text);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "Content-Security-Policy", POLICY);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    enum MHD_Result result = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return result;
}

static unsigned render(struct obx_http *http, const struct page *page, const char *relay, struct obx_buf *text)
{
    struct obx_snapshot snapshot;
    if (!page->render) {
        obx_buf_add(text, obx_http_page, obx_http_page_size);
        return MHD_HTTP_OK;
    }
    int failed = obx_snapshots_get(http->snapshots, SNAPSHOT_TIMEOUT_MS, &snapshot);
    if (failed) {
        obx_buf_puts(text, failed == OUTBOX_E_TIMEOUT ? "the event loop does not respond\n" : "stopping\n");
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    unsigned code = page->render(&snapshot, relay, text);
    obx_snapshot_free(&snapshot);
    return code;
}

/* relay: of "/readyz/RELAY"; else NULL. */
static const struct page *find_page(const char *path, const char **relay)
{
    *relay = NULL;
    for (size_t i = 0; i < OBX_COUNT(pages); i++) {
        size_t size = strlen(pages[i].path);
        if (!strcmp(path, pages[i].path))
            return &pages[i];
        if (!pages[i].of_relay || strncmp(path, pages[i].path, size) || path[size] != '/' || !path[size + 1])
            continue;
        *relay = path + size + 1;
        return &pages[i];
    }
    return NULL;
}

/* ---- connections ---- */

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct obx_http_connection *connection_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct obx_http *http = arg;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        obx_http_connection_close(*context);
        return;
    }
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *context = info ? obx_http_connection_open(&http->connections, info->connect_fd, now_ms()) : NULL;
}

static void on_answered(void *arg, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode how)
{
    (void)arg, (void)state, (void)how;
    obx_http_connection_answered(connection_of(connection), now_ms());
}

/* ---- requests ---- */

/* NULL: fine. Else the reply's code and text. */
static const char *refuse(const struct obx_http *http, struct MHD_Connection *connection, const char *method,
                          unsigned *code)
{
    const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");
    *code = MHD_HTTP_METHOD_NOT_ALLOWED;
    if (strcmp(method, "GET") && strcmp(method, "HEAD"))
        return "only GET and HEAD are supported\n";
    *code = MHD_HTTP_FORBIDDEN;
    if (!obx_http_host_is_known(host, http->hosts))
        return "this host name is not known here; use an address, or add the name to service.hosts\n";
    return NULL;
}

static bool accepts(struct MHD_Connection *connection, const char *type)
{
    const char *header = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Accept");
    return header && strstr(header, type);
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *data, size_t *size, void **state)
{
    struct obx_buf text = {0};
    unsigned code;
    (void)version, (void)data, (void)size, (void)state;
    obx_http_connection_requested(connection_of(connection));
    const char *refusal = refuse(arg, connection, method, &code);
    if (refusal) {
        obx_buf_puts(&text, refusal);
        return reply(connection, code, "text/plain", &text);
    }
    const char *relay;
    const struct page *page = find_page(url, &relay);
    if (!page) {
        obx_buf_puts(&text, "not found; the paths are " PATHS "\n");
        return reply(connection, MHD_HTTP_NOT_FOUND, "text/plain", &text);
    }
    if (page->render == metrics && accepts(connection, "application/openmetrics-text"))
        page = &open_metrics_page;
    code = render(arg, page, relay, &text);
    return reply(connection, code, code == MHD_HTTP_OK ? page->type : "text/plain", &text);
}

/* Takes the descriptor, also on failure. */
static int start(struct obx_http *http, int fd, struct outbox_error *error)
{
    errno = 0;
    http->daemon =
        MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO | MHD_USE_ITC, 0, NULL, NULL, handle, http,
                         MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_TIMEOUT, 10u, MHD_OPTION_CONNECTION_LIMIT,
                         2u * OBX_HTTP_CONNECTIONS, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
                         MHD_OPTION_NOTIFY_COMPLETED, on_answered, http, MHD_OPTION_END);
    if (http->daemon)
        return OUTBOX_OK;
    int number = errno; /* 0 if the library does not set it */
    close(fd);
    return obx_error_set(error, OUTBOX_E_IO,
                         "start the HTTP server: %s; it needs one thread and four file descriptors: raise the "
                         "limits (ulimit -u, ulimit -n)",
                         number ? strerror(number) : "libmicrohttpd could not start its thread");
}

static int no_memory(int fd, struct outbox_error *error)
{
    close(fd);
    return obx_error_no_memory(error);
}

static int make_server(int fd, const char *hosts, struct obx_snapshots *snapshots, struct obx_http **made,
                       struct outbox_error *error)
{
    struct obx_http *http = obx_alloc(sizeof *http);
    if (!http)
        return no_memory(fd, error);
    http->snapshots = snapshots;
    http->hosts = hosts ? obx_strdup(hosts) : NULL;
    obx_http_connections_init(&http->connections);
    int status = !hosts || http->hosts ? start(http, fd, error) : no_memory(fd, error);
    if (!status) {
        *made = http;
        return OUTBOX_OK;
    }
    obx_free(http->hosts);
    obx_free(http);
    return status;
}

int obx_http_new(const char *address, const char *hosts, struct obx_snapshots *snapshots, const struct obx_log *log,
                 struct obx_http **made, struct outbox_error *error)
{
    int fd;
    char text[128];
    *made = NULL;
    int status = obx_http_listen(address, &fd, text, sizeof text, error);
    if (status)
        return status;
    status = make_server(fd, hosts, snapshots, made, error);
    if (status)
        return status;
    if (!strncmp(text, "0.0.0.0:", 8) || !strncmp(text, "[::]:", 5))
        obx_log_write(log, OUTBOX_LOG_WARN, "http",
                      "service.listen %s accepts connections from every network of this machine, without a password; "
                      "write 127.0.0.1:PORT or unix:PATH to accept only local ones",
                      address);
    obx_log_write(log, OUTBOX_LOG_INFO, "http", "listening on %s: " PATHS, text);
    return OUTBOX_OK;
}

void obx_http_free(struct obx_http *http)
{
    if (!http)
        return;
    obx_snapshots_close(http->snapshots);
    MHD_stop_daemon(http->daemon);
    obx_free(http->hosts);
    obx_free(http);
}

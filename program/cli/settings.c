/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/settings.c - the option tables of `service:` and `service.log:` */
#include "cli/settings.h"

#include <stddef.h>
#include <string.h>

#include "base/mem.h"

static const char *const levels[] = {"error", "warn", "info", "debug", "trace", NULL};
static const char *const formats[] = {"text", "json", NULL};

const struct outbox_option obx_service_options[] = {
    {"listen", OUTBOX_OPT_STRING, 0, offsetof(struct obx_service_settings, listen), NULL, 0, 0, NULL,
     "ADDRESS:PORT or unix:PATH of the HTTP server for /metrics, /healthz, /readyz, /status and the page at /; no "
     "server if absent"},
    {"hosts", OUTBOX_OPT_STRING, 0, offsetof(struct obx_service_settings, hosts), NULL, 0, 0, NULL,
     "names by which clients may address the HTTP server, separated by commas; addresses, localhost and the machine's "
     "own name are always accepted"},
    {"control", OUTBOX_OPT_STRING, 0, offsetof(struct obx_service_settings, control), NULL, 0, 0, NULL,
     "unix:PATH of the socket for `outbox pause`, `resume`, `retry` and `skip`, with mode 0600; none if absent"},
    {"balance", OUTBOX_OPT_BOOL, 0, offsetof(struct obx_service_settings, balance), "false", 0, 0, NULL,
     "share the relays evenly with all other processes that have the same relays: see SCALE-OUT.md"},
    {"late", OUTBOX_OPT_DURATION, OUTBOX_OPT_RELOADABLE, offsetof(struct obx_service_settings, late_ms), NULL, 0, 0,
     NULL,
     "a relay is late, and not ready, while its oldest event that no key blocks waits longer than this; off if absent"},
};
const uint32_t obx_service_option_count = OBX_COUNT(obx_service_options);

const struct outbox_option obx_service_log_options[] = {
    {"level", OUTBOX_OPT_ENUM, OUTBOX_OPT_RELOADABLE, offsetof(struct obx_service_settings, log_level), "info", 0, 0,
     levels, "log messages of this level and more important ones"},
    {"format", OUTBOX_OPT_ENUM, OUTBOX_OPT_RELOADABLE, offsetof(struct obx_service_settings, log_format), "text", 0, 0,
     formats, "format of log lines on stderr"},
};
const uint32_t obx_service_log_option_count = OBX_COUNT(obx_service_log_options);

int obx_service_settings_parse(const struct obx_section *section, struct obx_service_settings *settings,
                               struct outbox_error *error)
{
    static const char *const inner[] = {"log", NULL};
    const struct obx_section *log;
    memset(settings, 0, sizeof *settings);
    int status = obx_options_apply(obx_service_options, obx_service_option_count, sizeof *obx_service_options, inner,
                                   section, settings, error);
    if (!status)
        status = obx_section_child(section, "log", &log, error);
    if (!status)
        status = obx_options_apply(obx_service_log_options, obx_service_log_option_count,
                                   sizeof *obx_service_log_options, NULL, log, settings, error);
    return status;
}

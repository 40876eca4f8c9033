/* SPDX-License-Identifier: Apache-2.0 */
/* program/cli/settings.h - the section `service:`: settings of the process, not of a relay */
#ifndef OBX_PROGRAM_CLI_SETTINGS_H
#define OBX_PROGRAM_CLI_SETTINGS_H

#include "config/config.h"

enum obx_log_format { OBX_LOG_TEXT, OBX_LOG_JSON };

struct obx_service_settings {
    const char *listen;  /* ADDRESS:PORT of the HTTP server, or unix:PATH; NULL: none */
    const char *hosts;   /* names of this server, separated by commas */
    const char *control; /* unix:PATH of the control socket; NULL: none */
    bool balance;        /* share the relays with other processes */
    int64_t late_ms;     /* an event that waits longer makes its relay late; 0: none does */
    int64_t log_level;   /* enum outbox_log_level */
    int64_t log_format;  /* enum obx_log_format */
};

/* For parsing and for the generated reference. */
extern const struct outbox_option obx_service_options[];
extern const uint32_t obx_service_option_count;
extern const struct outbox_option obx_service_log_options[];
extern const uint32_t obx_service_log_option_count;

int obx_service_settings_parse(const struct obx_section *section, struct obx_service_settings *settings,
                               struct outbox_error *error);

#endif

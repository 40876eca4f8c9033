/* SPDX-License-Identifier: Apache-2.0 */
/* core/embed/check_relay.h - the checks of one relay, for outbox_check() and `outbox check` */
#ifndef OBX_EMBED_CHECK_RELAY_H
#define OBX_EMBED_CHECK_RELAY_H

#include "embed/check_part.h"
#include "relay/relay.h"

struct obx_check_relay {
    const struct obx_relay_setup *setup;
    const struct obx_check_report *report;
    uint32_t timeout_ms; /* of each connect and of each check */
};

/* Checks the relay's section, its store, its transforms and its broker. The result is an error of the section, of
 * which nothing is reported; then nothing else is checked. identity: of the table that the relay reaches, as in struct
 * outbox_store_status; "": unknown. */
int obx_check_relay(const struct obx_check_relay *request, char identity[static 160], struct outbox_error *error);

#endif

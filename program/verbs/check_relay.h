/* SPDX-License-Identifier: Apache-2.0 */
/* program/verbs/check_relay.h - the checks of one relay, for `outbox check` */
#ifndef OBX_PROGRAM_VERBS_CHECK_RELAY_H
#define OBX_PROGRAM_VERBS_CHECK_RELAY_H

#include "cli/context.h"
#include "cli/findings.h"

/* Checks the relay's section, its store, its transforms and its broker. Returns the most important exit code. identity:
 * of the table that the relay reaches, as in struct outbox_store_status; "": unknown. */
enum obx_exit obx_check_relay(struct obx_context *context, struct obx_findings *findings, const char *relay,
                              char identity[static 160]);

#endif

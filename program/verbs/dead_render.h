/* SPDX-License-Identifier: Apache-2.0 */
/* program/verbs/dead_render.h - prints dead letters, for `outbox dead` */
#ifndef OBX_PROGRAM_VERBS_DEAD_RENDER_H
#define OBX_PROGRAM_VERBS_DEAD_RENDER_H

#include <outbox/plugin.h>

/* On stdout. Control characters are escaped, except in the payload of print_fields outside a terminal. */
void obx_dead_print_line(const struct outbox_dead_letter *letter);
void obx_dead_print_fields(const struct outbox_dead_letter *letter);
void obx_dead_print_json(const struct outbox_dead_letter *letter); /* invalid UTF-8 as base64 */

#endif

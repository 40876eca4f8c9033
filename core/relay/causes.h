/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/relay/causes.h - when was each cause of failures logged last?
 *
 * Happy path: a failure comes with its text; a cause that had no line yet is logged at once, and again after a pause. A
 * cause is the words of the text that have more letters than digits. So a wrong password and a missing grant are two
 * causes, and a text with another process id, time or position is the same one. Failure mode: texts that never repeat;
 * then there are at most 8 lines a minute. Loop thread only.
 */
#ifndef OBX_RELAY_CAUSES_H
#define OBX_RELAY_CAUSES_H

#include <stdbool.h>
#include <stdint.h>

#include "loop/loop.h"

#define OBX_LOG_EVERY_NS (60000 * OBX_MS) /* from one line of a cause to the next */
enum { OBX_CAUSES = 8 };

struct obx_cause {
    uint64_t number;    /* made of its words */
    uint64_t logged_at; /* nanoseconds */
    bool logged;
};

/* Zeroed: nothing was logged. */
struct obx_causes {
    struct obx_cause list[OBX_CAUSES];
};

/* The cause of a failure with this text, in place of the oldest one if it is new; until the next call. NULL: 8 others
 * were logged within a minute. */
struct obx_cause *obx_causes_get(struct obx_causes *causes, const char *text, uint64_t now);
void obx_cause_note(struct obx_cause *cause, uint64_t now); /* a line is logged */
/* Is a line due? Within pause_ns after the last one of this cause it is not. If so, the caller logs. */
bool obx_causes_log_due(struct obx_causes *causes, const char *text, uint64_t now, uint64_t pause_ns);

#endif

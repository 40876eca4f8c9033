/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/common/window_header.h - the header outbox-position of a message: SOURCE.OWNERSHIP.POSITION.LOW
 *
 *     9f3c2a7be01d4455.1f-5a3c77e0.3a7c1.3a102
 *
 * Numbers are hexadecimal. An ownership is an epoch and a random number; a position may have a second number. More
 * fields may follow. No state; any thread.
 */
#ifndef OBX_WRITERS_COMMON_WINDOW_HEADER_H
#define OBX_WRITERS_COMMON_WINDOW_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include <outbox/plugin.h>

struct window_header {
    uint64_t source; /* a hash of the outbox's identity */
    uint64_t epoch, nonce;
    struct outbox_position position;
    struct outbox_position low; /* zero: nothing is known */
};

/* False: it is not what a relay sends. */
bool window_header_parse(struct outbox_bytes text, struct window_header *header);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/proxy/altering/alter.h - one stream, for the proxy */
#ifndef OBX_TESTS_PROXY_ALTERING_ALTER_H
#define OBX_TESTS_PROXY_ALTERING_ALTER_H

#include "altering_proxy.h"

void alter_begin(struct alter *alter, const struct alter_protocol *protocol, uint64_t seed);
/* Takes bytes of the server; what the client is to get is appended to alter->out. */
void alter_take(struct alter *alter, const uint8_t *data, size_t size, struct altering_proxy *proxy);
void alter_end(struct alter *alter);

#endif

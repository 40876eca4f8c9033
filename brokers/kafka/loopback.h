/* SPDX-License-Identifier: Apache-2.0 */
/* brokers/kafka/loopback.h - is a broker on this machine? */
#ifndef OBX_BROKERS_KAFKA_LOOPBACK_H
#define OBX_BROKERS_KAFKA_LOOPBACK_H

#include <stdbool.h>

/* broker: HOST, HOST:PORT or SCHEME://HOST:PORT. Any thread. */
bool kafka_is_loopback(const char *broker);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/loopback.h - is an address this machine's own?
 *
 * Only a numeric address says so. A name says nothing: whoever answers for it decides where it leads, and what looks
 * like an address may be a name (127.0.0.1.example).
 */
#ifndef OBX_BACKENDS_SQL_LOOPBACK_H
#define OBX_BACKENDS_SQL_LOOPBACK_H

#include <arpa/inet.h>
#include <stdbool.h>

static inline bool obx_sql_is_loopback(const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, address, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, address, &v6) != 1)
        return false;
    return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/http/address_test.c - which addresses count as public */
#include <arpa/inet.h>
#include <criterion/criterion.h>

#include "../../../brokers/http/broker.h"

static bool is_public(const char *text)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
    char room[ADDRESS_SIZE];
    if (inet_pton(AF_INET, text, &ipv4.sin_addr) == 1)
        return http_is_public((const struct sockaddr *)&ipv4, room);
    cr_assert_eq(inet_pton(AF_INET6, text, &ipv6.sin6_addr), 1, "%s", text);
    return http_is_public((const struct sockaddr *)&ipv6, room);
}

Test(http_address, ranges_that_are_not_public_are_known)
{
    static const char *const private[] = {
        "0.0.0.0",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.9.9.9",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fd12:3456::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "2002:c0a8:101::",
        "2001:db8::1",
        "2001::1",
        "fec0::1",
    };
    static const char *const public[] = {
        "1.1.1.1",         "9.255.255.255",   "11.0.0.0",  "100.63.255.255", "100.128.0.0",      "128.0.0.1",
        "172.15.0.1",      "172.32.0.1",      "192.0.1.1", "192.167.1.1",    "198.17.0.1",       "198.20.0.1",
        "223.255.255.255", "2606:4700::1111", "2a00::1",   "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::",
    };
    for (size_t i = 0; i < sizeof private / sizeof *private; i++)
        cr_assert_not(is_public(private[i]), "%s", private[i]);
    for (size_t i = 0; i < sizeof public / sizeof *public; i++)
        cr_assert(is_public(public[i]), "%s", public[i]);
}

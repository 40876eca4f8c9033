/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/http/address.c - which addresses are not public
 *
 * Private, loopback, link-local, shared, reserved and multicast ranges, also when an IPv6 address carries an IPv4 one.
 * An event or a name server must not make the relay send to services of its own network.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "broker.h"

static const struct range {
    uint32_t network;
    int bits;
} ranges[] = {
    {0x00000000, 8},  /* 0.0.0.0/8 this network */
    {0x0a000000, 8},  /* 10.0.0.0/8 private */
    {0x64400000, 10}, /* 100.64.0.0/10 shared by providers */
    {0x7f000000, 8},  /* 127.0.0.0/8 loopback */
    {0xa9fe0000, 16}, /* 169.254.0.0/16 link-local, and metadata of clouds */
    {0xac100000, 12}, /* 172.16.0.0/12 private */
    {0xc0000000, 24}, /* 192.0.0.0/24 protocols */
    {0xc0000200, 24}, /* 192.0.2.0/24 documentation */
    {0xc0a80000, 16}, /* 192.168.0.0/16 private */
    {0xc6120000, 15}, /* 198.18.0.0/15 benchmarks */
    {0xc6336400, 24}, /* 198.51.100.0/24 documentation */
    {0xcb007100, 24}, /* 203.0.113.0/24 documentation */
    {0xe0000000, 3},  /* 224.0.0.0/3 multicast, reserved, broadcast */
};

static bool is_public_ipv4(uint32_t address)
{
    for (unsigned i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if ((address ^ ranges[i].network) >> (32 - ranges[i].bits) == 0)
            return false;
    return true;
}

static uint32_t ipv4_at(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Public are 2000::/3 but for tunnels of IPv4 and documentation, and the IPv4 addresses within IPv6. */
static bool is_public_ipv6(const unsigned char *bytes)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff}, nat64[12] = {0, 0x64, 0xff, 0x9b};
    if (!memcmp(bytes, mapped, sizeof mapped) || !memcmp(bytes, nat64, sizeof nat64))
        return is_public_ipv4(ipv4_at(bytes + 12));
    if (bytes[0] == 0x20 && bytes[1] == 0x02) /* 6to4 */
        return is_public_ipv4(ipv4_at(bytes + 2));
    bool is_teredo = ipv4_at(bytes) == 0x20010000, is_documentation = ipv4_at(bytes) == 0x20010db8;
    return (bytes[0] & 0xe0) == 0x20 && !is_teredo && !is_documentation;
}

/* Also writes the address as text. Of another family: not public. */
bool http_is_public(const struct sockaddr *address, char text[ADDRESS_SIZE])
{
    text[0] = '?';
    text[1] = '\0';
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *ipv4 = (const void *)address;
        inet_ntop(AF_INET, &ipv4->sin_addr, text, ADDRESS_SIZE);
        return is_public_ipv4(ntohl(ipv4->sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *ipv6 = (const void *)address;
        inet_ntop(AF_INET6, &ipv6->sin6_addr, text, ADDRESS_SIZE);
        return is_public_ipv6(ipv6->sin6_addr.s6_addr);
    }
    return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox/text_util.h - helpers for plugins: bytes and texts. outbox/plugin_util.h includes it
 *
 *   OUTBOX_CUT  outbox_cut  outbox_cut_bytes    a text that is cut between two characters
 *   outbox_bytes_equal  OUTBOX_BYTES_ARGS       bytes
 *   outbox_base64  outbox_time_text             texts for headers
 *   outbox_host_name  outbox_describe_process   how a store names the owner of an outbox
 *
 * Not part of the ABI: compiled into the plugin. Any thread.
 */
#ifndef OUTBOX_TEXT_UTIL_H
#define OUTBOX_TEXT_UTIL_H

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <outbox/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The precision of "%.*s" for a text that has to fit into `most` bytes: its length, or less, so that no character of
 * UTF-8 is cut in two, which a server refuses. Any thread. */
static inline int outbox_cut_bytes(struct outbox_bytes text, size_t most)
{
    const unsigned char *at = (const unsigned char *)text.data;
    size_t end = most, lowest = most > 3 ? most - 3 : 0; /* a longer character is none: the text is not UTF-8 */
    if (text.size <= most)
        return (int)text.size;
    while (end > lowest && (at[end] & 0xc0) == 0x80)
        end--;
    return (int)((at[end] & 0xc0) == 0x80 ? most : end);
}

/* The same of a text that ends with a NUL; null has no bytes. Any thread. */
static inline int outbox_cut(const char *text, size_t most)
{
    struct outbox_bytes bytes;
    bytes.data = text;
    bytes.size = text ? strlen(text) : 0;
    return outbox_cut_bytes(bytes, most);
}

/* printf("%.*s", OUTBOX_CUT(name, 80)): at most 80 bytes of a text, where "%.80s" could cut a character in two. The
 * text is evaluated twice. */
#define OUTBOX_CUT(text, most) outbox_cut((text), (most)), (text)

/* printf("%.*s", OUTBOX_BYTES_ARGS(message->topic)); null is printed as nothing */
#define OUTBOX_BYTES_ARGS(bytes) \
    (int)((bytes).size > INT32_MAX ? INT32_MAX : (bytes).size), ((bytes).data ? (const char *)(bytes).data : "")

/* Null equals null only, not the empty string. Any thread. */
static inline bool outbox_bytes_equal(struct outbox_bytes a, struct outbox_bytes b)
{
    if (!a.data || !b.data)
        return !a.data && !b.data && a.size == b.size;
    return a.size == b.size && !memcmp(a.data, b.data, a.size);
}

/* Bytes of the base64 text of so many bytes, with padding and the NUL at its end. */
#define OUTBOX_BASE64_SIZE(size) (((size) + 2) / 3 * 4 + 1)

/* Write the base64 text (RFC 4648, with padding) of `size` bytes and a NUL; to: OUTBOX_BASE64_SIZE(size) bytes. Returns
 * the length of the text. bytes may be NULL with size 0. Any thread. */
static inline size_t outbox_base64(char *to, const void *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *at = (const unsigned char *)bytes;
    char *begin = to;
    for (; size && at; to += 4) {
        uint32_t bits = (uint32_t)at[0] << 16 | (size > 1 ? (uint32_t)at[1] << 8 : 0) | (size > 2 ? at[2] : 0u);
        to[0] = digits[bits >> 18];
        to[1] = digits[bits >> 12 & 63];
        to[2] = size > 1 ? digits[bits >> 6 & 63] : '=';
        to[3] = size > 2 ? digits[bits & 63] : '=';
        at += size > 3 ? 3 : size;
        size -= size > 3 ? 3 : size;
    }
    *to = '\0';
    return (size_t)(to - begin);
}

#define OUTBOX_TIME_SIZE 28 /* "2026-11-29T17:00:00.123456Z" and a zero byte */

/* Microseconds since 1970 as RFC 3339 in UTC. Returns the length; 0 and "" outside of the years 0000 to 9999, and for
 * INT64_MIN, which is no time. Any thread. */
static inline size_t outbox_time_text(char text[OUTBOX_TIME_SIZE], int64_t us)
{
    struct tm parts;
    int fraction = (int)(us % 1000000);
    time_t seconds = (time_t)(us / 1000000 - (fraction < 0));
    text[0] = '\0';
    if (us == INT64_MIN || !gmtime_r(&seconds, &parts) || parts.tm_year < -1900 || parts.tm_year > 8099)
        return 0;
    snprintf(text, OUTBOX_TIME_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", (unsigned)(parts.tm_year + 1900) % 10000,
             (unsigned)(parts.tm_mon + 1) % 100, (unsigned)parts.tm_mday % 100, (unsigned)parts.tm_hour % 100,
             (unsigned)parts.tm_min % 100, (unsigned)parts.tm_sec % 100,
             (unsigned)(fraction < 0 ? fraction + 1000000 : fraction) % 1000000);
    return OUTBOX_TIME_SIZE - 1;
}

/* The name of this machine; of a long one, both ends, as pods differ at the end. size: at least 16. Any thread. */
static inline void outbox_host_name(char *text, size_t size)
{
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) || !host[0])
        snprintf(host, sizeof host, "localhost");
    size_t length = strlen(host), half = size / 2 - 1, cut = length < size ? length : half;
    snprintf(text, size, "%.*s%s%s", (int)cut, host, length < size ? "" : "~",
             length < size ? "" : host + length - half);
}

#define OUTBOX_PROCESS_HOST 28 /* room for the machine in names of processes: the same everywhere */
/* "RELAY on HOST, process PID": how a store names an owner to people. relay: of struct outbox_init. Any thread. */
static inline void outbox_describe_process(char *text, size_t size, const char *relay)
{
    char host[OUTBOX_PROCESS_HOST];
    outbox_host_name(host, sizeof host);
    snprintf(text, size, "%.*s on %s, process %ld", OUTBOX_CUT(relay, 30), host, (long)getpid());
}

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/postgres/capture/crc32c.c - CRC-32C
 *
 * x86-64 with SSE 4.2 and aarch64 with the CRC extension have an instruction for it; others use a table for each half
 * byte, which is small and slow. The choice is made at run time on x86, at compile time on aarch64.
 */
#include "crc32c.h"

#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <nmmintrin.h>
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

uint32_t pg_crc32c_by_table(uint32_t crc, const unsigned char *bytes, size_t size)
{
    /* of the values 0 to 15, with the reversed polynomial 0x82f63b78 */
    static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
                                       0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                       0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    while (size--) {
        crc ^= *bytes++;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return crc;
}

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("sse4.2"))) static uint32_t by_processor(uint32_t crc, const unsigned char *bytes, size_t size)
{
    uint64_t wide = crc, word;
    for (; size >= sizeof word; size -= sizeof word, bytes += sizeof word) {
        memcpy(&word, bytes, sizeof word);
        wide = _mm_crc32_u64(wide, word);
    }
    crc = (uint32_t)wide;
    while (size--)
        crc = _mm_crc32_u8(crc, *bytes++);
    return crc;
}

uint32_t pg_crc32c(uint32_t crc, const unsigned char *bytes, size_t size)
{
    return __builtin_cpu_supports("sse4.2") ? by_processor(crc, bytes, size) : pg_crc32c_by_table(crc, bytes, size);
}
#elif defined(__ARM_FEATURE_CRC32)
uint32_t pg_crc32c(uint32_t crc, const unsigned char *bytes, size_t size)
{
    uint64_t word;
    for (; size >= sizeof word; size -= sizeof word, bytes += sizeof word) {
        memcpy(&word, bytes, sizeof word);
        crc = __crc32cd(crc, word);
    }
    while (size--)
        crc = __crc32cb(crc, *bytes++);
    return crc;
}
#else
uint32_t pg_crc32c(uint32_t crc, const unsigned char *bytes, size_t size)
{
    return pg_crc32c_by_table(crc, bytes, size);
}
#endif

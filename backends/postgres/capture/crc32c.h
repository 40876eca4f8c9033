/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/capture/crc32c.h - the checksum of WAL records: CRC-32C (Castagnoli), by the processor if it can */
#ifndef OBX_BACKENDS_POSTGRES_CAPTURE_CRC32C_H
#define OBX_BACKENDS_POSTGRES_CAPTURE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Begin with ~0, and complement the last value. Any thread. */
uint32_t pg_crc32c(uint32_t crc, const unsigned char *bytes, size_t size);
uint32_t pg_crc32c_by_table(uint32_t crc, const unsigned char *bytes,
                            size_t size); /* for tests: without the processor */

#endif

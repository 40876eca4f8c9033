/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/pack.h - values of several columns as one blob, with the storage class of each
 *
 * Two SQL functions, of the store's own connections, make and read it:
 *
 *   outbox_pack(blob or NULL, name, value, ...)   the blob with these values after it
 *   outbox_unpack(blob, name, default)            the value; the default if the blob has no such name
 *
 * Format: for each value the lengths of name and value, 8 bytes each, in the byte order of the machine; its storage
 * class, a byte; its name; its bytes.
 */
#ifndef OBX_BACKENDS_SQLITE_PACK_H
#define OBX_BACKENDS_SQLITE_PACK_H

#include <sqlite3.h>

int lite_pack_register(sqlite3 *db); /* a code of SQLite */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sqlite/stray_scan.h - find rows with ids below the last one that was claimed
 *
 * SQLite has one writer at a time and the key is AUTOINCREMENT, so ids become visible in ascending order and the last
 * claimed id is all that reading needs. The exception is a row that the application inserted with an id of its own
 * choice. So once a second, and always before the relay sleeps, a claim also reads the gaps between the ids that are
 * outstanding: a few index seeks, since those ids are kept as ranges.
 */
#ifndef OBX_BACKENDS_SQLITE_STRAY_SCAN_H
#define OBX_BACKENDS_SQLITE_STRAY_SCAN_H

#include "claim_rows.h"

/* Loop thread: if a scan is due, copy the outstanding ids into the claim. Without memory it is left out this time. */
void lite_stray_scan_schedule(struct lite_claim_op *claim);
void lite_stray_scan(struct lite_claim_op *claim, struct lite_conn *conn); /* READ lane */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/gaps/id_ranges.h - the ranges that a settle deletes
 *
 * A run covers exactly the ids of the rows listed: it never spans an id that no claim gave, so a row that commits
 * late, or one that was written with an id of its own below others, cannot be deleted unpublished.
 */
#ifndef OBX_BACKENDS_SQL_GAPS_ID_RANGES_H
#define OBX_BACKENDS_SQL_GAPS_ID_RANGES_H

#include "sql/gaps/ranges.h"

/* Replaces what is in `runs`. The memory is kept from one settle to the next. */
bool obx_sql_id_ranges(const struct outbox_host *host, struct obx_sql_ranges *runs, const struct outbox_settle *settle);

#endif

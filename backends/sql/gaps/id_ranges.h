/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/gaps/id_ranges.h - the ranges that a settle deletes
 *
 * The ranges cover exactly the ids of the rows listed, and no id that was not claimed. So a row that commits late, or
 * with an id chosen by hand, cannot be deleted unpublished.
 */
#ifndef OBX_BACKENDS_SQL_GAPS_ID_RANGES_H
#define OBX_BACKENDS_SQL_GAPS_ID_RANGES_H

#include "sql/gaps/ranges.h"

/* Replaces what is in `ranges`. The memory is kept from one settle to the next. */
bool obx_sql_id_ranges(const struct outbox_host *host, struct obx_sql_ranges *ranges,
                       const struct outbox_settle *settle);
/* Adds one. False: no memory. */
bool obx_sql_id_range_add(const struct outbox_host *host, struct obx_sql_ranges *ranges, int64_t id);

#endif

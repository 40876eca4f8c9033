/*
 * backends/sql/runs.h - the ranges that a settle deletes
 *
 * A run covers exactly the ids of the rows listed: it never spans an id that no claim gave, so a row that commits
 * late, or one that was written with an id of its own below others, cannot be deleted unpublished.
 */
#ifndef OBX_SQL_RUNS_H
#define OBX_SQL_RUNS_H

#include "sql/ranges.h"

/* Replaces what is in `runs`. The memory is kept from one settle to the next. */
bool obx_sql_runs(const struct outbox_host *host, struct obx_sql_ranges *runs, const struct outbox_settle *settle);

#endif

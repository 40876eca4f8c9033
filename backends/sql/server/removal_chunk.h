/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/sql/server/removal_chunk.h - the ranges of one statement of a removal; for removal.c only
 *
 * A chunk is the next of op->removal.ranges: as many as a statement takes, and no more rows than op->removal.rows. If
 * need be the last range is cut, and its rest is the beginning of the next chunk.
 */
#ifndef OBX_BACKENDS_SQL_SERVER_REMOVAL_CHUNK_H
#define OBX_BACKENDS_SQL_SERVER_REMOVAL_CHUNK_H

#include "sql/server/op.h"

void sql_cut_chunk(struct sql_op *op);      /* sets op->ranges and op->range_count */
void sql_put_chunk_back(struct sql_op *op); /* as before sql_cut_chunk() */
/* The rows of the chunk are gone, but for those that are refused or locked. NULL: none are. */
void sql_retire_chunk(struct sql_op *op, const struct obx_sql_ranges *refused, const struct obx_sql_ranges *locked);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/check_removal.h - removes rows for a moment, to see whether that works */
#ifndef OBX_BACKENDS_SQL_SERVER_CHECK_REMOVAL_H
#define OBX_BACKENDS_SQL_SERVER_CHECK_REMOVAL_H

#include "sql/server/verbs.h"

void sql_check_removal(struct sql_op *op, void (*then)(struct sql_op *op));

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/check_rows.h - reports the rows that struct outbox_check requests */
#ifndef OBX_BACKENDS_SQL_SERVER_CHECK_ROWS_H
#define OBX_BACKENDS_SQL_SERVER_CHECK_ROWS_H

#include "sql/server/table.h"
#include "sql/server/verbs.h"

void sql_check_rows(struct sql_op *op, void (*then)(struct sql_op *op));

#endif

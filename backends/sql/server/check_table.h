/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/check_table.h - findings about the columns */
#ifndef OBX_BACKENDS_SQL_SERVER_CHECK_TABLE_H
#define OBX_BACKENDS_SQL_SERVER_CHECK_TABLE_H

#include "sql/server/table.h"
#include "sql/server/verbs.h"

extern const struct sql_probe sql_column_probes[];

#endif

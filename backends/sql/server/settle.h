/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/settle.h - removing rows from the outbox: for good, or to the dead-letter table */
#ifndef OBX_BACKENDS_SQL_SERVER_SETTLE_H
#define OBX_BACKENDS_SQL_SERVER_SETTLE_H

#include "sql/server/op.h"

void sql_settle(void *self, outbox_op_t id, const struct outbox_settle *settle);
void sql_dead_letter(void *self, outbox_op_t id, const struct outbox_dead_letter_rows *rows);

#endif

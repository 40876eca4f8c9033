/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/dead_letter.h - the rows of a move to the dead-letter table */
#ifndef OBX_BACKENDS_SQL_SERVER_DEAD_LETTER_H
#define OBX_BACKENDS_SQL_SERVER_DEAD_LETTER_H

#include "sql/server/op.h"

/* For put_dead_letters(): the rows that one transaction moves; none: only whether the statements work. */
struct outbox_dead_letter_rows sql_dead_letter_rows(const struct sql_op *op);

#endif

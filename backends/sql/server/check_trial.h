/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sql/server/check_trial.h - can the first rows be read and removed? Those that cannot are findings. */
#ifndef OBX_BACKENDS_SQL_SERVER_CHECK_TRIAL_H
#define OBX_BACKENDS_SQL_SERVER_CHECK_TRIAL_H

#include "sql/server/verbs.h"

void sql_check_trial(struct sql_op *op, void (*then)(struct sql_op *op));

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* backends/sqlite/check_rows.h - the rows that struct outbox_check requests */
#ifndef OBX_BACKENDS_SQLITE_CHECK_ROWS_H
#define OBX_BACKENDS_SQLITE_CHECK_ROWS_H

#include "schema.h"

struct lite_check_rows {
    char **cells; /* owned; row by row, NULL for null */
    uint32_t count, columns;
};

/* Worker. */
void lite_check_rows_read(struct lite_check_rows *rows, const struct lite_schema *schema, struct lite_conn *conn,
                          const struct outbox_check *args, const char *what, struct outbox_error *error);
/* Loop thread; frees them. */
void lite_check_rows_report(struct lite_check_rows *rows, const struct outbox_check *args);

#endif

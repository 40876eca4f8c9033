/* backends/sql/failure.h - setting error values; returns the code, so that `return obx_sql_fail(...)` reads well */
#ifndef OBX_SQL_FAILURE_H
#define OBX_SQL_FAILURE_H

#include <outbox/error.h>

int obx_sql_fail(struct outbox_error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif

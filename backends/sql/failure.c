/* backends/sql/failure.c - setting error values; a text that is too long is cut at a whole character */
#include "sql/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int obx_sql_fail(struct outbox_error *error, int code, const char *format, ...)
{
    va_list list;
    if (!error)
        return code;
    memset(error, 0, sizeof *error);
    error->code = code;
    va_start(list, format);
    int wanted = vsnprintf(error->text, sizeof error->text, format, list);
    va_end(list);
    if (wanted >= (int)sizeof error->text) {
        size_t end = sizeof error->text - 1;
        while (end && ((unsigned char)error->text[end - 1] & 0xc0) == 0x80)
            end--;
        if (end && (unsigned char)error->text[end - 1] >= 0xc0)
            end--;
        error->text[end] = '\0';
    }
    return code;
}

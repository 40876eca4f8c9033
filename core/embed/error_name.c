/* SPDX-License-Identifier: Apache-2.0 */
/* core/embed/error_name.c - names of error codes; also a part of each writer library, so it needs nothing else */
#include <outbox/error.h>

const char *outbox_error_name(int code)
{
    switch (code) {
#define NAME(name, value, text) \
    case value:                 \
        return #name;
        OUTBOX_ERRORS(NAME)
#undef NAME
    }
    return code ? "UNKNOWN" : "OK";
}

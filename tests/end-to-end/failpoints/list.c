/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/end-to-end/failpoints/list.c - outbox-failpoints: prints the failpoints of the program
 *
 *     outbox-failpoints             NAME KIND   KIND of error: none, errno, code
 *     outbox-failpoints --table     the table of docs/FAILPOINTS.md
 */
#include <stdio.h>
#include <string.h>

#include "base/failpoint.h"

int main(int argc, char **argv)
{
    bool table = argc == 2 && !strcmp(argv[1], "--table");
    struct obx_failpoint_info info;
    if (argc > 1 && !table) {
        fputs("usage: outbox-failpoints [--table]\n", stderr);
        return 64;
    }
    for (unsigned i = 0; obx_failpoint_info(i, &info); i++) {
        if (table)
            printf("| `%s` | %s | %s |\n", info.name, info.error, info.where);
        else
            printf("%s %s\n", info.name, *info.error ? info.error : "none");
    }
    return 0;
}

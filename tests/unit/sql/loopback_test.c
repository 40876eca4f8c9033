/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/sql/loopback_test.c - what is this machine, and what only looks like it */
#include <criterion/criterion.h>

#include "sql/loopback.h"

Test(loopback, numeric_addresses_of_this_machine)
{
    static const char *const own[] = {"127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"};
    for (unsigned i = 0; i < sizeof own / sizeof *own; i++)
        cr_expect(obx_sql_is_loopback(own[i]), "%s", own[i]);
}

Test(loopback, names_and_other_addresses_are_not)
{
    static const char *const others[] = {"",         "localhost", "127.0.0.1.example", "127.example",
                                         "10.0.0.1", "::2",       "128.0.0.1",         "::ffff:10.0.0.1",
                                         "127.1",    "0.0.0.0",   "127.0.0.1 ",        "12.7.0.0.1"};
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
        cr_expect(!obx_sql_is_loopback(others[i]), "%s", others[i]);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/program/slim_test.c - what is given back to the kernel is not missed */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/trim_memory.h"

static long resident_pages(void)
{
    long size, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    cr_assert(file);
    cr_assert_eq(fscanf(file, "%ld %ld", &size, &resident), 2);
    fclose(file);
    return resident;
}

/* Code and constants of several libraries, and what was written to before. */
static double use(const char *text)
{
    char copy[64];
    snprintf(copy, sizeof copy, "%s", text);
    return strtod(copy, NULL) + (double)strlen(copy);
}

Test(slim, gives_pages_back_and_all_still_works)
{
    double before = use("0.5");
    char *kept = strdup("written before");
    long resident = resident_pages();
    obx_trim_memory();
    long after = resident_pages();
    cr_expect_lt(after, resident);
    cr_expect_eq(use("0.5"), before);
    cr_expect_str_eq(kept, "written before");
    obx_trim_memory();
    cr_expect_str_eq(kept, "written before");
    free(kept);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/program/trim_memory_test.c - memory freed after a backlog goes back to the kernel */
#include <criterion/criterion.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/trim_memory.h"

#define BLOCKS 20000u
#define BLOCK_SIZE 1000u

static long private_dirty_kilobytes(void)
{
    char line[128];
    long kilobytes = -1;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    if (!file)
        cr_skip_test("the kernel has no smaps_rollup");
    while (kilobytes < 0 && fgets(line, sizeof line, file))
        sscanf(line, "Private_Dirty: %ld kB", &kilobytes);
    fclose(file);
    return kilobytes;
}

Test(trim_memory, freed_blocks_below_a_used_one_are_returned)
{
    static char *blocks[BLOCKS];
    if (!mallinfo2().uordblks)
        cr_skip_test("a sanitizer replaces malloc()");
    for (unsigned i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BLOCK_SIZE);
        cr_assert_not_null(blocks[i]);
        memset(blocks[i], 'x', BLOCK_SIZE);
    }
    for (unsigned i = 0; i < BLOCKS - 1; i++) /* the last one keeps free() from shrinking the heap by itself */
        free(blocks[i]);
    long before = private_dirty_kilobytes();
    obx_trim_memory();
    long after = private_dirty_kilobytes();
    cr_expect_lt(after, before - (long)(BLOCKS * BLOCK_SIZE / 1024 / 2), "%ld kB before, %ld kB after", before, after);
    cr_expect_eq(blocks[BLOCKS - 1][BLOCK_SIZE - 1], 'x');
    free(blocks[BLOCKS - 1]);
}

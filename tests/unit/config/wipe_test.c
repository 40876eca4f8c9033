/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/config/wipe_test.c - a secret is overwritten before its memory is freed
 *
 * Replaces core/base/mem.c by an allocator that searches every freed block.
 */
#include <criterion/criterion.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config.h"

#define SECRET "s3cr3t-that-must-not-stay"

static size_t live, leaks;

static void search_block(void *memory)
{
    leaks += memmem(memory, malloc_usable_size(memory), SECRET, strlen(SECRET)) != NULL;
}

void *obx_alloc(size_t size)
{
    live++;
    return calloc(1, size ? size : 1);
}

void *obx_resize(void *memory, size_t size)
{
    if (memory)
        search_block(memory);
    else
        live++;
    return realloc(memory, size ? size : 1);
}

void obx_free(void *memory)
{
    if (!memory)
        return;
    search_block(memory);
    live--;
    free(memory);
}

static void write_file(char *path, const char *text)
{
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

Test(wipe, unwiped_memory_is_detected)
{
    obx_free(obx_strdup("x " SECRET));
    cr_assert_eq(leaks, 1);
}

Test(wipe, freed_memory_contains_no_secret)
{
    static const struct outbox_option options[] = {
        {"written", OUTBOX_OPT_STRING, OUTBOX_OPT_SECRET, 0, NULL, 0, 0, NULL, ""},
        {"expanded", OUTBOX_OPT_STRING, OUTBOX_OPT_SECRET, sizeof(char *), NULL, 0, 0, NULL, ""},
        {"kept", OUTBOX_OPT_STRING, OUTBOX_OPT_SECRET, 2 * sizeof(char *), NULL, 0, 0, NULL, ""},
    };
    char path[] = "/tmp/obx-config-XXXXXX", secret[] = "/tmp/obx-secret-XXXXXX";
    const char *values[3];
    struct obx_config *config;
    struct outbox_error error = {0};
    write_file(path, "written: pw=" SECRET "\nexpanded: pw=${OBX_SECRET}\nkept: file:${OBX_PATH}\n");
    write_file(secret, SECRET "\n");
    setenv("OBX_SECRET", SECRET, 1);
    setenv("OBX_PATH", secret, 1);
    cr_assert_eq(obx_config_read(path, &config, &error), 0, "%s", error.text);
    cr_assert_eq(obx_options_apply(options, 3, sizeof *options, NULL, obx_config_root(config), values, &error), 0, "%s",
                 error.text);
    for (int i = 0; i < 3; i++)
        cr_expect_not_null(strstr(values[i], SECRET));
    obx_config_free(config);
    unlink(path);
    unlink(secret);
    cr_assert_eq(live, 0);
    cr_assert_eq(leaks, 0);
}

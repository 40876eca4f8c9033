/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/fuzz.c - see fuzz.h */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void fuzz_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: broken: %s\n", file, line, what);
    abort();
}

uint64_t fuzz_int(struct fuzz_input *input, unsigned bytes)
{
    uint64_t number = 0;
    while (bytes-- && input->at < input->end)
        number = number << 8 | *input->at++;
    return number;
}

static void *copy(struct fuzz_input *input, size_t *size, size_t more)
{
    size_t wanted = fuzz_int(input, 2), left = (size_t)(input->end - input->at);
    *size = wanted < left ? wanted : left;
    char *bytes = malloc(*size + more + !(*size + more));
    if (!bytes)
        abort();
    if (*size)
        memcpy(bytes, input->at, *size);
    memset(bytes + *size, 0, more);
    input->at += *size;
    return bytes;
}

struct outbox_bytes fuzz_bytes(struct fuzz_input *input)
{
    size_t size;
    void *bytes = copy(input, &size, 0);
    return (struct outbox_bytes){bytes, size};
}

struct outbox_bytes fuzz_maybe(struct fuzz_input *input)
{
    return fuzz_int(input, 1) % 4 ? fuzz_bytes(input) : (struct outbox_bytes){0};
}

char *fuzz_text(struct fuzz_input *input)
{
    size_t size;
    return copy(input, &size, 1);
}

void fuzz_free(const void *memory)
{
    free((void *)(uintptr_t)memory);
}

char *fuzz_whole_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        abort();
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    return text;
}

/* ---- the host ---------------------------------------------------------------------------------------------------- */

static void drop_log(const struct outbox_host *host, enum outbox_log_level level, const char *format, ...)
{
    (void)host, (void)level, (void)format;
}

static void *allocate(const struct outbox_host *host, size_t size)
{
    (void)host;
    return obx_alloc(size);
}

static void *resize(const struct outbox_host *host, void *memory, size_t size)
{
    (void)host;
    return obx_resize(memory, size);
}

static void release(const struct outbox_host *host, void *memory)
{
    (void)host;
    obx_free(memory);
}

const struct outbox_host fuzz_host = {
    .struct_size = sizeof fuzz_host, .log = drop_log, .alloc = allocate, .resize = resize, .release = release};
